"""Random horizontal flip and random crop of the padded image (as in He et al. 2016, section 4.2)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding

from augdistill.augment.shared import Draws, check_share


def draw(
    rng: np.random.Generator, sizes: Sequence[int], side: int, *, flip: float = 0.5, padding: float = 0.125
) -> Draws:
    """Draw which images flip, and by how many pixels each crop lies below and right of the image.

    `flip` is a probability, `padding` the pad on each edge as a share of the side, at most 0.5. Raises ConfigError.
    Returns flip bool [N]; down and right int64 [N], uniform in [-pad, pad].
    """
    check_share("flip-crop.flip", flip)
    check_share("flip-crop.padding", padding, most=0.5)
    pad = round(side * padding)
    flips = rng.random(sum(sizes)) < flip
    down, right = rng.integers(-pad, pad + 1, (2, len(flips)))
    return {"flip": flips, "down": down, "right": right}


def apply(images: Tensor, targets: Tensor, draws: Mapping[str, Tensor], black: Tensor) -> tuple[Tensor, Tensor]:
    """Crop images [B,C,H,W] out of a surround of `black` [C], flip, and leave the targets [B,M] as they are.

    The pixels of each image, and a black one after them to which all outside it points, are rows of a table that an
    embedding looks up: 0.8 ms for 128 images of 32 x 32 on one core, where indexing takes 2.5 ms.
    """
    samples, channels, height, width = images.shape
    outside = height * width
    first = torch.arange(samples, device=images.device)[:, None] * (outside + 1)
    row = torch.arange(height, device=images.device) + draws["down"][:, None]
    column = torch.arange(width, device=images.device)
    column = torch.where(draws["flip"][:, None], width - 1 - column, column) + draws["right"][:, None]
    row = first + torch.where((row >= 0) & (row < height), row * width, outside)
    column = torch.where((column >= 0) & (column < width), column, outside)
    index = torch.minimum(row[:, :, None] + column[:, None, :], (first + outside)[:, :, None])
    surround = black.to(images.dtype).expand(samples, 1, channels)
    table = torch.cat([images.permute(0, 2, 3, 1).flatten(1, 2), surround], dim=1).flatten(0, 1)
    cropped = embedding(index, table).permute(0, 3, 1, 2)
    in_channels_last = images.stride(1) == 1
    return cropped if in_channels_last else cropped.contiguous(), targets
