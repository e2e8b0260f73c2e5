"""Trackers: a run's history, epoch by epoch, in the files of the tools with which many people look at trainings.

All is written below one folder, which no run holds, and nothing is sent anywhere. A tracker may fail; a run may not.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from augdistill.base.errors import RequestError, StoppedError
from augdistill.base.lazy import load
from augdistill.base.text import printable_line

log = logging.getLogger("augdistill")

FOLDER = "trackers"  # below outputs


@dataclass(frozen=True)
class Tracker:
    """A tracker: where the function `begin` of its writer is, what it imports, how one looks at what it wrote."""

    place: str
    needs: tuple[str, ...]
    look: str


TRACKERS = {
    "tensorboard": Tracker(
        "augdistill.trackers.tensorboard:begin", ("tensorboard",), "tensorboard --logdir {folder}/tensorboard"
    ),
    "mlflow": Tracker(
        "augdistill.trackers.mlflow:begin",
        ("mlflow", "sqlalchemy", "alembic"),
        "mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db",
    ),
    "wandb": Tracker("augdistill.trackers.wandb:begin", ("wandb",), "wandb sync {folder}/wandb/wandb/offline-run-*"),
}


@dataclass(frozen=True)
class TrackedRun:
    """The run that is tracked: its identity, folder name, kind, and the values of its config by dotted key."""

    id: str
    name: str
    kind: str
    values: Mapping[str, Any]


class Writer(Protocol):
    """What writes one run's history for one tracker, as soon as it is given."""

    def write(self, epoch: int, row: Mapping[str, float]) -> None:
        """Write the values of an epoch by their names."""

    def close(self, status: str) -> None:
        """Write how the run ended: finished, diverged, stopped or failed."""


def check_installed(names: Sequence[str]) -> None:
    """Raise RequestError, with the command that installs it, for a tracker whose packages are not there."""
    for name in names:
        if lacking := [package for package in TRACKERS[name].needs if find_spec(package) is None]:
            raise RequestError(f"tracker={name} needs {', '.join(lacking)}: pip install 'augdistill[trackers]'")


class Tracking:
    """Tells trackers of one run while the context lasts, then how it ended, its `status`.

    What an earlier attempt at the run wrote is taken away: a run that goes on is written from its first epoch, once.
    Of a tracker that fails one warning tells.
    """

    def __init__(self, names: Sequence[str], outputs: Path, run: TrackedRun) -> None:
        self.names, self.folder, self.run = list(names), outputs / FOLDER, run
        self.writers: dict[str, Writer] = {}
        self.written, self.status = 0, "finished"

    def __enter__(self) -> Self:
        """Begin what each tracker has of the run, anew."""
        for name in list(self.names):
            with self.spared(name):
                self.writers[name] = load(TRACKERS[name].place)(self.folder.absolute(), self.run)
        return self

    def __call__(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write what is new in a history, one row per epoch as in history.csv."""
        for name in list(self.names):
            with self.spared(name):
                for row in history[self.written :]:
                    values = {key: float(value) for key, value in row.items() if key != "epoch"}
                    self.writers[name].write(int(row["epoch"]), values)
        self.written = len(history)

    @contextmanager
    def spared(self, name: str) -> Iterator[None]:
        """Go on without a tracker that fails."""
        try:
            yield
        except Exception as error:
            self.names.remove(name)
            told = printable_line(f"{type(error).__name__}: {error}")
            log.warning("tracker %s failed and hears no more of %s: %s", name, self.run.name, told)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Write how the run ended."""
        if error is not None:
            self.status = "stopped" if isinstance(error, StoppedError | KeyboardInterrupt) else "failed"
        for name in [name for name in self.names if name in self.writers]:
            with self.spared(name):
                self.writers[name].close(self.status)
