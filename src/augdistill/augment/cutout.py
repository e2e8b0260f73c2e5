"""Cutout: one square of each image is replaced by the mean colour (DeVries and Taylor 2017, arXiv 1708.04552)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from augdistill.augment.shared import Draws, Samples, as_images, as_rows, clipped_box, in_box, is_number, outer_masks
from augdistill.base.checks import require


def draw(rng: np.random.Generator, sizes: Sequence[int], side: int, *, size: float = 0.5) -> Draws:
    """Draw the square of each image: its centre uniform over the pixels, the square cut at the image's edge.

    `size` is the square's side as a share of the image's, above 0 and at most 1; 0.5 masks 19.14 % of a 32 x 32 image
    on average. A square of odd side keeps it, 15 pixels at a side of 30, with its centre in the middle; the reference
    code, which reaches half of the side rounded down to both sides, masks 14 there. Even sides are the same in both.
    Raises ConfigError. Returns the edges top, bottom, left, right, int64 [N].
    """
    require(is_number(size) and 0 < size <= 1, "cutout.size", size, "a number above 0, at most 1")
    square = max(1, round(size * side))
    centres = rng.integers(0, side, (2, sum(sizes)))
    return clipped_box(centres, square // 2, square - square // 2, side)


def prepare(draws: Draws, side: int) -> Draws:
    """Return the rows and the columns that lie outside of each image's square, bool [N,side]."""
    rows, columns = in_box(draws, side)
    return {"rows": ~rows, "columns": ~columns}


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Set the square in each image to 0, the mean after normalisation."""
    rows = as_rows(samples.images)
    outside = torch.maximum(*outer_masks(draws, rows)).view(rows.shape)
    return samples._replace(images=as_images(outside.mul_(rows)))
