"""Linear filters of images [N,C,H,W] that several corruptions share. Borders are mirrored, or go on as they end."""

import math

import torch
from torch import Tensor
from torch.nn import functional

AT_ONCE = 256  # maps in a convolution


def convolved(images: Tensor, kernel: Tensor) -> Tensor:
    """Return every channel convolved with a symmetric kernel [D,D], D odd; borders are mirrored."""
    reach = len(kernel) // 2
    maps = images.flatten(0, 1)[:, None]
    padded = functional.pad(maps, (reach,) * 4, mode="reflect" if reach < images.shape[-1] else "replicate")
    return each(padded, kernel).view(images.shape)


def gaussian(images: Tensor, sigma: float, truncate: float = 4.0) -> Tensor:
    """Return every channel smoothed by a Gaussian of `sigma` pixels, cut off at `truncate` sigma; borders go on."""
    reach = int(truncate * sigma + 0.5)
    if not reach:
        return images
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).float() / sigma) ** 2)
    weights = weights / weights.sum()
    maps = images.flatten(0, -3)[:, None]
    maps = each(functional.pad(maps, (reach, reach, 0, 0), mode="replicate"), weights[None])
    maps = each(functional.pad(maps, (0, 0, reach, reach), mode="replicate"), weights[:, None])
    return maps.view(images.shape)


def each(maps: Tensor, kernel: Tensor) -> Tensor:
    """Return maps [M,1,H,W], each convolved with a kernel [D,E], some at once: oneDNN lays out 16 channels for one."""
    return torch.cat([functional.conv2d(some, kernel[None, None]) for some in torch.split(maps, AT_ONCE)])


def motion(images: Tensor, angles: Tensor, radius: float, sigma: float) -> Tensor:
    """Return images [N,C,H,W] smeared along one direction each, by half a Gaussian; `angles` [N] in whole degrees."""
    weights = torch.exp(-0.5 * (torch.arange(2 * round(radius) + 1).float() / sigma) ** 2)
    weights = weights / weights.sum()
    blurred = torch.empty_like(images)
    for angle in sorted(set(angles.tolist())):
        rows = (angles == angle).nonzero()[:, 0]
        blurred[rows] = shifted_mean(images[rows], math.radians(angle), weights.tolist())
    return blurred


def shifted_mean(images: Tensor, angle: float, weights: list[float]) -> Tensor:
    """Return the weighted sum of images [N,C,H,W] that are moved by 0, 1, 2, ... pixels at an angle; borders go on."""
    reach, side = len(weights) - 1, images.shape[-1]
    padded = functional.pad(images, (reach,) * 4, mode="replicate")
    total = torch.zeros_like(images)
    for step, weight in enumerate(weights):
        if weight > 1e-6:
            top = reach + math.floor(step * math.sin(angle) + 0.5)
            left = reach + math.floor(step * math.cos(angle) + 0.5)
            total.add_(padded[..., top : top + side, left : left + side], alpha=weight)
    return total


def resampling(side: int, zoom: float) -> Tensor:
    """Return the matrix [side,side] that enlarges the middle of a line of pixels, linearly, corners on corners."""
    kept = math.ceil(side / zoom)
    large = round(kept * zoom)
    first, trimmed = (side - kept) // 2, (large - side) // 2
    place = torch.arange(trimmed, trimmed + side).double() * ((kept - 1) / max(large - 1, 1))
    low = place.floor().clamp(max=kept - 2 if kept > 1 else 0)
    share, rows, matrix = (place - low).float(), torch.arange(side), torch.zeros(side, side)
    columns = low.long() + first
    matrix[rows, columns] += 1 - share
    matrix[rows, (columns + 1).clamp(max=side - 1)] += share
    return matrix


def box(side: int, other: int) -> Tensor:
    """Return the matrix [other,side] that resizes a line of pixels by the box filter, as Pillow's BOX does."""
    scale = side / other
    width = max(scale, 1.0)
    centres = (torch.arange(other).double() + 0.5) * scale
    offsets = (torch.arange(side).double() + 0.5 - centres[:, None]) / width
    inside = ((offsets > -0.5) & (offsets <= 0.5)).float()
    return inside / inside.sum(1, keepdim=True)
