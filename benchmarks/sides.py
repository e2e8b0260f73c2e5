"""The sides that rows compare: the conventional loop and ours, each made ready for a unit of work.

The yardstick is imported where it is made: torchvision, 90 MB that no side of ours loads, counts in its memory alone.
"""

import logging
import logging.handlers
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import RandomSampler

from augdistill.config.groups import Distillation
from augdistill.data import ImageSet
from augdistill.models.dropout import Dropout
from augdistill.stages import common
from augdistill.training.device import Device, resolve
from augdistill.training.graphs import stepper
from augdistill.training.loop import Task
from benchmarks import ours
from benchmarks.measure import EAGER, GRAPHS, RowError, Side, Sides, Timed, timed

BATCH = 128


@dataclass(frozen=True)
class Setting:
    """Where data lie, how large a unit of work is, and on what it runs."""

    cache: Path
    root: Path
    quick: bool
    device: str
    threads: int

    @property
    def on_gpu(self) -> bool:
        return self.device == "cuda"

    def data(self, split: str = "train") -> ImageSet:
        return ours.read("digits" if self.quick else "cifar10", split, self.cache, self.root)

    def count(self, on_cpu: int, on_gpu: int | None = None) -> int:
        """Return how many images a unit of work has; two small batches where it should be quick."""
        if self.quick:
            return 2 * 16
        return on_gpu if self.on_gpu and on_gpu is not None else on_cpu

    def epochs(self, timed: int = 1) -> int:
        """Return how many epochs a unit of training has: on a GPU one apart, in which graphs are recorded, and some.

        So it is, too, where it should be quick, that this way is tested.
        """
        return 1 + timed if self.on_gpu or self.quick else 1

    @property
    def batch(self) -> int:
        return 16 if self.quick else BATCH

    def params(self, name: str) -> dict[str, int]:
        """Return a model's parameters: the standard ResNet18, a narrow one where it should be quick."""
        return {"width": 4 if self.quick else 64} if name == "resnet18" else {}

    def model(self, name: str) -> str:
        """Return the model that is trained: the small AlexNet in the paper's place where it should be quick."""
        return "alexnet-small" if self.quick and name == "alexnet" else name


@dataclass(frozen=True)
class Work:
    """What our side trains: a model under a strategy, on some images in each epoch, and how.

    `outputs` are the teacher's: "none", "cached" or "live". The first of several epochs stands apart.
    """

    model: str
    strategy: str
    images: int
    epochs: int
    threads: int
    outputs: str = "none"
    precision: str = "bf16"
    graphs: bool = False
    deterministic: bool = False
    loss: str = "kd"


def both_ways(setting: Setting, name: str, make: Callable[[bool], Side]) -> Sides:
    """Return a side of ours, on a GPU as two: its steps eager, and as CUDA graphs."""
    if not setting.on_gpu:
        return {name: lambda: make(False)}
    return {name + EAGER: lambda: make(False), name + GRAPHS: lambda: make(True)}


def pictures(setting: Setting, images: ImageSet, name: str = "baseline", count: int | None = None) -> Any:
    """Return the torchvision dataset of a training or test set, its images transformed one by one."""
    from benchmarks import conventional

    transform = conventional.transform(name, images.images.shape[-1], **ours.statistics(images), dtype=torch.float32)
    if setting.quick or count is not None:
        rows = np.arange(count or len(images.images)) % len(images.images)
        return conventional.Pictures(images.images[rows], images.labels[rows], transform)
    return conventional.Cifar10(str(setting.root), train=images.header.split == "train", transform=transform)


class PlainDropout(nn.Module):
    """PyTorch's dropout in the place of ours, for the yardstick."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor, key: object) -> torch.Tensor:
        return F.dropout(x, self.p, self.training)


def plain(model: nn.Module) -> nn.Module:
    """Return a model as research code has it: contiguous memory, PyTorch's dropout."""
    for name, module in list(model.named_children()):
        if isinstance(module, Dropout):
            setattr(model, name, PlainDropout(module.p))
    return model.to(memory_format=torch.contiguous_format)


def conventional_side(setting: Setting, name: str, strategy: str, count: int, distilled: bool, tuned: bool) -> Side:
    """Return the yardstick's side: `count` images in random order, with a live ResNet18 teacher where distilled."""
    from benchmarks import conventional

    images, recipe = setting.data(), ours.recipe(name)
    device = Device(torch.device(setting.device), "bf16" if tuned else "fp32", setting.threads)
    model = plain(ours.build(name, images, device, **setting.params(name)))
    loss = conventional.label_loss
    if distilled:
        taught = plain(ours.build("resnet18", images, device, 2, **setting.params("resnet18"))).eval()
        alpha, temperature = ours.DISTILLATION.alpha, ours.DISTILLATION.temperature
        loss = conventional.distillation_loss(in_layout(taught, tuned), alpha, temperature, tuned)
    sgd = conventional.optimizer(in_layout(model, tuned), recipe)
    sampler = RandomSampler(range(len(images.images)), num_samples=count)

    def with_workers(workers: int) -> Side:
        batches = conventional.loader(
            pictures(setting, images, strategy),
            strategy,
            workers,
            sampler,
            batch_size=setting.batch,
            pin_memory=setting.on_gpu,
        )

        def side() -> float:
            torch.set_num_threads(setting.threads)
            conventional.train(model, batches, sgd, loss, recipe["clip_norm"], device=setting.device, tuned=tuned)
            return count

        return side

    only_one = setting.quick or (tuned and not setting.on_gpu)  # on a CPU the loaders of bf16 would take its cores
    return with_workers(0) if only_one else best_of_workers(with_workers)


