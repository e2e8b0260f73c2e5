"""What executors share: which stage is ready when, what a failure blocks, what is told, how a job ends."""

import logging
import random
from pathlib import Path

import pytest

from augdistill.base.errors import ConfigError, RequestError, StoppedError, WorkError
from augdistill.base.text import duration
from augdistill.config.checking import check_group
from augdistill.config.executors import Local
from augdistill.executors import EXECUTORS, EXTRAS, chosen, devices
from augdistill.executors.base import Board, Outcome, attempt
from augdistill.store.documents import Manifest
from augdistill.store.runs import Run, RunStore
from augdistill.study import estimate
from plans import FINISHED, do_nothing, plan_of

FAMILY = {"a": (), "b": (), "ab": ("a", "b"), "leaf": ("ab",), "other": ("b",)}
LOCAL = Local(name="local", workers=2)


def board_of(parents: dict, tmp_path: Path) -> Board:
    return Board(plan_of(parents), RunStore(tmp_path))


def names(stages: list) -> list[str]:
    return [stage.id for stage in stages]


def test_a_stage_is_ready_when_its_last_parent_has_finished(tmp_path):
    board = board_of(FAMILY, tmp_path)
    assert names(board.ready) == ["a", "b"]
    assert names(board.ended(board.stages["a"], FINISHED)) == []
    assert names(board.ended(board.stages["b"], FINISHED)) == ["ab", "other"]
    assert names(board.ended(board.stages["ab"], FINISHED)) == ["leaf"]
    assert names(board.todo) == ["leaf", "other"]


@pytest.mark.parametrize("ended", [Outcome("failed", "no space", 1), Outcome("diverged")])
def test_a_failure_blocks_all_that_depends_on_it_and_nothing_else(ended, tmp_path, caplog):
    caplog.set_level(logging.INFO, "augdistill")
    board = board_of(FAMILY, tmp_path)
    assert board.ended(board.stages["a"], ended) == []
    assert board.results.blocked == {"ab": "teacher-a", "leaf": "teacher-a"}
    assert names(board.ended(board.stages["b"], FINISHED)) == ["other"]
    assert board.ended(board.stages["other"], FINISHED) == []
    assert not board.unmet
    assert [line.split(" (")[0] for line in caplog.messages] == [
        f"{ended.status} teacher-a" + (": no space" if ended.error else ""),
        "blocked teacher-ab by teacher-a",
        "blocked teacher-leaf by teacher-a",
        "finished teacher-b in 0.0 s",
        "finished teacher-other in 0.0 s",
    ]


def test_any_order_of_ends_runs_every_stage_after_its_parents(tmp_path):
    rng = random.Random(0)
    parents = {str(n): tuple(str(p) for p in sorted(rng.sample(range(n), min(n, 3)))) for n in range(200)}
    board = board_of(parents, tmp_path)
    ready, ended = names(board.ready), set()
    while ready:
        stage = board.stages[ready.pop(rng.randrange(len(ready)))]
        assert ended.issuperset(stage.parents)
        ready += names(board.ended(stage, FINISHED))
        ended.add(stage.id)
    assert ended == set(parents)


def test_the_time_left_is_told_when_every_kind_left_is_known(tmp_path, monkeypatch):
    """By hand: two workers, stages of 10 s after 15 s; the six that are left take 6 * 10 / (3 * 10 / 15) s."""
    now = [100.0]
    monkeypatch.setattr(estimate.time, "monotonic", lambda: now[0])
    board = board_of(dict.fromkeys("abcdefghi", ()), tmp_path)
    assert board.progress() == "0 of 9"
    now[0] += 15
    for name in "abc":
        board.ended(board.stages[name], Outcome("finished", seconds=10.0))
    assert board.eta.time_left() == pytest.approx(30.0)
    assert board.progress() == f"3 of 9, about {duration(30.0)} left"
    board.ended(board.stages["d"], Outcome("failed", "no space", 1))
    assert board.eta.time_left() == pytest.approx(25.0)


class OnDisk(RunStore):
    """A store that has what it is told, without files."""

    def __init__(self, statuses: dict[str, str]) -> None:
        self.statuses = statuses

    def find(self, ref):
        if ref.id not in self.statuses:
            return None
        return Run(Path(ref.folder), Manifest.model_construct(status=self.statuses[ref.id]))


def test_what_is_there_is_found_and_what_diverged_blocks():
    board = Board(plan_of(FAMILY), OnDisk({"a": "diverged", "b": "finished"}))
    assert board.results.found == {"a", "b"}
    assert board.results.blocked == {"ab": "teacher-a (diverged)", "leaf": "teacher-a (diverged)"}
    assert names(board.ready) == names(board.todo) == ["other"]


def test_what_a_job_raises_is_told():
    def failing(error: Exception) -> Outcome:
        def work(job: dict) -> Run:
            raise error

        return attempt({}, work)

    assert attempt({"config": {"name": "x"}}, do_nothing).status == "finished"
    assert failing(WorkError("no space")).exit_code == 1
    assert failing(StoppedError("saved")).exit_code == 143
    assert failing(ConfigError("lr")).error == "lr"
    assert failing(KeyError("lr")).error == "KeyError: 'lr'"
    assert failing(ValueError("two\n\x1b[2Jlines")).error == "ValueError: two ?[2Jlines"  # as a terminal may see it
    assert failing(OSError(28, "No space left", "out")).error.startswith("No space left (out): what was finished")
    for error in (MemoryError(), RuntimeError("CUDA out of memory. Tried to")):
        assert failing(error).status == "lost"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "locl"}, "executor=locl is unknown (did you mean local?)"),
        ({"worker": 2}, "executor.worker is not a config key (did you mean workers?)"),
        ({"workers": 0}, "executor.workers=0 is out of range: null, or a whole number, 1 or more"),
        ({"workers": "two"}, "executor.workers=two is not what it must be: null, or a whole number"),
        ({"per_device": None}, "executor.per_device=null is not what it must be: a whole number"),
        ({"retries": -1}, "executor.retries=-1 is out of range"),
    ],
)
def test_an_executor_that_cannot_be_is_refused(changed, words):
    assert chosen(LOCAL) is EXECUTORS["local"]
    with pytest.raises(ConfigError) as refused:
        check_group("executor", {**LOCAL.plain(), **changed})
    assert words in str(refused.value)


def test_an_executor_must_be_a_group():
    with pytest.raises(ConfigError, match="type executor=CHOICE"):
        check_group("executor", None)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(EXTRAS, "local", "no_such_package")
    with pytest.raises(RequestError, match=r"pip install 'augdistill\[local\]'"):
        chosen(LOCAL)


def test_devices_are_called_as_the_environment_calls_them():
    assert devices.names(3, None) == ["0", "1", "2"]
    assert devices.names(2, "2,5") == ["2", "5"]
    assert devices.names(1, "GPU-8932f937, GPU-1") == ["GPU-8932f937"]  # the second is not there
    assert devices.names(0, "") == []


def test_stages_go_to_the_device_with_the_fewest():
    running = {"0": 0, "1": 0, "2": 0}
    taken = []
    while (device := devices.least_busy(running, 2)) is not None:
        running[device] += 1
        taken.append(device)
    assert taken == ["0", "1", "2", "0", "1", "2"]
