"""How long the rest of a study takes, by hand."""

import pytest

from augdistill.base.text import duration
from augdistill.executors import pace
from augdistill.executors.base import Board, Outcome
from augdistill.store.runs import RunStore
from plans import plan_of


def test_the_time_left_is_told_when_every_kind_left_is_known(tmp_path, monkeypatch):
    """By hand: two workers, stages of 10 s after 15 s; the six that are left take 6 * 10 / (3 * 10 / 15) s."""
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    board = Board(plan_of(dict.fromkeys("abcdefghi", ())), RunStore(tmp_path))
    assert board.progress() == "0 of 9"
    now[0] += 15
    for name in "abc":
        board.ended(board.stages[name], Outcome("finished", seconds=10.0))
    assert board.pace.time_left() == pytest.approx(30.0)
    assert board.progress() == f"3 of 9, about {duration(30.0)} left"
    board.ended(board.stages["d"], Outcome("failed", "no space", 1))
    assert board.pace.time_left() == pytest.approx(25.0)
