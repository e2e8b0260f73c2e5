"""Digital corruptions of images [N,C,H,W] in 0..1: contrast, elastic distortion, large pixels, JPEG."""

import io

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augdistill.shift.draws import uniform
from augdistill.shift.filters import box, gaussian


def contrast(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images whose distance from their channels' means is scaled down."""
    kept = (0.75, 0.5, 0.4, 0.3, 0.15)[severity - 1]
    means = images.mean((2, 3), keepdim=True)
    return means + kept * (images - means)


def elastic_transform(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images that are stretched: three points moved at random, then a smooth random field of displacements."""
    amount, smooth, moved = ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))[
        severity - 1
    ]
    count, _, side, _ = images.shape
    third, middle = side // 3, side // 2
    corners = torch.tensor(
        [[middle + third, middle + third], [middle + third, middle - third], [middle - third, middle - third]]
    ).float()
    ends = corners + side * moved * (2 * uniform(rng, (count, 3, 2)) - 1)
    ones = torch.ones(3, 1)
    back = torch.linalg.solve(torch.cat([ends, ones.expand(count, 3, 1)], 2), corners)  # of an end its source
    line = torch.arange(side).float()
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), 2).view(-1, 2)
    field = gaussian(2 * uniform(rng, (count, 2, side, side)) - 1, smooth * side, truncate=3)
    target = grid + amount * side * field.flatten(2).mT if amount else grid.expand(count, -1, -1)
    source = torch.cat([target, torch.ones(count, side * side, 1)], 2) @ back
    places = (2 * source / (side - 1) - 1).view(count, side, side, 2)
    return functional.grid_sample(images, places, padding_mode="reflection", align_corners=True)


def pixelate(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images of fewer and larger pixels."""
    side = images.shape[-1]
    small = int(side * (0.95, 0.9, 0.85, 0.75, 0.65)[severity - 1])
    both = box(small, side) @ box(side, small)
    return both @ images @ both.T


def jpeg_compression(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images as JPEG of low quality keeps them; each channel on its own unless there are one or three."""
    quality = (80, 65, 58, 50, 40)[severity - 1]
    channels, height, width = images.shape[1:]
    grouped = images if channels in (1, 3) else images.reshape(-1, 1, height, width)
    pixels = (grouped * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    kept = np.stack([as_jpeg(one.squeeze(2) if one.shape[2] == 1 else one, quality) for one in pixels])
    return (torch.from_numpy(kept).view(pixels.shape).permute(0, 3, 1, 2).float() / 255).reshape(images.shape)


def as_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    """Return one image, bytes [H,W] or [H,W,3], after a JPEG of it."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content, formats=["JPEG"]))
