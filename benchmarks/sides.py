"""The sides that rows compare: the conventional loop and ours, each made ready for a unit of work."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import RandomSampler

from augdistill.data import ImageSet
from augdistill.models.dropout import Dropout
from augdistill.stages import common
from augdistill.training.device import Device, resolve
from benchmarks import conventional, ours
from benchmarks.measure import Side, timed

BATCH = 128

Sides = dict[str, Callable[[], Side]]  # what makes each side ready, the yardstick's first


@dataclass(frozen=True)
class Setting:
    """Where data lie, how large a unit of work is, and on what it runs."""

    cache: Path
    root: Path
    quick: bool
    device: str
    threads: int

    def data(self, split: str = "train") -> ImageSet:
        return ours.read("digits" if self.quick else "cifar10", split, self.cache, self.root)

    def count(self, full: int) -> int:
        """Return how many images a unit of work has; two small batches where it should be quick."""
        return 2 * 16 if self.quick else full

    @property
    def batch(self) -> int:
        return 16 if self.quick else BATCH

    def params(self, name: str) -> dict[str, int]:
        """Return a model's parameters: the standard ResNet18, a narrow one where it should be quick."""
        return {"width": 4 if self.quick else 64} if name == "resnet18" else {}


def pictures(setting: Setting, images: ImageSet, name: str = "baseline", count: int | None = None) -> Any:
    """Return the torchvision dataset of a training or test set, its images transformed one by one."""
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
    images, recipe = setting.data(), ours.recipe(name)
    device = Device(torch.device(setting.device), "bf16" if tuned else "fp32", setting.threads)
    model = plain(ours.build(name, images, device, **setting.params(name)))
    loss = conventional.label_loss
    if distilled:
        taught = plain(ours.build("resnet18", images, device, 2, **setting.params("resnet18"))).eval()
        alpha, temperature = ours.DISTILLATION["alpha"], ours.DISTILLATION["temperature"]
        loss = conventional.distillation_loss(in_layout(taught, tuned), alpha, temperature, tuned)
    sgd = conventional.optimizer(in_layout(model, tuned), recipe)
    sampler = RandomSampler(range(len(images.images)), num_samples=count)

    def with_workers(workers: int) -> Side:
        batches = conventional.loader(
            pictures(setting, images, strategy), strategy, workers, sampler, batch_size=setting.batch
        )

        def side() -> float:
            torch.set_num_threads(setting.threads)
            conventional.train(model, batches, sgd, loss, recipe["clip_norm"], device=setting.device, tuned=tuned)
            return count

        return side

    return with_workers(0) if tuned or setting.quick else best_of_workers(with_workers)


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


def our_side(
    setting: Setting, name: str, strategy: str, count: int, precision: str, threads: int, outputs: str
) -> Side:
    """Return our side: an epoch over `count` images, the teacher's `outputs` "none", "cached" or "live"."""
    images, device = setting.data(), resolve(setting.device, precision, threads)
    data = ours.part(common.on_device(images, ours.statistics(images), device), count)
    taught: dict[str, Any] = {}
    if outputs == "live":
        taught = {"teacher": ours.build("resnet18", images, device, 2, **setting.params("resnet18")).eval()}
    elif outputs == "cached":  # which numbers they are does not matter to the time it takes to learn from them
        taught = {"teacher_logits": torch.randn(count, 10, generator=torch.Generator().manual_seed(0))}
    model = ours.build(name, images, device, **setting.params(name))
    recipe = ours.recipe(name, epochs=1, batch_size=setting.batch)
    work = ours.task(model, data, recipe, device, ops=ours.ops(strategy), **taught)

    def side() -> float:
        torch.set_num_threads(threads)
        ours.train(work, device)
        return count

    return side


def teacher_pass(setting: Setting, count: int) -> Side:
    """Return the computation of a ResNet18's outputs."""
    images, device = setting.data(), resolve(setting.device, "bf16", setting.threads)
    data = ours.part(common.on_device(images, ours.statistics(images), device), count)
    model = ours.build("resnet18", images, device, 2, **setting.params("resnet18"))

    def side() -> float:
        torch.set_num_threads(setting.threads)
        common.predict(model, data, device)
        return count

    return side


def on_each_core(setting: Setting, words: tuple[Any, ...]) -> Side:
    """Return our side in as many processes at once as there are threads, which live on."""
    pool = ProcessPoolExecutor(setting.threads, mp_context=get_context("forkserver"))

    def side() -> float:
        return sum(pool.map(alone_in_process, [setting] * setting.threads, [words] * setting.threads))

    return side


def alone_in_process(setting: Setting, words: tuple[Any, ...]) -> float:
    """Run our side in a worker process, made ready at the first time."""
    if words not in READY:
        READY[words] = our_side(setting, *words)
    return READY[words]()


READY: dict[tuple[Any, ...], Side] = {}  # of a worker process
