"""The rows of the table: what is compared with what, and what each side does."""

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.data import DataLoader, RandomSampler

from augdistill.metrics import score
from augdistill.stages import common
from augdistill.training.batches import make_batch, plan_epoch
from augdistill.training.device import resolve
from augdistill.training.loop import Task
from benchmarks import conventional, ours
from benchmarks.measure import Side
from benchmarks.sides import (
    BATCH,
    Setting,
    Sides,
    best_of_workers,
    conventional_side,
    on_each_core,
    our_side,
    pictures,
    plain,
    teacher_pass,
)


@dataclass(frozen=True)
class Row:
    """One row of the table: its target and its sides; `counts` says whether operations of "ours" can be counted."""

    target: str
    sides: Callable[[Setting], Sides]
    counts: bool = True


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
