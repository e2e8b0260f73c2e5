"""The rows of the table: what is compared with what."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace

from augdistill.losses import LOSSES
from benchmarks import overheads
from benchmarks.measure import Side, Sides
from benchmarks.processes import side_by_side
from benchmarks.scoring import evaluation
from benchmarks.sides import BATCH, Setting, Work, bank_side, both_ways, conventional_side, our_side, teacher_pass
from benchmarks.strategies import augmentation

CIFAR10 = 390 * BATCH  # images of an epoch on a GPU: the short last batch is recorded as a graph in a later one
IN_PAPER = 12  # students of each model in a block of the study `paper`, of which LeNets are a bank


@dataclass(frozen=True)
class Row:
    """One row of the table: its target, its sides, and whether operations of "ours" can be counted.

    `only` is the device on which alone it tells anything, "" if it does on both.
    """

    target: str
    sides: Callable[[Setting], Sides]
    counts: bool = True
    only: str = ""

    def runs(self, setting: Setting) -> bool:
        """Return whether the row is measured here; all rows run where it should be quick."""
        return setting.quick or self.only in ("", setting.device)


def teacher(setting: Setting) -> Sides:
    """ResNet18 on flipped and cropped images: one step, which takes seconds on a CPU, and 50 on a GPU."""
    images = setting.count(BATCH, 50 * BATCH)
    theirs = ("resnet18", "flip-crop", images)
    work = Work("resnet18", "flip-crop", images, setting.epochs(), setting.threads)
    return {
        "conventional": lambda: conventional_side(setting, *theirs, False, False),
        "conventional, tuned": lambda: conventional_side(setting, *theirs, False, True),
        "ours in fp32": lambda: our_side(setting, replace(work, precision="fp32")),
        **both_ways(setting, "ours", lambda graphs: our_side(setting, replace(work, graphs=graphs))),
    }


def student(name: str, few: int, many: int, timed: int) -> Callable[[Setting], Sides]:
    """Return the row of a student: `few` images a unit where a live teacher sees them on a CPU, else `many`.

    On a GPU 50 batches, and `timed` epochs of all images.
    """

    def sides(setting: Setting) -> Sides:
        some = setting.count(few, 50 * BATCH)
        theirs = (setting.model(name), "baseline", some)
        live = Work(setting.model(name), "baseline", some, setting.epochs(), setting.threads, "live")
        work = replace(live, images=setting.count(many, CIFAR10), epochs=setting.epochs(timed), outputs="cached")
        one = {} if setting.on_gpu else {"ours on one thread": lambda: our_side(setting, replace(work, threads=1))}
        return {
            "conventional": lambda: conventional_side(setting, *theirs, True, False),
            "conventional, tuned": lambda: conventional_side(setting, *theirs, True, True),
            **both_ways(setting, "ours with a live teacher", lambda how: our_side(setting, replace(live, graphs=how))),
            **one,
            **both_ways(setting, "ours", lambda graphs: our_side(setting, replace(work, graphs=graphs))),
            "the one-off pass for teacher outputs": lambda: teacher_pass(setting, setting.count(few, CIFAR10)),
        }

    return sides


def bank(name: str, size: int, on_gpu: int) -> Callable[[Setting], Sides]:
    """Return the row of students in a bank, per student, against one alone, on so many images in an epoch on a GPU."""

    def sides(setting: Setting) -> Sides:
        images = setting.count(20 * BATCH, on_gpu)
        work = Work(setting.model(name), "baseline", images, setting.epochs(2), setting.threads, "cached")
        single = replace(work, threads=1)

        def together(students: int) -> Callable[[bool], Side]:
            return lambda graphs: bank_side(setting, replace(work, graphs=graphs), students)

        on_cpu: Sides = {
            "alone on one thread": lambda: our_side(setting, single),
            "alone, one on each core": lambda: side_by_side(setting, single, setting.threads),
            "a bank of 5": lambda: together(5)(False),
        }
        smaller = both_ways(setting, f"a bank of {IN_PAPER}", together(IN_PAPER)) if size > IN_PAPER else {}
        return {
            **both_ways(setting, "alone", lambda graphs: our_side(setting, replace(work, graphs=graphs))),
            **(smaller if setting.on_gpu else on_cpu),
            **both_ways(setting, "ours", together(size)),
        }

    return sides


def several(name: str, strategy: str, outputs: str) -> Callable[[Setting], Sides]:
    """Return the row of one to four stages of a kind at once on one GPU, per stage, each in a process as executors do.

    A unit of each is 25 steps.
    """

    def sides(setting: Setting) -> Sides:
        work = Work(setting.model(name), strategy, setting.count(25 * BATCH), setting.epochs(), 1, outputs)
        found: dict[str, Callable[[], Side]] = {}
        for count in (1, 2) if setting.quick else (1, 2, 3, 4):

            def at_once(graphs: bool, count: int = count) -> Side:
                return side_by_side(setting, replace(work, graphs=graphs), count)

            found |= both_ways(setting, f"{count} at once", at_once)
        return found

    return sides


def determinism(name: str, strategy: str, outputs: str) -> Callable[[Setting], Sides]:
    """Return the row of what `runtime.deterministic=true` costs: its sides' ratios are below 1."""

    def sides(setting: Setting) -> Sides:
        work = Work(
            setting.model(name), strategy, setting.count(100 * BATCH), setting.epochs(), setting.threads, outputs
        )
        wanted = replace(work, deterministic=True)
        return {
            **both_ways(setting, "default", lambda graphs: our_side(setting, replace(work, graphs=graphs))),
            **both_ways(setting, "deterministic", lambda graphs: our_side(setting, replace(wanted, graphs=graphs))),
        }

    return sides


