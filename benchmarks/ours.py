"""Our side: tasks made of the package's own pieces and trained by its loop."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from augdistill import models
from augdistill.config import conf_dir, parameters
from augdistill.config.groups import Distillation
from augdistill.data import ImageSet, load
from augdistill.losses import LOSSES
from augdistill.losses.soft_targets import teacher_probabilities
from augdistill.stages import common, student
from augdistill.training.bank import Member, Trained, fit_bank
from augdistill.training.batches import Batch, TrainingSet, one_hot
from augdistill.training.device import Device
from augdistill.training.loop import Hooks, Task, fit
from benchmarks.measure import synchronize

Tell = Callable[[int, dict[str, float]], None]
DISTILLATION = Distillation(alpha=0.5, temperature=20.0)


def recipe(model: str, **changed: Any) -> dict[str, Any]:
    """Return a model's own recipe from conf/."""
    loaded = OmegaConf.to_container(OmegaConf.load(conf_dir() / "optim" / f"{model}.yaml"))
    assert isinstance(loaded, dict)
    return {**{str(key): value for key, value in loaded.items()}, **changed}


def ops(name: str) -> list[list[Any]]:
    """Return the ops of one strategy with its defaults."""
    return [] if name == "baseline" else [[name, parameters("aug", name)]]


def read(name: str, split: str, cache: Path, root: Path) -> ImageSet:
    """Return a dataset's split, mapped from the packed cache."""
    params = {"size": 32, "channels": 3} if name == "digits" else {}
    return load(name, split, root=root, cache=cache, verify=False, **params)


def build(name: str, images: ImageSet, device: Device, seed: int = 0, **params: Any) -> nn.Module:
    """Return a model on the device."""
    return common.placed(models.build(name, images.header.shape, 10, seed=seed, **params), device)


def statistics(images: ImageSet) -> dict[str, list[float]]:
    """Return the statistics that normalise a set."""
    return {"mean": list(images.header.mean), "std": list(images.header.std)}


def task(
    model: nn.Module,
    data: common.DeviceDataset,
    recipe: dict[str, Any],
    device: Device,
    *,
    ops: list[list[Any]] | None = None,
    teacher_logits: Tensor | None = None,
    teacher: nn.Module | None = None,
    role: str = "student",
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    distillation: Distillation | None = None,
) -> Task:
    """Return what the loop trains: on labels, on cached teacher logits [N,K], or with a live teacher."""
    distillation = distillation or DISTILLATION
    targets, loss, soft = one_hot(data.labels, 10, dtype), common.label_loss, None
    if teacher_logits is not None:
        soft = teacher_logits.to(targets)
        if LOSSES[distillation.loss.name].learns_from == "probabilities":
            soft = teacher_probabilities(soft, distillation.temperature)
        loss = student.loss_of(distillation, student.from_data)
    elif teacher is not None:

        def taught(batch: Batch) -> Tensor:
            return teacher_probabilities(student.live_logits(teacher, batch, device), distillation.temperature)

        loss = student.loss_of(distillation, taught)
    header = data.header  # of which the statistics on the device are fp32 copies
    mean, std = (torch.tensor(values, dtype=dtype, device=device.device) for values in (header.mean, header.std))
    training = TrainingSet(data.images, targets, mean, std, device.memory_format, soft)
    return Task(model, training, loss, ops or [], recipe, seed, role)


class Clock:
    """Notes when each epoch of a run ended, once the device had done it; the second begins when `together` returns."""

    def __init__(self, together: Callable[[], object] = lambda: None) -> None:
        self.together = together
        self.ends: list[float] = []

    def __call__(self, epoch: int, row: dict[str, float]) -> None:
        """Note that an epoch ended."""
        synchronize()
        if not self.ends:
            self.together()
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        """Return how long all epochs but the first took."""
        return self.ends[-1] - self.ends[0]


def train(work: Task, device: Device, tell: Tell = lambda epoch, row: None) -> list[dict[str, float]]:
    """Train by the package's loop, from the beginning, and return its history."""
    hooks = Hooks(lambda model: {}, tell, lambda: False, "600min")
    with tempfile.TemporaryDirectory() as folder:
        return fit(work, device, Path(folder), hooks)


def train_bank(works: list[Task], device: Device, tell: Tell) -> list[Trained]:
    """Train tasks on cached teacher logits together, as a bank, from the beginning."""
    weights, temperature = DISTILLATION.weights, DISTILLATION.temperature
    members = [Member(work.model, work.training.teacher, weights, temperature, work.seed) for work in works]
    hooks = Hooks(lambda model: {}, tell, lambda: False, "600min")
    first, term = works[0], student.term_of(DISTILLATION)
    with tempfile.TemporaryDirectory() as folder:
        return fit_bank(members, first.training, first.recipe, term, device, Path(folder), hooks)


def part(data: common.DeviceDataset, count: int) -> common.DeviceDataset:
    """Return the first images of a set, again from the beginning where it has fewer."""
    return data.part(np.arange(count) % len(data.images))