def in_layout(model: nn.Module, tuned: bool) -> nn.Module:
    """Return the model with its convolutions in channels last where tuned."""
    return model.to(memory_format=torch.channels_last if tuned else torch.contiguous_format)


def best_of_workers(make: Callable[[int], Side]) -> Side:
    """Return the yardstick with the best number of loader processes, of 0, 1 and 2, each timed at its second unit."""
    sides = {workers: make(workers) for workers in (0, 1, 2)}
    for side in sides.values():
        side()
    seconds = {workers: timed(side)[0] for workers, side in sides.items()}
    print("  seconds by loader processes:", {workers: round(took, 2) for workers, took in seconds.items()}, flush=True)
    return sides[min(seconds, key=seconds.__getitem__)]


def our_side(setting: Setting, work: Work, together: Callable[[], object] = lambda: None) -> Side:
    """Return our side: training from the beginning; the timed epochs begin when `together` returns."""
    device = device_for(setting, work.precision, work.threads, work.graphs)
    task = task_for(setting, work, device)

    def side() -> float | Timed:
        torch.set_num_threads(work.threads)
        clock = ours.Clock(together)
        with deterministic(work.deterministic), replayed(work.graphs):
            ours.train(task, device, clock)
        return unit(work.images, clock)

    return side


def device_for(setting: Setting, precision: str, threads: int, graphs: bool = False) -> Device:
    """Return where our side runs."""
    return resolve(setting.device, precision, threads, cuda_graphs="true" if graphs else "false")


def task_for(setting: Setting, work: Work, device: Device) -> Task:
    """Return what our loop trains."""
    images = setting.data()
    data = ours.part(common.on_device(images, ours.statistics(images), device), work.images)
    taught: dict[str, Any] = {}
    if work.outputs == "live":
        taught = {"teacher": ours.build("resnet18", images, device, 2, **setting.params("resnet18")).eval()}
    elif work.outputs == "cached":  # which numbers they are does not matter to the time it takes to learn from them
        taught = {"teacher_logits": torch.randn(work.images, 10, generator=torch.Generator().manual_seed(0))}
    model = ours.build(work.model, images, device, **setting.params(work.model))
    recipe = ours.recipe(work.model, epochs=work.epochs, batch_size=setting.batch)
    taught["distillation"] = ours.DISTILLATION.model_copy(update={"loss": Distillation(loss=work.loss).loss})
    return ours.task(model, data, recipe, device, ops=ours.ops(work.strategy), **taught)


def unit(images: float, clock: ours.Clock) -> float | Timed:
    """Return what training on so many images in each epoch was, the first of several epochs apart.

    What a GPU keeps for a stream that recorded graphs is given back: each unit has one of its own.
    """
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    timed_epochs = len(clock.ends) - 1
    return Timed(images * timed_epochs, clock.seconds, images) if timed_epochs else images


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Choose deterministic operations meanwhile, as `runtime.deterministic=true` does, or change nothing."""
    if wanted:
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        if wanted:
            torch.use_deterministic_algorithms(False)


@contextmanager
def replayed(wanted: bool) -> Iterator[None]:
    """Raise RowError unless steps were replayed meanwhile, if wanted: a run whose replays differ goes on eagerly.

    The log says so: a line for each graph that is replayed, a warning where one is not.
    """
    said, log = logging.handlers.BufferingHandler(1000), logging.getLogger(stepper.__module__)
    level = log.level
    log.addHandler(said)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(said)
        log.setLevel(level)
    if wanted and {record.levelno for record in said.buffer} != {logging.INFO}:
        raise RowError("its steps were not replayed as CUDA graphs")


def bank_side(setting: Setting, work: Work, students: int) -> Side:
    """Return our side: as many students as one stacked model, from the beginning."""
    device = device_for(setting, work.precision, work.threads, work.graphs)
    first, images = task_for(setting, work, device), setting.data()
    tasks = [replace(first, model=ours.build(work.model, images, device, seed), seed=seed) for seed in range(students)]

    def side() -> float | Timed:
        torch.set_num_threads(work.threads)
        clock = ours.Clock()
        with replayed(work.graphs):
            ours.train_bank(tasks, device, clock)
        return unit(students * work.images, clock)

    return side


def teacher_pass(setting: Setting, count: int) -> Side:
    """Return the computation of a ResNet18's outputs."""
    images, device = setting.data(), device_for(setting, "bf16", setting.threads)
    data = ours.part(common.on_device(images, ours.statistics(images), device), count)
    model = ours.build("resnet18", images, device, 2, **setting.params("resnet18"))

    def side() -> float:
        torch.set_num_threads(setting.threads)
        common.predict(model, data, device)
        return count

    return side
