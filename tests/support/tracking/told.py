"""A student that a tracker was told of twice, since it was lost once, with all that it had saved."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import core
from augdistill.base.errors import StoppedError
from augdistill.cli.tracked import history
from augdistill.stages import run_job
from augdistill.store.runs import Run

Found = dict[str, list[tuple[int, float]]]  # name -> epoch and value, as they were read


class Told(NamedTuple):
    """A run, and its history."""

    run: Run
    history: list[dict[str, float]]


Tell = Callable[[str, Callable[[Path], Found]], Told]


def train(name: str, read: Callable[[Path], Found], outputs: Path) -> Told:
    """Train a student on labels alone and return it.

    Asserts that `read` finds, below the trackers' folder, each epoch once, under the names of history.csv and with its
    values, though the run was lost after the first epoch and began again.
    """
    job = {"kind": "student", "config": core.student_values(outputs, "distillation.alpha=0"), "trackers": [name]}
    with core.stopping_after(7), pytest.raises(StoppedError):
        run_job(job)
    first = read(outputs / "trackers")
    shutil.rmtree(core.unfinished(outputs) / ".checkpoints")  # killed before it could save
    run = run_job(job)
    rows, last = history(run), read(outputs / "trackers")
    names = {name for row in rows for name in row if name != "epoch"}
    assert names >= {"loss", "lr", "validation_accuracy", "images_per_second"}
    assert first.keys() == last.keys() == names, (first, last)
    for each in names:
        assert [step for step, _ in first[each]] == [0]
        assert [step for step, _ in last[each]] == [0, 1, 2]
        wanted = [row[each] for row in rows]
        assert [value for _, value in last[each]] == pytest.approx(wanted, rel=1e-6)  # TensorBoard's are float32
    return Told(run, rows)