def losses(setting: Setting) -> Sides:
    """Student losses on a LeNet that learns from cached outputs, against KD: ratios are below 1 by what they cost."""
    images = setting.count(150 * BATCH, CIFAR10)
    work = Work("lenet", "baseline", images, setting.epochs(), setting.threads, "cached")
    found: dict[str, Callable[[], Side]] = {}
    for name in LOSSES:

        def learns(graphs: bool, name: str = name) -> Side:
            return our_side(setting, replace(work, graphs=graphs, loss=name))

        found |= both_ways(setting, name, learns)
    return found


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
    "lenet": Row("CPU 50 x, aim 100 x; GPU 30 x, aim 100 x", student("lenet", 3 * BATCH, 150 * BATCH, 3)),
    "alexnet": Row("CPU 2 x, aim 4 x; GPU 5 x, aim 20 x", student("alexnet", BATCH, 3 * BATCH, 1)),
    "bank": Row("CPU 1 x, aim 2 x; GPU 6 x, aim 20 x", bank("lenet", 25, 200 * BATCH), counts=False),
    **{
        name: Row("CPU 15 x, aim 30 x; GPU 300 x, aim 1000 x", augmentation(name))
        for name in ("flip-crop", "cutout", "mixup", "cutmix")
    },
    **{
        name: Row("CPU 10 x", augmentation(name))
        for name in ("fmix", "resizemix", "random-erasing", "rotation", "random-resized-crop", "trivial-augment")
    },
    **{name: Row("CPU 3 x", augmentation(name)) for name in ("rand-augment", "augmix")},
    "losses": Row("0.95 x", losses, counts=False),
    "evaluation": Row("CPU 2 x, aim 3 x; GPU 5 x, aim 20 x", evaluation("lenet", 80_000, 80_000)),
    "evaluation-resnet18": Row("CPU 2 x, aim 3 x; GPU 5 x, aim 20 x", evaluation("resnet18", 512, 10_000)),
    "quickstart": Row("CPU under 150 s, aim 90 s", quickstart, counts=False, only="cpu"),
    "commands": Row("none", overheads.commands, counts=False, only="cpu"),
    "planning": Row("none", overheads.planning, counts=False, only="cpu"),
    "lookups": Row("none", overheads.lookups, counts=False, only="cpu"),
    "checkpoints": Row("2 % of five minutes", overheads.checkpoints, counts=False, only="cpu"),
    "bank-alexnet": Row("where it pays", bank("alexnet", IN_PAPER, 20 * BATCH), counts=False, only="cuda"),
    "several-teachers": Row("where it pays", several("resnet18", "flip-crop", "none"), counts=False, only="cuda"),
    "several-alexnets": Row("where it pays", several("alexnet", "baseline", "cached"), counts=False, only="cuda"),
    "deterministic-teacher": Row("none", determinism("resnet18", "flip-crop", "none"), counts=False, only="cuda"),
    "deterministic-lenet": Row("none", determinism("lenet", "baseline", "cached"), counts=False, only="cuda"),
    "deterministic-alexnet": Row("none", determinism("alexnet", "baseline", "cached"), counts=False, only="cuda"),
}
