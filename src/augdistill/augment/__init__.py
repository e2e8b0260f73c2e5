"""Augmentation: chance is drawn on the CPU for a whole epoch, pixels move on the device, batch by batch.

A strategy is two pure functions in a file of its own:

- `draw(rng, sizes, side, **params) -> draws`: `sizes` are the epoch's batch sizes, `side` the image's in pixels; NumPy
  arrays whose first axis is the epoch's N samples, per-batch values repeated, a partner as index inside its own batch.
- `apply(images, targets, draws, black) -> (images, targets)`: images [B,C,H,W] normalised floats, targets [B,M]
  anything linear in the labels, the batch's slice of the draws as tensors on their device, `black` [C] what black is
  after normalisation. No randomness, no shape that depends on values, no host synchronisation, nothing in place.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from augdistill.augment import cutmix, cutout, flip_crop, mixup
from augdistill.augment.shared import Draws
from augdistill.config import one_of
from augdistill.errors import ConfigError
from augdistill.seeds import derive

Ops = Sequence[Sequence[Any]]  # [name, parameters] in the order of application


class Augmentation(NamedTuple):
    """A strategy's two functions."""

    draw: Callable[..., Draws]
    apply: Callable[[Tensor, Tensor, Mapping[str, Tensor], Tensor], tuple[Tensor, Tensor]]


def check_ops(ops: Ops, side: int, key: str = "aug") -> None:
    """Raise ConfigError, naming the full key under the config group `key`, for a strategy or a value that cannot be."""
    for name, params in ops:
        one_of(f"{key}.ops", name, AUGMENTATIONS)
        try:
            AUGMENTATIONS[name].draw(np.random.default_rng(0), [1], side, **params)
        except ConfigError as error:
            raise ConfigError(f"{key}.ops.{error}") from None


def draw_epoch(ops: Ops, seed: int, *labels: str | int, epoch: int, sizes: Sequence[int], side: int) -> list[Draws]:
    """Return an epoch's draws, one dictionary for each op.

    Each op has a stream of chance of its own, named by `labels`, its name (and occurrence, if not the first) and the
    epoch: what else is stacked, and in which order, changes none of its draws. Raises ConfigError.
    """
    seen: Counter[str] = Counter()
    drawn = []
    for name, params in ops:
        seen[name] += 1
        op = name if seen[name] == 1 else f"{name}-{seen[name]}"
        rng = np.random.default_rng(derive(seed, *labels, op, epoch))
        drawn.append(AUGMENTATIONS[name].draw(rng, sizes, side, **params))
    return drawn


def apply_all(
    ops: Ops, images: Tensor, targets: Tensor, draws: Sequence[Mapping[str, Tensor]], black: Tensor
) -> tuple[Tensor, Tensor]:
    """Return images [B,C,H,W] and targets [B,M] after all ops, in order; `draws` are the batch's, one for each op."""
    for (name, _), drawn in zip(ops, draws, strict=True):
        images, targets = AUGMENTATIONS[name].apply(images, targets, drawn, black)
    return images, targets


AUGMENTATIONS: dict[str, Augmentation] = {
    "flip-crop": Augmentation(flip_crop.draw, flip_crop.apply),
    "cutout": Augmentation(cutout.draw, cutout.apply),
    "mixup": Augmentation(mixup.draw, mixup.apply),
    "cutmix": Augmentation(cutmix.draw, cutmix.apply),
}
