"""Find a run or make it: its lock and log, its untrained model, what the training loop asks and reports."""

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn
from tqdm import tqdm

from augdistill import models
from augdistill.base.errors import RunError
from augdistill.base.logs import run_log
from augdistill.base.seeds import derive
from augdistill.base.signals import StopRequest
from augdistill.base.text import duration, pluralise
from augdistill.config.base import dotted
from augdistill.config.jobs import Imported, ImportedConfig, ModelConfig, RunConfig
from augdistill.stages import common, names
from augdistill.store.identity import Ref
from augdistill.store.runs import Run, RunStore
from augdistill.trackers import TrackedRun, Tracking
from augdistill.training.device import Device
from augdistill.training.loop import SELECTED_BY, Hooks

log = logging.getLogger("augdistill")

SOON, ENOUGH_STEPS = 5.0, 10  # seconds and steps after which the time left is told
SLOW, FEW_STEPS = 20.0, 2  # the same, where a step takes seconds
LONG = 3600.0  # seconds after which what takes less is named, on a CPU


def find_or_make(
    ref: Ref,
    store: RunStore,
    wait: bool,
    planned: str | None,
    make: Callable[[Path], Run],
    check: Callable[[], object] = lambda: None,
) -> Run:
    """Return the run of this name: as it is there, else what `make` makes of its folder while its lock is held.

    `check` refuses what can be refused before the lock is taken. Raises DataError for another run than was `planned`,
    HeldError where it is held elsewhere and not to `wait`.
    """
    names.check_planned(ref, planned)
    if (found := store.find(ref)) is not None:
        if ref.kind in common.MODELS:
            log.info("%s is %s already", ref.folder, found.status)
        return found
    check()
    with store.writing(ref, wait) as folder, run_log(folder):
        return store.find(ref) or make(folder)


def build(config: RunConfig, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the untrained model of a job, its weights from its seed alone; of an imported teacher its network."""
    if isinstance(config, ImportedConfig):
        return imported_network(config.imported, shape, classes)
    seed = derive(config.seed, config.kind, "weights")
    return models.build(config.model.name, shape, classes, seed=seed, **config.model.parameters())


def imported_network(about: Imported, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the network of an imported teacher; RunError for one that has no weights."""
    from augdistill.models import foreign  # which few runs need

    if about.architecture is None:
        raise RunError(f"{about.name} is known by its outputs alone: it has no weights")
    return foreign.build(about.architecture, shape, classes, parameters=about.parameters, size=about.size)


def hooks_of(
    config: ModelConfig,
    data: common.TrainValSplit,
    device: Device,
    title: str,
    stop: StopRequest,
    track: Callable[[list[dict[str, float]]], None] | None = None,
) -> Hooks:
    """Return what the training loop asks and reports."""
    progress = Progress(title, config.optim.epochs, shorter(config) if device.device.type == "cpu" else "")
    return Hooks(
        score=scorer(config, data, device),
        report=progress,
        stop=stop,
        checkpoint_every=config.runtime.checkpoint_every,
        pace=progress.pace,
        track=track,
    )


def tracking(trackers: Sequence[str], ref: Ref, config: ModelConfig, store: RunStore) -> Tracking:
    """Return what tells trackers of a run while it trains."""
    return Tracking(trackers, store.outputs, TrackedRun(ref.id, ref.folder, ref.kind, dotted(config.plain())))


def shorter(config: ModelConfig) -> str:
    """Return what to type for a run that takes less time; nothing in a study, whose file says what it trains."""
    if os.environ.get("AUGDISTILL_WORKER"):
        return ""
    small = {"teacher": ("resnet9", "teacher=resnet9 teacher.width=16"), "student": ("lenet", "student=lenet")}
    name, words = small[config.kind]
    less = "fewer optim.epochs take less" if config.model.name == name else f"{words} takes less"
    return f"{less} (docs/recipes.md)"


def scorer(config: ModelConfig, data: common.TrainValSplit, device: Device) -> Callable[[nn.Module], dict[str, float]]:
    """Return what the loop asks after an epoch: validation accuracy if there is a split, what selects if that does."""
    parts = {"validation_accuracy": (common.accuracy, data.held_out)} if len(data.held_out.images) else {}
    if (select := config.optim.select) != "last":
        log.warning("optim.select=%s: the kept weights are those of the best epoch on the TEST set", select)
        statistics = common.statistics_of(config, data.images.header)
        measure = common.label_nll if select == "best-test-loss" else common.accuracy
        test = common.on_device(common.dataset_images(config, "test"), statistics, device)
        parts[SELECTED_BY[select][0]] = (measure, test)
    return lambda model: {name: measure(model, part, device) for name, (measure, part) in parts.items()}


@dataclass
class Progress:
    """One line per epoch in the log, with the time left; on a terminal a bar instead.

    Before the first epoch ends, one line tells of the time that all will take, if that is long enough to ask; over an
    hour it names what takes less.
    """

    title: str
    epochs: int
    shorter: str = ""
    bar: "tqdm[Any] | None" = field(default=None)
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    first: tuple[float, int] | None = None  # when the first step of this process had ended, and its number
    has_told: bool = False

    def pace(self, step: int, steps: int) -> None:
        """Tell, once, how long all steps will take, as soon as enough of them were taken to know."""
        if self.has_told:
            return
        now = time.monotonic()
        if self.first is None:
            self.first = (now, step)
        seconds, taken = now - self.first[0], step - self.first[1]
        if (seconds >= SOON and taken >= ENOUGH_STEPS) or (seconds >= SLOW and taken >= FEW_STEPS):
            self.has_told = True
            left = seconds / taken * (steps - step)
            told = f"{self.title}: {duration(left)} left for {pluralise(self.epochs, 'epoch')}"
            if left > LONG and self.shorter:
                log.warning("%s on this CPU; %s", told, self.shorter)
            else:
                log.info("%s", told)

    def __call__(self, epoch: int, row: dict[str, float]) -> None:
        self.has_told, self.done = True, self.done + 1
        hidden = {"epoch", "lr", "images_per_second"} | ({"kd", "ce"} if row.get("kd") == 0 else set())
        shown = {name: f"{value:.4g}" for name, value in row.items() if name not in hidden}
        if not sys.stderr.isatty() or os.environ.get("AUGDISTILL_WORKER"):
            text = ", ".join(f"{name} {value}" for name, value in shown.items())
            remaining = self.epochs - epoch - 1
            left = f", {duration((time.monotonic() - self.began) / self.done * remaining)} left" if remaining else ""
            speed = row["images_per_second"]
            log.info("epoch %d/%d: %s, %.0f images/s%s", epoch + 1, self.epochs, text, speed, left)
            return
        if self.bar is None:
            self.bar = tqdm(total=self.epochs, initial=epoch, desc=self.title, unit="epoch")
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update()
