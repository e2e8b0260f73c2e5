"""Trackers hear of each epoch once, as it ends; one that fails is told of once and costs nothing."""

import logging
import typing
from pathlib import Path

import pytest

from augdistill import trackers
from augdistill.base.errors import RequestError, StoppedError
from augdistill.config.jobs import Trackers
from augdistill.trackers import TRACKERS, TrackedRun, Tracking, check_installed
from tracking.heard import Heard, listening

RUN = TrackedRun("0123abcd" * 8, "student-x-0123abcd", "student", {"optim.lr": 0.1})
ROWS = [{"epoch": 0, "loss": 2.0, "lr": 0.1}, {"epoch": 1, "loss": 1.0, "lr": 0.05}]


def test_an_epoch_is_told_when_it_ends_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    listening(monkeypatch, paper=heard)
    with Tracking(["paper"], tmp_path, RUN) as track:
        track([])
        assert heard.rows[RUN.name] == []
        track(ROWS[:1])
        assert heard.rows[RUN.name] == ROWS[:1]
        track(ROWS)
        track(ROWS)
    assert heard.rows[RUN.name] == ROWS
    assert (heard.runs, heard.status) == ([RUN], {RUN.name: "finished"})


@pytest.mark.parametrize(("error", "status"), [(StoppedError("by a signal"), "stopped"), (OSError("no"), "failed")])
def test_how_a_run_ended_is_told(error: Exception, status: str, tmp_path: Path, monkeypatch) -> None:
    heard = Heard()
    listening(monkeypatch, paper=heard)
    with pytest.raises(type(error)), Tracking(["paper"], tmp_path, RUN):
        raise error
    with Tracking(["paper"], tmp_path, TrackedRun("1" * 64, "other", "teacher", {})) as track:
        track.status = "diverged"
    assert heard.status == {RUN.name: status, "other": "diverged"}


@pytest.mark.parametrize("where", ["begin", "write", "close"])
def test_a_tracker_that_fails_is_told_of_once_and_others_hear_on(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Heard(where), Heard()
    listening(monkeypatch, bad=bad, good=good)
    caplog.set_level(logging.INFO, "augdistill")
    with Tracking(["bad", "good"], tmp_path, RUN) as track:
        track(ROWS[:1])
        track(ROWS)
    told = "tracker bad failed and hears no more of student-x-0123abcd: OSError: no disk to"
    assert caplog.messages == [f"{told} {where}"]
    assert (good.rows[RUN.name], good.status) == (ROWS, {RUN.name: "finished"})
    assert bad.status == {}


def test_one_that_is_not_installed_is_refused_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda package: None if package == "alembic" else object())
    check_installed([])
    check_installed(["tensorboard", "wandb"])
    with pytest.raises(RequestError, match=r"^tracker=mlflow needs alembic: pip install 'augdistill\[trackers\]'$"):
        check_installed(["wandb", "mlflow"])


def test_a_config_may_name_the_trackers_that_there_are() -> None:
    names = typing.get_args(typing.get_args(typing.get_args(Trackers)[0])[0])
    assert {name for each in names for name in (typing.get_args(each) or (each,))} - {Ellipsis} == {*TRACKERS}
