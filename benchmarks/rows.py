"""The rows of the table: what is compared with what, and what each side does."""

import itertools
import subprocess
import sys
import tempfile
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
from torch.utils.data import DataLoader, RandomSampler

from augdistill.data import ImageSet
from augdistill.metrics import score
from augdistill.models.dropout import Dropout
from augdistill.stages import common
from augdistill.training.batches import make_batch, plan_epoch
from augdistill.training.device import Device, resolve
from augdistill.training.loop import Task
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


@dataclass(frozen=True)
class Row:
    """One row of the table: its target and its sides; `counts` says whether operations of "ours" can be counted."""

    target: str
    sides: Callable[[Setting], Sides]
    counts: bool = True


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


def teacher(setting: Setting) -> Sides:
    """ResNet18 on flipped and cropped images, one step, which takes seconds on a CPU."""
    work = ("resnet18", "flip-crop", setting.count(BATCH))
    return {
        "conventional": lambda: conventional_side(setting, *work, False, False),
        "conventional, tuned": lambda: conventional_side(setting, *work, False, True),
        "ours in fp32": lambda: our_side(setting, *work, "fp32", setting.threads, "none"),
        "ours": lambda: our_side(setting, *work, "bf16", setting.threads, "none"),
    }


def student(name: str, few: int, many: int) -> Callable[[Setting], Sides]:
    """Return the row of a student: `few` images a unit where a live teacher sees them, else `many`."""

    def sides(setting: Setting) -> Sides:
        slow, quick = (name, "baseline", setting.count(few)), (name, "baseline", setting.count(many))
        return {
            "conventional": lambda: conventional_side(setting, *slow, True, False),
            "conventional, tuned": lambda: conventional_side(setting, *slow, True, True),
            "ours with a live teacher": lambda: our_side(setting, *slow, "bf16", setting.threads, "live"),
            "ours on one thread": lambda: our_side(setting, *quick, "bf16", 1, "cached"),
            "ours": lambda: our_side(setting, *quick, "bf16", setting.threads, "cached"),
            "the one-off pass for teacher outputs": lambda: teacher_pass(setting, setting.count(few)),
        }

    return sides


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


def bank(name: str, size: int) -> Callable[[Setting], Sides]:
    """Return the row of students in a bank, per student, against one alone."""
    few = 20 * BATCH

    def stacked(setting: Setting, students: int) -> Side:
        images, device = setting.data(), resolve(setting.device, "bf16", setting.threads)
        data = ours.part(common.on_device(images, ours.statistics(images), device), setting.count(few))
        taught = torch.randn(len(data.images), 10, generator=torch.Generator().manual_seed(0))
        recipe = ours.recipe(name, epochs=1, batch_size=setting.batch)

        def work(seed: int) -> Task:
            return ours.task(
                ours.build(name, images, device, seed), data, recipe, device, teacher_logits=taught, seed=seed
            )

        works = [work(seed) for seed in range(students)]

        def side() -> float:
            torch.set_num_threads(setting.threads)
            ours.train_bank(works, recipe, device)
            return students * len(data.images)

        return side

    def sides(setting: Setting) -> Sides:
        alone = (name, "baseline", setting.count(few), "bf16")
        return {
            "alone": lambda: our_side(setting, *alone, setting.threads, "cached"),
            "alone on one thread": lambda: our_side(setting, *alone, 1, "cached"),
            "alone, one on each core": lambda: on_each_core(setting, (*alone, 1, "cached")),
            "a bank of 5": lambda: stacked(setting, 5),
            "ours": lambda: stacked(setting, size),
        }

    return sides


