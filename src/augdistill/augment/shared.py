"""What strategies share: checked parameters, what a draw serves, partners, boxes, blends.

Shapes: N samples in an epoch, B in a batch. Draws are NumPy arrays whose first axis is N; an `apply` gets the B of its
batch as tensors on the images' device.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augdistill.base.checks import one_of, require

Draws = dict[str, np.ndarray]


class Samples(NamedTuple):
    """A batch on its way to a model.

    Images [B,C,H,W] are normalised floats, or bytes for strategies that move pixels only; `targets` [B,K] the labels'
    probabilities; `teacher` [B,K] what the teacher says of the same images, None where there is none or where it sees
    the batch itself; `black` [C] what black is in these images.
    """

    images: Tensor
    targets: Tensor
    teacher: Tensor | None
    black: Tensor

    @property
    def classes(self) -> int:
        """The number of classes K."""
        return self.targets.shape[1]

    @property
    def is_bytes(self) -> bool:
        """Whether the images are bytes, not normalised yet."""
        return self.images.dtype == torch.uint8

    def mixed(self, images: Tensor, partner: Tensor, share: Tensor) -> "Samples":
        """Return `images`, with targets and a teacher's words that are mixed: `share` [B] own, the rest `partner`'s."""

        def blended(values: Tensor) -> Tensor:
            return blend(values, values.index_select(0, partner), share[:, None])

        teacher = None if self.teacher is None else blended(self.teacher)
        return self._replace(images=images, targets=blended(self.targets), teacher=teacher)


def check_fraction(key: str, value: float, most: float = 1) -> None:
    """Raise ConfigError unless `value` is a number from 0 to `most`."""
    require(is_number(value) and 0 <= value <= most, key, value, f"a number from 0 to {most}")


def check_positive(key: str, value: float) -> None:
    """Raise ConfigError unless `value` is a finite number above 0."""
    require(is_number(value) and 0 < value < math.inf, key, value, "a number above 0")


def is_number(value: object) -> bool:
    """Return whether `value` is a number that is no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def repeats(key: str, scope: str, sizes: Sequence[int]) -> np.ndarray:
    """Return how many samples each draw of an epoch serves: a whole batch each in scope batch, else one each."""
    one_of(key, scope, ("batch", "sample"))
    return np.asarray(sizes) if scope == "batch" else np.ones(sum(sizes), dtype=int)


def draw_mixing(
    rng: np.random.Generator, name: str, sizes: Sequence[int], alpha: float, prob: float, scope: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how many samples each draw of a mixing strategy serves, the partners, and which draws mix; ConfigError."""
    check_positive(f"{name}.alpha", alpha)
    check_fraction(f"{name}.prob", prob)
    counts = repeats(f"{name}.scope", scope, sizes)
    return counts, draw_partners(rng, sizes), rng.random(len(counts)) < prob


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
    """Return the images [B,C,H,W] of which these are the rows.

    Those of one channel, which lie in memory the same way in both formats, never have the strides of channels last:
    convolutions go by strides, and in fp32 on a CPU must not take that way (see `Device.memory_format`).
    """
    return rows[..., 0] if rows.shape[4] == 1 else rows[:, 0].permute(0, 3, 1, 2)


def gather_images(images: Tensor, index: Tensor) -> Tensor:
    """Return the images at `index` [B] of images [N,C,H,W], in the same memory format.

    Rows are copied whole; indexing the images themselves goes byte by byte on a CPU, 20 times as long.
    """
    return as_images(as_rows(images).index_select(0, index))


def in_box(draws: Draws, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows and which columns of an image lie in its box, bool [N,side] each."""
    line = np.arange(side, dtype=np.int16)  # a quarter of the time of int64

    def between(begin: str, end: str) -> np.ndarray:
        first, last = (draws[edge].astype(np.int16)[:, None] for edge in (begin, end))
        inside: np.ndarray = (line >= first) & (line < last)
        return inside

    return between("top", "bottom"), between("left", "right")


def outer_masks(draws: Mapping[str, Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return draws "rows" and "columns", bool [B,side], as masks that meet as `rows` [B,P,H,W,Q] lie in memory.

    The shapes are [B,P,H,1] and [B,1,1,WQ]; what is made of both is as vast as `rows` and can be viewed like them.
    """
    planes, depth = rows.shape[1], rows.shape[4]
    down = as_mask(draws["rows"], rows.dtype)[:, None, :, None].expand(-1, planes, -1, -1)
    across = as_mask(draws["columns"], rows.dtype)[:, :, None].expand(-1, -1, depth).flatten(1)
    return down, across[:, None, None]


def as_mask(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1, or of bytes all bits, where `values` are true, else 0."""
    mask = values.to(dtype)
    return mask.neg_() if dtype == torch.uint8 else mask


def select(mask: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """Return `other`, which is written over, where `mask` is as `as_mask` makes it true, else `own`; exactly.

    `torch.where` and indexing by a mask are scalar loops on a CPU: 40 times as long as these on bytes.
    """
    if own.dtype == torch.uint8:
        return other.bitwise_xor_(own).bitwise_and_(mask).bitwise_xor_(own)
    return blend(own, other, 1 - mask)


def blend(own: Tensor, partners: Tensor, lam: Tensor) -> Tensor:
    """Return lam * own + (1 - lam) * partners, which are written over; exact where lam is 0 or 1, in fp32 at least.

    `lam` has as many dimensions as own and partners [B,...] and is broadcast.
    """
    wide = torch.promote_types(own.dtype, torch.float32)
    return partners.to(wide).lerp_(own.to(wide), lam.to(wide)).to(own.dtype)
