"""What a batch is: an epoch's order and draws planned on the CPU, uint8 images made into pixels on the device."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from augdistill.augment import apply_all, draw_epoch
from augdistill.augment.normaliser import Normaliser
from augdistill.augment.shared import Samples, gather_images
from augdistill.base.seeds import derive

log = logging.getLogger(__name__)

Ops = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Batch:
    """What a step sees: images [B,C,H,W] normalised float, targets [B,K], and of the teacher what there is.

    `teacher` [B,K] is what it says of the images where that is data; `teacher_images` what it sees itself, where that
    are pixels of its own; `is_mixed` bool [B] which images are made of two, where somebody asks. Each image of the
    training set is there `copies` times.
    """

    images: Tensor
    targets: Tensor
    teacher: Tensor | None = None
    teacher_images: Tensor | None = None
    is_mixed: Tensor | None = None
    copies: int = 1

    @property
    def count(self) -> int:
        """How many images of the training set it is made of."""
        return len(self.images) // self.copies


@dataclass(frozen=True)
class TrainingSet:
    """Images uint8 [N,C,H,W] and targets float [N,K] on the device, with the statistics that normalise them [C].

    `teacher` float [N,K] is what a teacher says of the images, where that is data. A batch `with_originals` has before
    its images what these were before the last strategy; one that `finds_mixed` says which images are mixed.
    """

    images: Tensor
    targets: Tensor
    mean: Tensor
    std: Tensor
    memory_format: torch.memory_format = torch.channels_last
    teacher: Tensor | None = None
    with_originals: bool = False
    finds_mixed: bool = False

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def normaliser(self) -> Normaliser:
        """Return what makes floats of the images."""
        _, channels, height, width = self.images.shape
        return Normaliser(self.mean, self.std, (channels, height, width), self.memory_format)

    def normalised(self, index: Tensor) -> Tensor:
        """Return the images at `index` as float [B,C,H,W]."""
        return self.normaliser(gather_images(self.images, index))


@dataclass(frozen=True)
class EpochPlan:
    """An epoch's order [N] and draws, on the device; `offsets` are where its batches begin, and its end."""

    order: Tensor
    offsets: list[int]
    draws: list[dict[str, Tensor]]
    teacher_draws: list[dict[str, Tensor]] | None

    def part(self, index: int) -> slice:
        """Return where batch `index` lies in the epoch."""
        return slice(self.offsets[index], self.offsets[index + 1])

    def tensors(self) -> list[Tensor]:
        """Return all that the plan holds on the device, each time in the same order."""
        ops = [*self.draws, *(self.teacher_draws or [])]
        return [self.order, *(values for op in ops for values in op.values())]


def batch_sizes(count: int, batch_size: int) -> list[int]:
    """Return the sizes of an epoch's batches; the last may be short."""
    full, rest = divmod(count, batch_size)
    return [batch_size] * full + ([rest] if rest else [])


def plan_epoch(
    training: TrainingSet, ops: Ops, seed: int, role: str, epoch: int, batch_size: int, own_view: bool
) -> EpochPlan:
    """Draw an epoch's chance on the CPU and move it to the device in one go; `own_view` draws the teacher's too."""
    sizes = batch_sizes(len(training), batch_size)
    device = training.images.device
    order = np.random.default_rng(derive(seed, role, "order", epoch)).permutation(len(training))

    def draws(view: str) -> list[dict[str, Tensor]]:
        drawn = draw_epoch(ops, seed, role, view, epoch=epoch, sizes=sizes, side=training.images.shape[-1])
        return [{name: torch.from_numpy(values).to(device) for name, values in op.items()} for op in drawn]

    offsets = [0, *np.cumsum(sizes).tolist()]
    return EpochPlan(
        torch.from_numpy(order).to(device), offsets, draws("augment"), draws("teacher-view") if own_view else None
    )


def make_batch(training: TrainingSet, ops: Ops, plan: EpochPlan, index: int) -> Batch:
    """Return batch `index` of the epoch, augmented."""
    return batch_at(training, ops, plan, plan.part(index))