def augmentation(name: str) -> Callable[[Setting], Sides]:
    """Return the row of a strategy: images made ready for the model, from uint8 to normalised floats."""

    def theirs(setting: Setting) -> Side:
        images, count = setting.data(), setting.count(50 * BATCH)
        sampler = RandomSampler(range(len(images.images)), num_samples=count)
        batches = conventional.loader(pictures(setting, images, name), name, 2, sampler, batch_size=setting.batch)
        return lambda: float(sum(len(pixels) for pixels, _ in batches))

    def mine(setting: Setting) -> Side:
        images, device = setting.data(), resolve(setting.device, "bf16", setting.threads)
        data = common.on_device(images, ours.statistics(images), device)
        data = ours.part(data, setting.count(len(data.images)))
        work = ours.task(nn.Identity(), data, {}, device, ops=ours.ops(name))
        epochs = itertools.count()

        def side() -> float:
            torch.set_num_threads(setting.threads)
            plan = plan_epoch(work.training, work.ops, 0, "student", next(epochs), setting.batch, False)
            for index in range(len(plan.offsets) - 1):
                make_batch(work.training, work.ops, plan, index)
            return len(work.training)

        return side

    return lambda setting: {"torchvision, 2 workers": lambda: theirs(setting), "ours": lambda: mine(setting)}


def evaluation(name: str, own: int, other: int) -> Callable[[Setting], Sides]:
    """Return the row of evaluating one model on `own` and `other` images, the test set repeated."""

    def theirs(setting: Setting) -> Side:
        images, count = setting.data("test"), setting.count(own + other)
        model = plain(
            ours.build(name, images, resolve(setting.device, "fp32", setting.threads), **setting.params(name))
        )
        kept = pictures(setting, images, count=count)

        def with_workers(workers: int) -> Side:
            batches = DataLoader(kept, batch_size=256, num_workers=workers, persistent_workers=workers > 0)

            def side() -> float:
                torch.set_num_threads(setting.threads)
                conventional.evaluate(model, batches, setting.device)
                return count

            return side

        return with_workers(0) if setting.quick else best_of_workers(with_workers)

    def mine(setting: Setting) -> Side:
        images, count = setting.data("test"), setting.count(own + other)
        device, first = resolve(setting.device, "bf16", setting.threads), count * own // (own + other)
        model = ours.build(name, images, device, **setting.params(name))
        data = ours.part(common.on_device(images, ours.statistics(images), device), count)

        def side() -> float:
            torch.set_num_threads(setting.threads)
            logits, embeddings = (values.numpy() for values in common.predict(model, data, device))
            labels = data.labels.cpu().numpy()
            score(logits[:first], labels[:first], embeddings=embeddings[:first])
            score(logits[first:], labels[first:])
            return count

        return side

    return lambda setting: {"conventional": lambda: theirs(setting), "ours": lambda: mine(setting)}


def quickstart(setting: Setting) -> Sides:
    """The whole command, from the shell to the page; a unit is one study."""

    def side() -> float:
        words = ["study=tiny"] if setting.quick else []
        with tempfile.TemporaryDirectory() as outputs:
            command = [sys.executable, "-m", "augdistill.cli", "study", *words, f"outputs={outputs}"]
            subprocess.run(command, check=True, capture_output=True)
        return 1.0

    return {"the whole command": lambda: side}


ROWS: dict[str, Row] = {
    "teacher": Row("CPU 1.7 x, aim 2.2 x; GPU 3 x, aim 8 x", teacher),
    "lenet": Row("CPU 50 x, aim 100 x; GPU 30 x, aim 100 x", student("lenet", 3 * BATCH, 150 * BATCH)),
    "alexnet": Row("CPU 2 x, aim 4 x; GPU 5 x, aim 20 x", student("alexnet", BATCH, 3 * BATCH)),
    "bank": Row("CPU 1 x, aim 2 x; GPU 6 x, aim 20 x", bank("lenet", 25), counts=False),
    **{
        name: Row("CPU 15 x, aim 30 x; GPU 300 x, aim 1000 x", augmentation(name))
        for name in ("flip-crop", "cutout", "mixup", "cutmix")
    },
    "evaluation": Row("CPU 2 x, aim 3 x; GPU 5 x, aim 20 x", evaluation("lenet", 10_000, 70_000)),
    "evaluation-resnet18": Row("CPU 2 x, aim 3 x; GPU 5 x, aim 20 x", evaluation("resnet18", 64, 448)),
    "quickstart": Row("CPU under 150 s, aim 90 s", quickstart, counts=False),
}
NOT_HERE = {
    "paper": "the whole study takes a GPU; its time was not extrapolated either, for want of one",
    "paper, first block": "the same",
}
