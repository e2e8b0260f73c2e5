"""Find a run or make it: its lock and log, its untrained model, what the training loop asks and reports."""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn
from tqdm import tqdm

from augdistill import models
from augdistill.base.seeds import derive
from augdistill.base.signals import StopRequest
from augdistill.config.jobs import ModelConfig
from augdistill.stages import common, names
from augdistill.store.identity import Ref
from augdistill.store.runs import Run, RunStore
from augdistill.training.device import Device
from augdistill.training.loop import SELECTED_BY, Hooks

log = logging.getLogger("augdistill")


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
    with store.writing(ref, wait) as folder, common.run_log(folder):
        return store.find(ref) or make(folder)


def build(config: ModelConfig, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the untrained model of a job, its weights from its seed alone."""
    seed = derive(config.seed, config.kind, "weights")
    return models.build(config.model.name, shape, classes, seed=seed, **config.model.parameters())


def hooks_of(config: ModelConfig, data: common.TrainValSplit, device: Device, title: str, stop: StopRequest) -> Hooks:
    """Return what the training loop asks and reports."""
    return Hooks(
        score=scorer(config, data, device),
        report=Progress(title, config.optim.epochs),
        stop=stop,
        checkpoint_every=config.runtime.checkpoint_every,
    )


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
    """One line per epoch in the log; on a terminal a bar with the time left instead."""

    title: str
    epochs: int
    bar: "tqdm[Any] | None" = field(default=None)

    def __call__(self, epoch: int, row: dict[str, float]) -> None:
        shown = {
            name: f"{value:.4g}" for name, value in row.items() if name not in ("epoch", "lr", "images_per_second")
        }
        if not sys.stderr.isatty() or os.environ.get("AUGDISTILL_WORKER"):
            text = ", ".join(f"{name} {value}" for name, value in shown.items())
            log.info("epoch %d/%d: %s, %.0f images/s", epoch + 1, self.epochs, text, row["images_per_second"])
            return
        if self.bar is None:
            self.bar = tqdm(total=self.epochs, initial=epoch, desc=self.title, unit="epoch")
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update()