def batch_at(training: TrainingSet, ops: Ops, plan: EpochPlan, part: slice | Tensor) -> Batch:
    """Return the batch whose places in the epoch are `part`: a slice, or int64 [B] on the device."""
    rows = plan.order[part]
    pixels, targets = gather_images(training.images, rows), training.targets.index_select(0, rows)
    teacher = None if training.teacher is None else training.teacher.index_select(0, rows)
    first = len(ops) - 1 if training.with_originals else len(ops)
    stacks = [ops[:count] for count in range(first, len(ops) + 1)]

    def shown(draws: list[dict[str, Tensor]], says: Tensor | None) -> Samples:
        drawn = sliced(draws, part)
        views = [apply_all(stack, pixels, targets, drawn[: len(stack)], training.normaliser, says) for stack in stacks]
        return views[0] if len(views) == 1 else joined(views)

    seen = shown(plan.draws, with_origin(teacher, targets) if training.finds_mixed else teacher)
    batch = Batch(seen.images, seen.targets, seen.teacher, copies=len(stacks))
    if training.finds_mixed and seen.teacher is not None:
        says, shares = seen.teacher.tensor_split([-len(rows)], dim=1)
        batch = replace(batch, teacher=None if teacher is None else says, is_mixed=shares.amax(dim=1) < 1)
    if plan.teacher_draws is None:
        return batch
    return replace(batch, teacher_images=shown(plan.teacher_draws, None).images)


def joined(views: list[Samples]) -> Samples:
    """Return several views of a batch as one."""
    images, targets = torch.cat([view.images for view in views]), torch.cat([view.targets for view in views])
    says = [view.teacher for view in views if view.teacher is not None]
    return views[0]._replace(images=images, targets=targets, teacher=torch.cat(says) if says else None)


def with_origin(teacher: Tensor | None, targets: Tensor) -> Tensor:
    """Return a teacher's words [B,K], if any, with a unit matrix [B,B] beside them.

    Strategies mix what a teacher says as they mix images, so that a row of it becomes what each image is made of.
    """
    origin = torch.eye(len(targets), dtype=targets.dtype, device=targets.device)
    return origin if teacher is None else torch.cat([teacher, origin], dim=1)


def sliced(draws: list[dict[str, Tensor]], part: slice | Tensor) -> list[dict[str, Tensor]]:
    """Return the draws of one batch."""
    return [{name: values[part] for name, values in op.items()} for op in draws]


def one_hot(labels: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the labels [N] as rows of a unit matrix [N,K]."""
    return torch.nn.functional.one_hot(labels, classes).to(dtype)


def warn_of_small_batch(model: nn.Module, count: int, batch_size: int) -> None:
    """Log that the last batch of an epoch is below a sixteenth of the others, for a model with batch norm.

    Every batch moves the running statistics by the same tenth, the last one just before the model is scored, and that
    of a sixteenth scatters four times as much. It is not left out, nor is its weight made smaller: results would be
    others than those of the same config before, and of the loops that research code uses.
    """
    size = batch_sizes(count, batch_size)[-1]
    has_statistics = any(name.endswith("running_mean") for name, _ in model.named_buffers())
    if has_statistics and count > 1 and (size == 1 or 16 * size < batch_size):
        log.warning(
            "the last batch of every epoch has %d image%s and moves batch norm's running statistics as much as one of"
            " %d: accuracies scatter; with optim.batch_size=%d the last batch is larger",
            size,
            "" if size == 1 else "s",
            batch_size,
            sound_batch_size(count, batch_size),
        )


def sound_batch_size(count: int, batch_size: int) -> int:
    """Return the nearest batch size with which the last batch of `count` images is a quarter full, or more."""
    sound = (size for size in range(2, count + 1) if 4 * (count % size or size) >= size)
    return min((size for size in sound if count % size != 1), key=lambda size: abs(size - batch_size))
