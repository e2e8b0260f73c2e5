"""What is seen of a study while it runs: without a terminal a line a minute, and each change of state in its log."""

import io
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from augdistill.executors import display
from augdistill.executors.base import Board, Outcome
from augdistill.store.runs import RunStore
from plans import plan_of

FINISHED = Outcome("finished", seconds=1.0)


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """What a handler like that of the commands writes, here not to a terminal."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.getLogger().addHandler(handler)
    logging.getLogger("augdistill").setLevel(logging.INFO)
    yield text
    logging.getLogger().removeHandler(handler)


def board_of(tmp_path: Path) -> Board:
    return Board(plan_of({"a": (), "b": (), "ab": ("a", "b")}), RunStore(tmp_path))


def test_the_log_has_every_line_and_the_terminal_what_matters(console, tmp_path: Path) -> None:
    board = board_of(tmp_path)
    with board.shown():
        for stage in board.ready:
            board.started(stage)
        board.ended(board.stages["a"], FINISHED)
        board.ended(board.stages["b"], Outcome("failed", "no space", 1))
    told = console.getvalue().splitlines()
    assert told == [
        f"3 stages to do, a line a minute; each of them in {board.display.log}",
        "failed teacher-b: no space (2 of 3, about 0 s left)",
        "blocked teacher-ab by teacher-b",
    ]
    lines = [line.split(" ", 3)[3] for line in board.display.log.read_text().splitlines()]
    assert lines == [
        told[0],
        "started teacher-a",
        "started teacher-b",
        "finished teacher-a in 1.0 s (1 of 3, about 0 s left)",
        *told[1:],
    ]
    logging.getLogger("augdistill.executors").info("after", extra=display.DETAIL)
    assert console.getvalue().endswith("\nafter\n")  # nothing is kept back any more


def test_without_a_terminal_a_line_tells_what_runs_now_and_then(console, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(display, "EVERY", 0.01)
    board = board_of(tmp_path)
    with board.shown():
        board.started(board.stages["a"])
        told, until = "", time.monotonic() + 60
        while "running" not in told and time.monotonic() < until:
            told = console.getvalue()
            time.sleep(0.01)
    assert "0 of 3; running: teacher-a\n" in told


def test_a_study_whose_log_cannot_be_written_runs(console, tmp_path: Path) -> None:
    (tmp_path / "studies").write_text("no folder")
    board = board_of(tmp_path)
    with board.shown():
        board.started(board.stages["a"])
    assert board.display.running == {"a": "teacher-a"}


class Terminal:
    """A bar's place in the test: what would be written to a terminal, line by line."""

    def __init__(self, **look: object) -> None:
        self.look, self.closed, self.n = look, False, 0
        self.pos = -int(look.get("position", 0))

    def close(self) -> None:
        self.closed = True


def test_on_a_terminal_each_worker_has_a_line_of_its_own(monkeypatch, tmp_path: Path) -> None:
    made = []
    monkeypatch.setattr(display, "tqdm", lambda **look: made.append(Terminal(**look)) or made[-1])
    shown = display.Display("tiny", 3, tmp_path, lambda: "1 of 3")
    shown.bar = type("Bar", (), {"n": 0, "set_postfix_str": lambda *_, **__: None, "update": lambda *_: None})()
    for name in ("a", "b"):
        shown.started(name, f"teacher-digits-lenet-{name}-s0-0123abcd")
    assert [(line.look["desc"], line.pos) for line in made] == [
        ("teacher-digits-lenet-a-s0", -1),
        ("teacher-digits-lenet-b-s0", -2),
    ]
    shown.ended("a", 1)
    assert made[0].closed
    shown.started("c", "evaluation-digits-test-teacher-digits-lenet-a-s0-0123abcd-ffffffff")
    assert (made[2].look["desc"], made[2].pos) == ("evaluation-digits-test-teacher-digits-lenet-a-s0", -1)
