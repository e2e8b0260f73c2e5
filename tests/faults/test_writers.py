"""However many processes are asked for the same run: one works, the others wait for it or say who has it."""

import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from augdistill.stages import names
from augdistill.store.identity import teacher_ref
from augdistill.store.runs import RunStore
from core import teacher_config
from faults.harness import Ended, documents, ended, job, start, wait_for_checkpoint, wait_for_log

Copied = Callable[[str], Path]
WORDS = ("aug=mixup", "optim.epochs=20")


def log_of_the_run(outputs: Path) -> str:
    (log,) = outputs.glob("runs/teacher-*-mixup-*/log")
    return log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 8])
def test_one_works_and_the_others_wait(count: int, copied: Copied) -> None:
    outputs = copied("outputs")
    work = job("teacher", teacher_config(outputs, *WORDS))
    children = [start(work, outputs / f"told{number}") for number in range(count)]
    assert [child.wait() for child in children] == [Ended(0, "")] * count
    assert log_of_the_run(outputs).count(": 137 images,") == 1
    assert len(documents(outputs)) == 5  # four were there before
    assert not list((outputs / "locks").glob("*.owner"))


@pytest.mark.parametrize("count", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_without_waiting_the_others_say_who_has_it(count: int, copied: Copied) -> None:
    outputs = copied("outputs")
    config = teacher_config(outputs, *WORDS)
    first = start(job("teacher", config), outputs / "told0")
    wait_for_log(outputs, ": 137 images,")
    assert first.process.pid is not None
    os.kill(first.process.pid, signal.SIGSTOP)  # or it may be done before the others look
    others = [start(job("teacher", config, wait=False), outputs / f"told{number}") for number in range(1, count)]
    for other in others:
        told = other.wait()
        assert told.code == 1, told
        (folder,) = (path.name for path in (outputs / "runs").glob("teacher-*-mixup-*"))
        whose = rf"{socket.gethostname()} pid {first.process.pid} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        assert re.fullmatch(rf"{re.escape(folder)} is held by {whose}: wait=true waits for it", told.told)
    os.kill(first.process.pid, signal.SIGCONT)
    assert first.wait() == Ended(0, "")
    assert log_of_the_run(outputs).count(": 137 images,") == 1


@pytest.mark.slow
def test_a_run_whose_process_is_stopped_is_still_held_and_one_whose_process_died_is_free(copied: Copied) -> None:
    outputs = copied("outputs")
    config = teacher_config(outputs, *WORDS, "runtime.checkpoint_every=0min")
    first = start(job("teacher", config), outputs / "told0")
    wait_for_checkpoint(outputs)
    pid = first.process.pid or 0
    os.kill(pid, signal.SIGSTOP)
    assert ended(job("teacher", config, wait=False), outputs / "told1").code == 1
    os.kill(pid, signal.SIGKILL)
    first.wait()
    held = RunStore(outputs).holder(teacher_ref(config, names.dataset_header(config).fingerprint))
    assert f"pid {pid} " in str(held)  # it had no time to say that it ended
    assert ended(job("teacher", config, wait=False), outputs / "told1") == Ended(0, "")
    assert "goes on from step" in log_of_the_run(outputs)
