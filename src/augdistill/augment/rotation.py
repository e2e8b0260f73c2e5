"""Random rotation about the image's centre, bilinear, what comes in from outside black."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augdistill.augment.shared import Draws, Samples, is_number
from augdistill.base.checks import require


def draw(rng: np.random.Generator, sizes: Sequence[int], side: int, *, degrees: float = 15.0) -> Draws:
    """Draw each image's angle, float32 [N] in degrees, uniform to both sides up to `degrees`, 0..180, else ConfigError.

    Positive angles turn counter-clockwise.
    """
    require(is_number(degrees) and 0 <= degrees <= 180, "rotation.degrees", degrees, "a number from 0 to 180")
    return {"angle": rng.uniform(-degrees, degrees, sum(sizes)).astype(np.float32)}


def prepare(draws: Draws, side: int) -> Draws:
    """Return where each image's pixels come from, as torch.nn.functional.affine_grid takes it, float64 [N,2,3]."""
    angle = np.deg2rad(draws["angle"].astype(np.float64))
    cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    return {"matrix": np.stack([np.stack([cos, -sin, zero], 1), np.stack([sin, cos, zero], 1)], 1)}


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Turn each image; what is outside has the difference 0 to black. In fp32 at least."""
    images = samples.images
    wide = torch.promote_types(images.dtype, torch.float32)
    black = samples.black.to(wide)[:, None, None]
    grid = functional.affine_grid(draws["matrix"].to(wide), list(images.shape), align_corners=False)
    turned = functional.grid_sample(images.to(wide) - black, grid, align_corners=False) + black
    memory = torch.contiguous_format if images.is_contiguous() else torch.channels_last
    return samples._replace(images=turned.to(images.dtype).contiguous(memory_format=memory))
