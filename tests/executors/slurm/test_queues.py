"""How stages stand in SLURM: read from the queue, the run store and what jobs told, without accounting."""

import pytest

from augdistill.base.errors import RunError, WorkError
from augdistill.executors.slurm import queues
from augdistill.executors.slurm.arrays import ArrayTask
from augdistill.executors.slurm.queues import Folder, Job, StageStatus, parse, stage_statuses, status_of
from augdistill.store.documents import StageReport
from augdistill.store.runs import RunStore
from plans import plan_of, stage


def test_a_command_that_fails_says_why():
    with pytest.raises(WorkError, match=r"ls: .*nowhere"):
        queues.command(["ls", "/nowhere"])


def test_the_queue_is_read():
    found = parse("12|3|RUNNING|tiny-0-00-teacher\n13|N/A|PENDING|no array\n14|0|TIMEOUT|a|b\n")
    assert found == {ArrayTask("tiny-0-00-teacher", 3): Job("12", "RUNNING"), ArrayTask("a|b", 0): Job("14", "TIMEOUT")}
    assert [job.live for job in found.values()] == [True, False]


RUNS = StageReport(state="running", error="", seconds=0, host="node7")
FAILED = StageReport(state="failed", error="no space", seconds=1, host="node7")
ESCAPES = StageReport(state="failed", error="no\n\x1b[2Jspace", seconds=1, host="node7")


@pytest.mark.parametrize(
    ("told", "job", "cause", "expected"),
    [
        (None, Job("1", "PENDING"), "", StageStatus("queued", "pending")),
        (None, Job("1", "RUNNING"), "", StageStatus("queued", "running")),  # its turn in the job comes
        (RUNS, Job("1", "RUNNING"), "", StageStatus("running", "on node7")),
        (RUNS, Job("1", "PENDING"), "", StageStatus("queued", "pending")),  # was queued again
        (FAILED, Job("1", "RUNNING"), "", StageStatus("failed", "no space")),  # the job goes on with others
        (FAILED, None, "", StageStatus("failed", "no space")),
        (ESCAPES, None, "", StageStatus("failed", "no ?[2Jspace")),  # as printed
        (None, Job("1", "CANCELLED"), "", StageStatus("cancelled", "its job was cancelled")),
        (RUNS, Job("1", "CANCELLED"), "", StageStatus("cancelled", "its job was cancelled")),
        (None, Job("1", "CANCELLED"), "t (failed)", StageStatus("blocked", "blocked by t (failed)")),
        (None, None, "t (failed)", StageStatus("blocked", "blocked by t (failed)")),
        (None, None, "", StageStatus("cancelled", "its job left the queue before it began")),
        (RUNS, Job("1", "NODE_FAIL"), "", StageStatus("lost", "its job ended without it (node_fail)")),
        (RUNS, None, "", StageStatus("lost", "its job ended without it")),
    ],
)
def test_how_a_stage_stands(told, job, cause, expected):
    assert status_of(told, job, cause) == expected


def test_a_cancelled_teacher_blocks_all_that_comes_from_it(tmp_path):
    plan, folder = plan_of({"t": (), "o": ("t",), "s": ("o",), "c": ()}), Folder(tmp_path)
    (tmp_path / "study-0.tasks").write_text("0 teacher-t teacher-o\n1 teacher-s\n")
    found = stage_statuses(plan, RunStore(tmp_path), folder, {ArrayTask("study-0", 1): Job("1", "CANCELLED")})
    blocked = StageStatus("blocked", "blocked by teacher-t (cancelled)")
    cancelled = StageStatus("cancelled", "its job left the queue before it began")
    assert found == {"t": cancelled, "o": blocked, "s": blocked, "c": StageStatus("to do")}


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b'{"state": "done"}', b'{"state": "failed", "error": 1}'])
def test_what_jobs_told_is_read_as_data(content, tmp_path):
    """A file that was damaged, or made by hand, is named in one line."""
    folder, found = Folder(tmp_path), stage("a", ())
    told = folder.job(found).with_suffix(".state.json")
    assert folder.report(found) is None
    told.parent.mkdir()
    told.write_bytes(content)
    with pytest.raises(RunError, match=rf"^{told} cannot be read \(.*\): delete it$"):
        folder.report(found)
    (tmp_path / "study-0.tasks").write_text("0 teacher-a\nx teacher-b\n")
    with pytest.raises(RunError, match=r"study-0\.tasks cannot be read .* scancel"):
        folder.places([found])
