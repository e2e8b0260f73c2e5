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
    """Return the cosine and the sine of each image's angle, float64 [N]."""
    angle = np.deg2rad(draws["angle"].astype(np.float64))
    return {"cos": np.cos(angle), "sin": np.sin(angle)}


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Turn each image; what is outside has the difference 0 to black. In fp32 at least."""
    images = samples.images
    wide = torch.promote_types(images.dtype, torch.float32)
    black = samples.black.to(wide)[:, None, None]
    cos, sin = (draws[key].to(wide)[:, None, None] for key in ("cos", "sin"))
    grid = turned_grid(cos, sin, *images.shape[2:])
    pixels = images.to(wide).contiguous() - black  # samples are taken from planes, whichever way the images lie
    turned = functional.grid_sample(pixels, grid, align_corners=False).add_(black)
    memory = torch.contiguous_format if images.is_contiguous() else torch.channels_last
    return samples._replace(images=turned.to(images.dtype).contiguous(memory_format=memory))


def turned_grid(cos: Tensor, sin: Tensor, height: int, width: int) -> Tensor:
    """Return where pixels come from, as `grid_sample` takes it, [N,H,W,2], by the angles' cosines and sines [N,1,1].

    It is `affine_grid`'s, whose product of matrices takes longer than the sampling.
    """
    x, y = ((torch.arange(side, dtype=cos.dtype, device=cos.device) * 2 + 1) / side - 1 for side in (width, height))
    return torch.stack([cos * x - sin * y[:, None], sin * x + cos * y[:, None]], dim=-1)
