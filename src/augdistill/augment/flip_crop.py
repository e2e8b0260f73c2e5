"""Random horizontal flip and random crop of the padded image (as in He et al. 2016, section 4.2)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from augdistill.augment.shared import Draws, Samples, as_images, as_mask, as_rows, check_fraction, select


def draw(
    rng: np.random.Generator, sizes: Sequence[int], side: int, *, flip: float = 0.5, padding: float = 0.125
) -> Draws:
    """Draw which images flip, and by how many pixels each crop lies below and right of the image.

    `flip` is a probability, `padding` the pad on each edge as a share of the side, at most 0.5. Raises ConfigError.
    Returns flip bool [N]; down and right int64 [N], uniform in [-pad, pad].
    """
    check_fraction("flip-crop.flip", flip)
    check_fraction("flip-crop.padding", padding, most=0.5)
    pad = round(side * padding)
    flips = rng.random(sum(sizes)) < flip
    down, right = rng.integers(-pad, pad + 1, (2, len(flips)))
    return {"flip": flips, "down": down, "right": right}


def prepare(draws: Draws, side: int) -> Draws:
    """Return flip, and where in the table of `apply` each row of a crop begins, counted from its image, int32 [N,side].

    0 is a row of black.
    """
    down, right = (draws[axis].astype(np.int32)[:, None] for axis in ("down", "right"))
    begin = np.arange(side, dtype=np.int32) + down
    inside = (begin >= 0) & (begin < side)
    begin *= pitch(side)
    begin += right + pitch(side)
    begin *= inside
    return {"flip": draws["flip"], "begin": begin}


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Crop each image out of a surround of black, and flip it.

    A row of a crop is a window of a table that has black pixels after each row, before the next, and a row of them
    before each image: some short copies an image, where a pixel at a time takes ten times as long on a CPU.
    """
    images, rows = samples.images, as_rows(samples.images)
    count, planes, height, width, depth = rows.shape
    table = rows.new_empty(count, planes, 1 + height, pitch(width), depth)
    table.copy_(samples.black.view(planes, 1, 1, depth).expand(-1, -1, pitch(width), -1).contiguous())
    table[:, :, 1:, :width] = rows
    windows = table.flatten().unfold(0, width * depth, depth)
    block = (1 + height) * pitch(width)
    first = torch.arange(0, count * planes * block, block, device=images.device).view(count, planes, 1)
    begin = (first + draws["begin"][:, None]).flatten()
    cropped = as_images(windows.index_select(0, begin).view(rows.shape))
    flip = as_mask(draws["flip"], images.dtype)[:, None, None, None]
    return samples._replace(images=select(flip, cropped, cropped.flip(3)))


def pitch(side: int) -> int:
    """Return how many pixels a row of the table has: no crop reaches further, the padding is half a side at most."""
    return side + (side + 1) // 2
