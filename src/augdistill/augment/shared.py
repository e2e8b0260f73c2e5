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


def as_rows(images: Tensor) -> Tensor:
    """Return images [B,C,H,W] as they lie in memory, [B,C,H,W,1], or [B,1,H,W,C] if their channels come last.

    Along such rows all operations are vectorised on a CPU, whichever the memory format.
    """
    return images[..., None] if images.is_contiguous() else images.permute(0, 2, 3, 1)[:, None]


def as_images(rows: Tensor) -> Tensor:
    """Return the images [B,C,H,W] of which these are the rows."""
    return rows[:, 0].permute(0, 3, 1, 2) if rows.shape[1] == 1 else rows[..., 0]


def inside_box(draws: Mapping[str, Tensor], rows: Tensor) -> Tensor:
    """Return 1 where rows [B,P,H,W,Q] lie in their image's box, else 0, [B,1,H,W,Q] of the dtype of `rows`."""
    height, width, depth = rows.shape[2:]
    row, column = torch.arange(height, device=rows.device), torch.arange(width, device=rows.device)
    in_rows = (row >= draws["top"][:, None]) & (row < draws["bottom"][:, None])
    in_columns = (column >= draws["left"][:, None]) & (column < draws["right"][:, None])
    in_columns = in_columns.to(rows.dtype)[:, :, None].expand(-1, -1, depth).flatten(1)
    inside = in_rows.to(rows.dtype)[:, None, :, None] * in_columns[:, None, None]
    return inside.view(len(rows), 1, height, width, depth)


def choose(mask: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """Return `other` where `mask` is 1 and `own` where it is 0, exactly; all of one dtype, bytes or floats.

    `torch.where` and indexing by a mask are scalar loops on a CPU: 40 times as long as these on bytes.
    """
    return own ^ ((own ^ other) & -mask) if own.dtype == torch.uint8 else blend(other, own, mask)


def blend(own: Tensor, partners: Tensor, lam: Tensor) -> Tensor:
    """Return lam * own + (1 - lam) * partners, exact where lam is 0 or 1; computed in fp32 at least.

    `lam` has as many dimensions as own and partners [B,...] and is broadcast.
    """
    wide = torch.promote_types(own.dtype, torch.float32)
    return torch.lerp(partners.to(wide), own.to(wide), lam.to(wide)).to(own.dtype)
