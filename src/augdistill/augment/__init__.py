"""Augmentation: chance is drawn on the CPU for a whole epoch, pixels move on the device, batch by batch.

A strategy is two pure functions in a file of its own:

- `draw(rng, sizes, side, **params) -> draws`: `sizes` are the epoch's batch sizes, `side` the image's in pixels; NumPy
  arrays whose first axis is the epoch's N samples, per-batch values repeated, a partner as index inside its own batch.
- `apply(samples, draws) -> samples`: `samples` (see `shared.Samples`) are a batch's images [B,C,H,W] normalised floats,
  its targets [B,K], what its teacher says of it [B,K] or None, and what black is in these images; `draws` the batch's
  slice of the draws as tensors on their device. Parameters that it wants are keyword arguments, as those of `draw`. No
  randomness, no shape that depends on values, no host synchronisation, inputs left alone.

A third one, `prepare(draws, side) -> draws`, may make of an epoch's draws what `apply` wants of them, once instead of
batch by batch: the rows and columns in a box instead of its edges.

A strategy that only moves pixels, so that normalising before it or after it is the same, says so by `moves_pixels`. It
then sees the bytes themselves, a quarter of the floats, as long as no other strategy before it needed floats. One for
bytes alone, as equalising a histogram is, says so by `on_bytes`, and stands before those that need floats.

This file imports no torch: the page asks it what strategies are called.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from augdistill.base.errors import ConfigError
from augdistill.base.lazy import load
from augdistill.base.seeds import derive
from augdistill.plugins import Table

if TYPE_CHECKING:
    from torch import Tensor

    from augdistill.augment.normaliser import Normaliser
    from augdistill.augment.shared import Draws, Samples

Ops = Sequence[Sequence[Any]]  # [name, parameters] in the order of application


@dataclass(frozen=True)
class Augmentation:
    """A strategy: its module, and how it is called and drawn, on a light page and in the dark.

    `moves_pixels` says that `apply` takes bytes too, in which black is 0; `labels_only` that it changes the labels
    alone, without chance: images and what a teacher says of them stay; `on_bytes` that it takes bytes alone.
    """

    module: str
    label: str
    colour: str
    dark_colour: str
    marker: str
    moves_pixels: bool = False
    labels_only: bool = False
    on_bytes: bool = False

    @property
    def keeps_bytes(self) -> bool:
        """Whether bytes are still bytes after it."""
        return self.moves_pixels or self.on_bytes

    @property
    def draw(self) -> "Callable[..., Draws]":
        """(rng, sizes, side, **params): what is drawn for an epoch; its keyword arguments are the parameters."""
        return load(self.module).draw  # type: ignore[no-any-return]  # a module found by name

    @property
    def apply(self) -> "Callable[..., Samples]":
        """(samples, draws, **params): the batch with its pixels moved."""
        return load(self.module).apply  # type: ignore[no-any-return]  # a module found by name

    @property
    def prepare(self) -> "Callable[[Draws, int], Draws]":
        """(draws, side): what `apply` wants of an epoch's draws."""
        return getattr(load(self.module), "prepare", lambda draws, side: draws)

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """The parameters that `apply` asks for."""
        known = inspect.signature(self.apply).parameters.values()
        return tuple(item.name for item in known if item.kind is item.KEYWORD_ONLY)


def check_ops(ops: Ops, side: int, key: str = "aug") -> None:
    """Raise ConfigError, naming the full key under the config group `key`, for a strategy or a value that cannot be."""
    floats = ""
    for name, params in ops:
        strategy = AUGMENTATIONS.find(f"{key}.ops", name)
        if strategy.on_bytes and floats:
            why = f"{name} is defined on bytes, which {floats} before it makes floats"
            raise ConfigError(f"{key}.ops: {why}: put it first, {key}=[{name},{floats}]")
        floats = floats or ("" if strategy.keeps_bytes else name)
        try:
            strategy.draw(np.random.default_rng(0), [1], side, **params)
        except ConfigError as error:
            raise ConfigError(f"{key}.ops.{error}") from None


def draw_epoch(ops: Ops, seed: int, *labels: str | int, epoch: int, sizes: Sequence[int], side: int) -> "list[Draws]":
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
    ops: Ops,
    images: "Tensor",
    targets: "Tensor",
    draws: "Sequence[Mapping[str, Tensor]]",
    normalise: "Normaliser",
    teacher: "Tensor | None" = None,
) -> "Samples":
    """Return the batch after all ops, in order: images [B,C,H,W] normalised, targets [B,K], the teacher's words [B,K].

    `images` are bytes, or normalised already; `draws` are the batch's, one for each op. The result is the same bit by
    bit: bytes are normalised before the first op that makes values of its own.
    """
    from augdistill.augment.shared import Samples

    samples = Samples(images, targets, teacher, normalise.black)
    for (name, params), drawn in zip(ops, draws, strict=True):
        augmentation = AUGMENTATIONS[name]
        if samples.is_bytes and not augmentation.keeps_bytes:
            samples = samples._replace(images=normalise(samples.images))
        black = samples.images.new_zeros(samples.images.shape[1]) if samples.is_bytes else normalise.black
        own = {key: params[key] for key in augmentation.wanted if key in params}
        samples = augmentation.apply(samples._replace(black=black), drawn, **own)
    if samples.is_bytes:
        samples = samples._replace(images=normalise(samples.images))
    return samples._replace(black=normalise.black)


AUGMENTATIONS = Table[Augmentation]("strategies") | {
    "flip-crop": Augmentation("augdistill.augment.flip_crop", "Flip + crop", "#0a66c2", "#4f9df0", "s", True),
    "cutout": Augmentation("augdistill.augment.cutout", "Cutout", "#006b48", "#35d399", "^"),
    "mixup": Augmentation("augdistill.augment.mixup", "Mixup", "#d07c00", "#f0a030", "D"),
    "cutmix": Augmentation("augdistill.augment.cutmix", "CutMix", "#9c1f6b", "#ff9ad0", "P", True),
    "fmix": Augmentation("augdistill.augment.fmix", "FMix", "#423077", "#975aec", "X", True),
    "resizemix": Augmentation("augdistill.augment.resizemix", "ResizeMix", "#c02cf8", "#ed40c8", "h", True),
    "random-erasing": Augmentation("augdistill.augment.random_erasing", "Random erasing", "#947444", "#987b52", "p"),
    "rotation": Augmentation("augdistill.augment.rotation", "Rotation", "#3c99d6", "#2a72a8", "d"),
    "label-smoothing": Augmentation(
        "augdistill.augment.label_smoothing", "Label smoothing", "#a3091d", "#995c63", "*", True, labels_only=True
    ),
    "random-resized-crop": Augmentation(
        "augdistill.augment.random_resized_crop", "Resized crop", "#3104d1", "#b0b9fd", "<"
    ),
    "trivial-augment": Augmentation(
        "augdistill.augment.trivial_augment", "TrivialAugment", "#5e01af", "#a5feb0", ">", on_bytes=True
    ),
    "rand-augment": Augmentation(
        "augdistill.augment.rand_augment", "RandAugment", "#f4327f", "#da0e25", "8", on_bytes=True
    ),
    "augmix": Augmentation("augdistill.augment.augmix", "AugMix", "#8466a5", "#dcb26d", "H", on_bytes=True),
}
