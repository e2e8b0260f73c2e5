"""Augmentation: chance is drawn on the CPU for a whole epoch, pixels move on the device, batch by batch.

A strategy is two pure functions in a file of its own:

- `draw(rng, sizes, side, **params) -> draws`: `sizes` are the epoch's batch sizes, `side` the image's in pixels; NumPy
  arrays whose first axis is the epoch's N samples, per-batch values repeated, a partner as index inside its own batch.
- `apply(images, targets, draws, black) -> (images, targets)`: images [B,C,H,W] normalised floats, targets [B,M]
  anything linear in the labels, the batch's slice of the draws as tensors on their device, `black` [C] what black is
  in these images. No randomness, no shape that depends on values, no host synchronisation, inputs left alone.

A third one, `prepare(draws, side) -> draws`, may make of an epoch's draws what `apply` wants of them, once instead of
batch by batch: the rows and columns in a box instead of its edges.

A strategy that only moves pixels, so that normalising before it or after it is the same, says so by `moves_pixels`. It
then sees the bytes themselves, a quarter of the floats, as long as no other strategy before it needed floats.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from augdistill.augment import cutmix, cutout, flip_crop, mixup
from augdistill.augment.normaliser import Normaliser
from augdistill.augment.shared import Draws
from augdistill.base.errors import ConfigError
from augdistill.base.seeds import derive
from augdistill.plugins import Table

Ops = Sequence[Sequence[Any]]  # [name, parameters] in the order of application


class Augmentation(NamedTuple):
    """A strategy's functions; `moves_pixels` says that `apply` takes bytes too, in which black is 0."""

    draw: Callable[..., Draws]
    apply: Callable[[Tensor, Tensor, Mapping[str, Tensor], Tensor], tuple[Tensor, Tensor]]
    prepare: Callable[[Draws, int], Draws] = lambda draws, side: draws
    moves_pixels: bool = False


def check_ops(ops: Ops, side: int, key: str = "aug") -> None:
    """Raise ConfigError, naming the full key under the config group `key`, for a strategy or a value that cannot be."""
    for name, params in ops:
        strategy = AUGMENTATIONS.find(f"{key}.ops", name)
        try:
            strategy.draw(np.random.default_rng(0), [1], side, **params)
        except ConfigError as error:
            raise ConfigError(f"{key}.ops.{error}") from None


def draw_epoch(ops: Ops, seed: int, *labels: str | int, epoch: int, sizes: Sequence[int], side: int) -> list[Draws]:
    """Return an epoch's draws, prepared, one dictionary for each op.

    Each op has a stream of chance of its own, named by `labels`, its name (and occurrence, if not the first) and the
    epoch: what else is stacked, and in which order, changes none of its draws. Raises ConfigError.
    """
    seen: Counter[str] = Counter()
    drawn = []
    for name, params in ops:
        seen[name] += 1
        op = name if seen[name] == 1 else f"{name}-{seen[name]}"
        rng = np.random.default_rng(derive(seed, *labels, op, epoch))
        augmentation = AUGMENTATIONS[name]
        drawn.append(augmentation.prepare(augmentation.draw(rng, sizes, side, **params), side))
    return drawn


def apply_all(
    ops: Ops, images: Tensor, targets: Tensor, draws: Sequence[Mapping[str, Tensor]], normalise: Normaliser
) -> tuple[Tensor, Tensor]:
    """Return images [B,C,H,W] normalised, and targets [B,M], after all ops, in order.

    `images` are bytes, or normalised already; `draws` are the batch's, one for each op. The result is the same bit by
    bit: bytes are normalised before the first op that makes values of its own.
    """
    for (name, _), drawn in zip(ops, draws, strict=True):
        augmentation = AUGMENTATIONS[name]
        if images.dtype == torch.uint8 and not augmentation.moves_pixels:
            images = normalise(images)
        black = images.new_zeros(images.shape[1]) if images.dtype == torch.uint8 else normalise.black
        images, targets = augmentation.apply(images, targets, drawn, black)
    return normalise(images) if images.dtype == torch.uint8 else images, targets


AUGMENTATIONS = Table[Augmentation]("strategies") | {
    "flip-crop": Augmentation(flip_crop.draw, flip_crop.apply, flip_crop.prepare, moves_pixels=True),
    "cutout": Augmentation(cutout.draw, cutout.apply, cutout.prepare),
    "mixup": Augmentation(mixup.draw, mixup.apply),
    "cutmix": Augmentation(cutmix.draw, cutmix.apply, cutmix.prepare, moves_pixels=True),
}
