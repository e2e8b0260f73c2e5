"""What strategies share: checked parameters, what a draw serves, partners, boxes, blends.

Shapes: N samples in an epoch, B in a batch. Draws are NumPy arrays whose first axis is N; an `apply` gets the B of its
batch as tensors on the images' device.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from augdistill.config import one_of, require

Draws = dict[str, np.ndarray]


def check_share(key: str, value: float, most: float = 1) -> None:
    """Raise ConfigError unless `value` is a number from 0 to `most`."""
    require(is_number(value) and 0 <= value <= most, key, value, f"a number from 0 to {most}")


def check_positive(key: str, value: float) -> None:
    """Raise ConfigError unless `value` is a finite number above 0."""
    require(is_number(value) and 0 < value < math.inf, key, value, "a number above 0")


def is_number(value: object) -> bool:
    """Return whether `value` is a number that is no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def served(key: str, scope: str, sizes: Sequence[int]) -> np.ndarray:
    """Return how many samples each draw of an epoch serves: a whole batch each in scope batch, else one each."""
    one_of(key, scope, ("batch", "sample"))
    return np.asarray(sizes) if scope == "batch" else np.ones(sum(sizes), dtype=int)


def label_shares(key: str, labels: str, lam: np.ndarray) -> np.ndarray:
    """Return the own label's share, float32 [N]: `lam` if labels are soft; if hard, 1 from a half on, else 0."""
    one_of(key, labels, ("soft", "hard"))
    return (lam if labels == "soft" else lam >= 0.5).astype(np.float32)


def draw_partners(rng: np.random.Generator, sizes: Sequence[int]) -> np.ndarray:
    """Return a random permutation of each batch, as indices inside the batch, int64 [N]."""
    batch = np.repeat(np.arange(len(sizes)), sizes)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.argsort(batch + rng.random(len(batch)), kind="stable") - first


def clipped_box(centres: np.ndarray, before: np.ndarray | int, after: np.ndarray | int, side: int) -> Draws:
    """Return the box [centre - before, centre + after) of centres [2,N], rows and columns, cut at the image's edge."""
    (top, left), (bottom, right) = np.clip(centres - before, 0, side), np.clip(centres + after, 0, side)
    return {"top": top, "bottom": bottom, "left": left, "right": right}


def inside_box(draws: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Return which pixels of images [B,C,H,W] lie in their image's box, bool [B,1,H,W]."""
    height, width = images.shape[-2:]
    row, column = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    in_rows = (row >= draws["top"][:, None]) & (row < draws["bottom"][:, None])
    in_columns = (column >= draws["left"][:, None]) & (column < draws["right"][:, None])
    return (in_rows[:, :, None] & in_columns[:, None, :])[:, None]


def blend(own: Tensor, partners: Tensor, lam: Tensor) -> Tensor:
    """Return lam * own + (1 - lam) * partners, exact where lam is 0 or 1; computed in fp32 at least.

    `lam` has as many dimensions as own and partners [B,...] and is broadcast.
    """
    wide = torch.promote_types(own.dtype, torch.float32)
    return torch.lerp(partners.to(wide), own.to(wide), lam.to(wide)).to(own.dtype)
