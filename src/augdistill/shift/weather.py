"""Weather-like corruptions of images [N,C,H,W] in 0..1: snow, frost, fog, brightness. Their textures are made."""

import numpy as np
import torch
from torch import Tensor

from augdistill.shift.draws import normal, uniform
from augdistill.shift.filters import motion, resampling


def snow(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images in falling snow: whitened, with smeared flakes over them."""
    mean, spread, zoom, least, radius, sigma, kept = (
        (0.1, 0.2, 1.0, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1.0, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )[severity - 1]
    count, _, side, _ = images.shape
    flakes = mean + spread * normal(rng, (count, 1, side, side))
    matrix = resampling(side, zoom)
    flakes = matrix @ flakes @ matrix.T
    flakes = flakes.masked_fill(flakes < least, 0).clamp(0, 1)
    angles = torch.from_numpy(rng.integers(-135, -44, count))
    flakes = motion(flakes, angles, radius * side / 32, sigma * side / 32)
    white = kept * images + (1 - kept) * torch.maximum(images, grey(images) * 1.5 + 0.5)
    return white + flakes + flakes.rot90(2, (2, 3))


def grey(images: Tensor) -> Tensor:
    """Return the luminance [N,1,H,W] of images with three channels, or their one channel."""
    weights = torch.tensor([0.299, 0.587, 0.114]) if images.shape[1] == 3 else torch.full((images.shape[1],), 1.0)
    return (images * (weights / weights.sum())[:, None, None]).sum(1, keepdim=True)


def frost(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images behind a frozen window: darkened, under bright ridges of a fractal in the place of photographs."""
    kept, frozen = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))[severity - 1]
    heights = fractal(len(images), images.shape[-1], 1.75, rng)
    ridges = (1 - (2 * heights - 1).abs()) ** 2
    return kept * images + frozen * ridges[:, None]


def fog(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images in fog: a fractal is added, and the brightest point stays as bright as it was."""
    amount, decay = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))[severity - 1]
    brightest = images.amax((1, 2, 3), keepdim=True)
    clouds = amount * fractal(len(images), images.shape[-1], decay, rng)[:, None]
    return (images + clouds) * brightest / (brightest + amount)


def fractal(count: int, side: int, decay: float, rng: np.random.Generator) -> Tensor:
    """Return height maps [N,side,side] from 0 to 1 by the diamond-square algorithm, whose noise falls by `decay`."""
    size = 1 << max(side - 1, 1).bit_length()
    heights = torch.zeros(count, size, size)
    step, wobble = size, 1.0

    def noisy(corners: Tensor, amount: float) -> Tensor:
        return corners / 4 + amount * (2 * uniform(rng, corners.shape) - 1)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        rows = corners + corners.roll(-1, 1)
        heights[:, half::step, half::step] = noisy(rows + rows.roll(-1, 2), wobble)
        centres, corners = heights[:, half::step, half::step], heights[:, ::step, ::step]
        beside = centres + centres.roll(1, 1) + corners + corners.roll(-1, 2)
        above = centres + centres.roll(1, 2) + corners + corners.roll(-1, 1)
        heights[:, ::step, half::step] = noisy(beside, wobble)
        heights[:, half::step, ::step] = noisy(above, wobble)
        step, wobble = half, wobble / decay
    heights -= heights.amin((1, 2), keepdim=True)
    return (heights / heights.amax((1, 2), keepdim=True))[:, :side, :side]


def brightness(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images of a higher value in HSV, hue and saturation as they were."""
    more = (0.05, 0.1, 0.15, 0.2, 0.3)[severity - 1]
    value = images.amax(1, keepdim=True)
    brighter = (value + more).clamp(max=1)
    return torch.where(value > 0, images * (brighter / value.clamp(min=1e-6)), brighter)
