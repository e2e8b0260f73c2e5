"""A tracker that only remembers what it was told, or fails where it is told to."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from augdistill import trackers
from augdistill.trackers import TrackedRun


class Heard:
    """What each run's writer heard, by the run's folder; begun anew, a run has nothing."""

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at = fails_at
        self.rows: dict[str, list[dict[str, float]]] = {}
        self.status: dict[str, str] = {}
        self.runs: list[TrackedRun] = []

    def begin(self, folder: Path, run: TrackedRun) -> "Notes":
        self.check("begin")
        self.runs.append(run)
        self.rows[run.name] = []
        return Notes(self, run.name)

    def check(self, where: str) -> None:
        if where == self.fails_at:
            raise OSError(f"no disk to {where}")


class Notes:
    """One run's writer."""

    def __init__(self, heard: Heard, name: str) -> None:
        self.heard, self.name = heard, name

    def write(self, epoch: int, row: Mapping[str, float]) -> None:
        self.heard.check("write")
        self.heard.rows[self.name].append({"epoch": epoch, **row})

    def close(self, status: str) -> None:
        self.heard.check("close")
        self.heard.status[self.name] = status


def listening(monkeypatch: pytest.MonkeyPatch, **heard: Heard) -> None:
    """Put trackers in the place of those that there are, and take them for installed."""
    monkeypatch.setattr(trackers, "TRACKERS", {name: trackers.Tracker(name, (), "look") for name in heard})
    monkeypatch.setattr(trackers, "load", lambda place: heard[place].begin)
