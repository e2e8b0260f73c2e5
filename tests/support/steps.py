"""What steps are tested on, in every file that tests steps: each strategy, a live teacher, banks, on tiny models."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from augdistill.augment import AUGMENTATIONS
from augdistill.config import parameters
from augdistill.config.groups import Distillation
from augdistill.losses.soft_targets import teacher_probabilities
from augdistill.stages.student import from_data, live_logits, loss_of
from augdistill.training.bank import Member
from augdistill.training.batches import TrainingSet
from augdistill.training.device import Device
from augdistill.training.loop import Loss, Task
from core import COUNT, LOOP_RECIPE, MIXUP, small_model, small_set, two_part_loss

BYTES_FIRST = sorted(
    AUGMENTATIONS, key=lambda name: not AUGMENTATIONS[name].on_bytes
)  # as such strategies want to stand
ALL = [[name, parameters("aug", name)] for name in BYTES_FIRST]
CLIPPED = {"clip_norm": 0.7, "warmup_epochs": 1.0}
LESSON = Distillation(alpha=0.5, temperature=4.0)
CASES: dict[str, dict[str, Any]] = {
    "batch norm": {"model": "resnet18"},
    "dropout": {"model": "drops", "recipe": CLIPPED},
    "no momentum": {"model": "lenet", "recipe": {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}},
    "multi-step": {"model": "lenet", "recipe": {"schedule": "multistep", "milestones": [2]}},
    **{name: {"model": "lenet", "ops": [[name, params]]} for name, params in ALL},
    "stacked": {"model": "resnet18", "ops": ALL, "recipe": CLIPPED},
    "bf16": {"model": "resnet18", "ops": MIXUP, "precision": "bf16"},
    "cached teacher": {"model": "lenet", "teacher": "cached"},
    "live teacher": {"model": "lenet", "ops": ALL, "teacher": "resnet18"},
    "own view": {"model": "drops", "ops": MIXUP, "teacher": "lenet", "own_view": True},
}
SEEDS = (3, 4, 9)
BANKS: dict[str, dict[str, Any]] = {
    "bank": {"model": "lenet", "recipe": CLIPPED},
    "bank with dropout": {"model": "drops"},
    "bank in bf16": {"model": "lenet", "precision": "bf16"},
}
# What makes host and device meet, and so cannot be part of a graph.
FORBIDDEN = {"_local_scalar_dense", "lift_fresh", "nonzero", "masked_select", "is_nonzero"}

Put = Callable[[Any], Any]


def made(case: dict[str, Any], place: str, put: Put | None = None, dtype: torch.dtype = torch.float32) -> Task:
    """Return a task of CASES, the same each time; `put` puts a tensor or a model where it is to be."""
    put = put or partial(moved_to, place)
    training, loss = small_set(dtype), two_part_loss
    if (taught_by := case.get("teacher")) == "cached":
        training = dataclasses.replace(training, teacher=taught(3, dtype))
        loss = loss_of(LESSON, from_data)
    elif taught_by:
        loss = live_loss(put(small_model(taught_by, dtype).eval().requires_grad_(False)), at(place, case))
    recipe = {**LOOP_RECIPE, **case.get("recipe", {})}
    ops, own_view = case.get("ops", []), case.get("own_view", False)
    model = put(small_model(case["model"], dtype))
    return Task(model, there(training, put), loss, ops, recipe, 3, "teacher", own_view)


def live_loss(teacher: nn.Module, device: Device) -> Loss:
    """Return the loss of a student whose teacher sees each batch."""
    live = partial(live_logits, teacher, device=device)
    return loss_of(LESSON, lambda batch: teacher_probabilities(live(batch), 4.0))


def members(
    case: dict[str, Any], place: str, put: Put | None = None, dtype: torch.dtype = torch.float32
) -> tuple[list[Member], TrainingSet]:
    """Return the students of a case of BANKS, the same each time, and the images that they see."""
    put, training = put or partial(moved_to, place), small_set(dtype)

    def member(seed: int) -> Member:
        weights = 1 - 1 / seed, 1 / seed
        return Member(put(small_model(case["model"], dtype)), put(taught(seed, dtype)), weights, float(seed), seed)

    return [member(seed) for seed in SEEDS], there(training, put)


def taught(seed: int, dtype: torch.dtype) -> torch.Tensor:
    """Return what a teacher's probabilities might be."""
    return torch.randn(COUNT, 10, generator=torch.Generator().manual_seed(seed), dtype=dtype).softmax(1)


def there(training: TrainingSet, put: Put) -> TrainingSet:
    """Return a training set whose tensors are put where they are to be."""
    moved = {name: put(getattr(training, name)) for name in ("images", "targets", "mean", "std")}
    if training.teacher is not None:
        moved["teacher"] = put(training.teacher)
    return dataclasses.replace(training, **moved)


def moved_to(place: str, value: Any) -> Any:
    return value.to(place)


def at(place: str, case: dict[str, Any], **how: Any) -> Device:
    """Return the device and precision of a case."""
    return Device(torch.device(place), case.get("precision", "fp32"), 1, **how)
