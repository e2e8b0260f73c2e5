"""`augdistill runs export`: histories of runs that are there, to a tracker."""

from pathlib import Path

import pytest

import core
from augdistill.base.errors import ConfigError, RequestError, WorkError
from augdistill.cli import tracked
from augdistill.cli.tracked import exported, history
from augdistill.stages import run_job
from augdistill.store.runs import Run, RunStore
from tracking.heard import Heard, listening


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A student on labels alone; read it only."""
    config = core.student_values(tmp_path_factory.mktemp("exported"), "distillation.alpha=0")
    return run_job({"kind": "student", "config": config})


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    found = Heard()
    listening(monkeypatch, paper=found)
    monkeypatch.setattr(tracked, "TRACKERS", {"paper": tracked.TRACKERS["tensorboard"]})
    return found


@pytest.mark.parametrize("chosen", [(None, []), ("46af", []), (None, ["student=lenet"])])
def test_a_history_is_exported_as_it_is(chosen: tuple[str | None, list[str]], student: Run, heard: Heard) -> None:
    store = RunStore(student.path.parents[1])
    name = student.id[:8] if chosen[0] else None
    told = exported(store, "paper", name, None, chosen[1])
    assert told == f"1 run: tensorboard --logdir {store.outputs}/trackers/tensorboard"
    rows = heard.rows[student.path.name]
    assert rows == history(student)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert heard.status == {student.path.name: "finished"}
    assert heard.runs[0].values["student.name"] == "lenet"


def test_what_is_not_there_is_refused_and_what_fails_is_told(student: Run, heard: Heard, tmp_path: Path) -> None:
    store = RunStore(student.path.parents[1])
    with pytest.raises(RequestError, match=r"export to which tracker\? type augdistill runs export"):
        exported(store, None, None, None, [])
    with pytest.raises(ConfigError, match=r"tracker=papre is unknown \(did you mean paper\?\)"):
        exported(store, "papre", None, None, [])
    with pytest.raises(RequestError, match="what was asked for has no history to export"):
        exported(RunStore(tmp_path), "paper", None, None, [])
    heard.fails_at = "write"
    with pytest.raises(WorkError, match="1 run of 1 could not be exported to paper"):
        exported(store, "paper", None, None, [])
