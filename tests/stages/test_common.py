"""What all stages share: the run's log tells how it ended, whatever ended it, and no more."""

import logging
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from augdistill.base.errors import NoMemoryError, RunError, StoppedError, WorkError
from augdistill.base.signals import stop_on_signal
from augdistill.stages.common import describe_device, run_log
from augdistill.training.checkpoint import State
from augdistill.training.device import resolve
from augdistill.training.loop import take_epoch

log = logging.getLogger("augdistill.stages.test")


def ended_by(error: Exception, raised: type[Exception], folder: Path) -> str:
    """Return the log of a run that an error ended, after looking at what was raised."""
    with pytest.raises(raised), run_log(folder):
        raise error
    return (folder / "log").read_text()


@pytest.mark.parametrize(
    ("error", "raised", "line"),
    [
        (StoppedError("stopped at step 3"), StoppedError, "INFO StoppedError: stopped at step 3"),
        (RunError("no teacher"), RunError, "ERROR RunError: no teacher"),
        (OSError(28, "No space left", "out/weights"), WorkError, "ERROR WorkError: No space left (out/weights)"),
        (MemoryError(), NoMemoryError, "ERROR NoMemoryError: out of memory: fewer jobs at once need less"),
        (RuntimeError("CUDA out of memory. Tried"), NoMemoryError, "ERROR NoMemoryError: out of memory: fewer jobs"),
    ],
)
def test_what_ends_a_run_is_one_line_of_its_log(error, raised, line: str, tmp_path: Path) -> None:
    text = ended_by(error, raised, tmp_path)
    assert text.count("\n") == 1
    assert line in text


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried")])
def test_a_smaller_batch_is_advised_where_batches_are_what_fills_the_memory(error, tmp_path: Path) -> None:
    def take(plan: object, index: int) -> None:
        raise error

    plan = SimpleNamespace(offsets=[0, 1])
    recipe = {"schedule": "constant", "lr": 0.1, "warmup_epochs": 0}
    changing = SimpleNamespace(totals=torch.zeros(4), rate=torch.zeros(()), key=torch.zeros(()))
    with pytest.raises(NoMemoryError, match=r"out of memory: a smaller optim\.batch_size needs less"):
        take_epoch(take, plan, changing, State(), recipe, 0, lambda: None)


def test_an_error_of_our_own_making_leaves_its_traceback(tmp_path: Path) -> None:
    text = ended_by(KeyError("typo"), KeyError, tmp_path)
    assert "ERROR KeyError: 'typo'" in text
    assert "Traceback" in text


def test_a_log_that_cannot_be_written_costs_its_lines_only(tmp_path: Path, capfd) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))
    try:
        with run_log(tmp_path):
            for _ in range(3):
                log.warning("a line that is longer than what is left of the disk, by some way")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert capfd.readouterr().err == ""
    assert (tmp_path / "log").stat().st_size <= 40


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Ctrl-C as a terminal's program has it, whatever started the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupted(times: int, error: Exception | None = None) -> list[bool]:
    """Press Ctrl-C so often while a stage of a list runs, and end it; return what the stage and the list were told."""
    told = []
    with stop_on_signal() as outer:
        try:
            with stop_on_signal() as inner:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
                    told.append(inner())
                if error is not None:
                    raise error
        finally:
            told.append(outer())
    return told


def test_ctrl_c_asks_to_save_and_its_second_time_does_not_wait(interrupts) -> None:
    with pytest.raises(StoppedError, match="saved"):
        interrupted(1, StoppedError("saved"))
    with pytest.raises(KeyboardInterrupt):
        interrupted(2, AssertionError("it waited"))
    assert interrupted(0) == [False]


def test_a_ctrl_c_too_late_to_save_anything_still_ends_the_command(interrupts) -> None:
    told = []
    with pytest.raises(KeyboardInterrupt), stop_on_signal():
        told += interrupted(1)
    assert told == [True, True]  # and of a list of stages, the next is not begun


def test_a_ctrl_c_that_is_not_ours_stays_with_its_handler(interrupts) -> None:
    """A pool's workers ignore it, and Ray's mean by it that a task was cancelled."""
    seen: list[int] = []
    for handler in (signal.SIG_IGN, lambda number, frame: seen.append(number)):
        signal.signal(signal.SIGINT, handler)
        with stop_on_signal() as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop()
    assert seen == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_where_a_run_is_made_is_told_in_words() -> None:
    device = resolve("cpu", "fp32", 1)
    assert describe_device(device) == f"cpu ({device.facts()['hardware']}), precision fp32, threads 1"
