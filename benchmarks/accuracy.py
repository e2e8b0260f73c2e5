"""The row of what a teacher costs: accuracy on held-out images by core-seconds, recipes side by side."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from augdistill.data import split_validation
from augdistill.stages import common
from augdistill.training.loop import Hooks, fit
from benchmarks import ours
from benchmarks.sides import Setting, device_for

NAME = "accuracy"
TARGET = "82 % without augmentation, 84 % with flip-crop within 400 core-seconds"
HELD_OUT = 5000  # of the training set; test sets are not read
STRATEGIES = ("baseline", "flip-crop")


@dataclass(frozen=True)
class Teacher:
    """A model of some width, trained by its own recipe for `epochs`, or as many as that says."""

    model: str
    width: int
    epochs: int | None = None

    @property
    def title(self) -> str:
        return f"{self.model} of width {self.width}"


ON_CPU = (
    Teacher("resnet18", 8, 8),
    *(Teacher("resnet9", width) for width in (16, 24, 32)),
    *(Teacher("airbench", width) for width in (16, 32)),
    Teacher("resnet18", 64, 2),
)
ON_GPU = (
    Teacher("resnet18", 64, 30),
    *(Teacher("resnet9", width, 20) for width in (32, 64, 128)),
    *(Teacher("airbench", width, 20) for width in (32, 64, 128)),
)
QUICK = (Teacher("resnet18", 4, 2), Teacher("resnet9", 8, 2))


@dataclass
class Trained:
    """What one teacher cost and reached after each epoch: seconds of all cores (`cpu`) or of the GPU's, accuracy."""

    teacher: str
    strategy: str
    seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


class Stopwatch:
    """Seconds of training alone: of all cores of this process, or on a GPU those that pass."""

    def __init__(self, on_gpu: bool) -> None:
        self.now = time.perf_counter if on_gpu else time.process_time
        self.spent, self.began = 0.0, self.now()

    def stop(self) -> float:
        """Return the seconds until now."""
        self.spent += self.now() - self.began
        return self.spent

    def start(self) -> None:
        """Go on."""
        self.began = self.now()


def measure(setting: Setting, epochs: int | None) -> dict[str, Any]:
    """Train every teacher under each strategy, print and return what it cost and reached."""
    teachers = QUICK if setting.quick else ON_GPU if setting.on_gpu else ON_CPU
    found = []
    for trained in runs(setting, tuple(replace(one, epochs=epochs or one.epochs) for one in teachers)):
        found.append(asdict(trained))
        told = f"{100 * trained.accuracy[-1]:.1f} % after {len(trained.accuracy)} epochs, {trained.seconds[-1]:.0f} s"
        print(f"  {trained.teacher:24}{trained.strategy:12}{told}", flush=True)
    first = statistics.mean(run["seconds"][-1] for run in found[: len(STRATEGIES)])
    print(f"  s are core-seconds; {found[0]['teacher']} took {first:.0f}, on {setting.device}", flush=True)
    return {"held_out": HELD_OUT, "device": setting.device, "threads": setting.threads, "runs": found}


def runs(setting: Setting, teachers: tuple[Teacher, ...]) -> Iterator[Trained]:
    """Yield each teacher under each strategy as soon as it is trained."""
    images = setting.data()
    precision = "fp32" if setting.quick else "auto"
    device = device_for(setting, precision, setting.threads)
    data = common.on_device(images, ours.statistics(images), device)
    rows, held_out = split_validation(images.labels, 200 if setting.quick else HELD_OUT)
    training, validation = data.part(rows), data.part(held_out)
    for teacher in teachers:
        for strategy in STRATEGIES:
            yield train(
                teacher,
                strategy,
                ours.build(teacher.model, images, device, width=teacher.width),
                training,
                validation,
                device,
            )


def train(
    teacher: Teacher,
    strategy: str,
    model: nn.Module,
    training: common.DeviceDataset,
    validation: common.DeviceDataset,
    device: common.Device,
) -> Trained:
    """Train a teacher by the package's loop, and ask it for the held-out images after each epoch."""
    changed = {} if teacher.epochs is None else {"epochs": teacher.epochs}
    task = ours.task(model, training, ours.recipe(teacher.model, **changed), device, ops=ours.ops(strategy))
    found, watch = Trained(teacher.title, strategy), Stopwatch(device.device.type == "cuda")

    def score(network: nn.Module) -> dict[str, float]:
        if device.device.type == "cuda":
            torch.cuda.synchronize()
        found.seconds.append(watch.stop())
        found.accuracy.append(common.accuracy(network, validation, device))
        watch.start()
        return {}

    with tempfile.TemporaryDirectory() as folder:
        fit(task, device, Path(folder), Hooks(score, lambda epoch, row: None, lambda: False, "600min"))
    return found
