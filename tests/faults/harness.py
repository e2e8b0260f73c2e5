"""Real stages in processes of their own, into which faults are injected, and what came of them.

The processes are forked from one that has imported torch, so that a fault costs tenths of a second. Each is the leader
of a group of its own and is killed as a group, as a scheduler, the kernel or a loss of power would: with no warning.
"""

import csv
import errno
import json
import logging
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from augdistill.base.errors import AugdistillError, as_work_error
from augdistill.executors.local import PRELOAD
from augdistill.store.runs import RunStore
from core import checkpoint_weights, checkpoints, same, unfinished, weights

MADE_ANEW = ("config.yaml", "history.csv")  # hold the folder's name and the time that an epoch took
IMPORTED = [*PRELOAD, "torch._dynamo", "sympy"]  # the last two for the first optimizer, for seconds
EVERY_STEP = [pytest.param(1, marks=pytest.mark.long), 4]  # a write has three: 4 meets each of them in turn
LIMIT = 120  # seconds that a process may take here; none comes near it

Fault = Callable[[], None]
Work = Callable[[], None]


@dataclass
class Child:
    """A process that works, and where it tells what went wrong."""

    process: BaseProcess
    told: Path

    def wait(self) -> "Ended":
        """Return how it ended."""
        self.process.join(LIMIT)
        assert self.process.exitcode is not None, "it hangs"
        return Ended(self.process.exitcode, self.told.read_text() if self.told.exists() else "")

    def kill(self, after: float) -> bool:
        """Kill the process and all that it started `after` so many seconds; return whether it was still at work."""
        self.process.join(after)
        if self.process.exitcode is not None:
            return False
        try:
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        except ProcessLookupError:  # it leads no group yet
            self.process.kill()
        return self.wait().code == -signal.SIGKILL


@dataclass
class Ended:
    """How a process ended: its exit code (negative: by which signal), and the one line that it told."""

    code: int
    told: str


def start(work: Work, told: Path, fault: Fault | None = None) -> Child:
    """Begin to work in a process of its own, with a fault put into it first."""
    context = get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=perform, args=(work, told, fault))
    process.start()
    return Child(process, told)


def ended(work: Work, told: Path, fault: Fault | None = None) -> Ended:
    """Work in a process of its own until it ends."""
    told.unlink(missing_ok=True)
    return start(work, told, fault).wait()


def perform(work: Work, told: Path, fault: Fault | None) -> None:
    """Lead a group, put the fault in, and work; exit as the command would, telling its one line."""
    os.setsid()
    logging.getLogger("augdistill").setLevel(logging.INFO)
    logging.getLogger("augdistill").addHandler(logging.NullHandler())
    for module in IMPORTED:  # there already, unless another test began the fork server
        import_module(module)
    if fault is not None:
        fault()
    try:
        with as_work_error():
            work()
    except AugdistillError as error:
        told.write_text(str(error))
        sys.exit(error.exit_code)
    except BaseException:
        told.write_text(traceback.format_exc())
        os._exit(99)


def job(kind: str, config: Any, wait: bool = True) -> Work:
    """Return what runs one teacher, student or evaluation."""
    return partial(run_stage, {"kind": kind, "config": config.plain(), "wait": wait})


def run_stage(planned: dict[str, Any]) -> None:
    """Run one teacher, student or evaluation."""
    from augdistill.stages import run_job

    run_job(planned)


@dataclass
class FailAt:
    """A shim around what the one write function asks of the system: from the n-th call on, or at it, a fault.

    Each write asks three times: to flush the file, to rename it, to flush its folder. `error` None kills the process
    there.
    """

    call: int
    error: int | None = errno.EIO

    def __call__(self) -> None:
        calls = iter(range(1, 10**9))

        def shimmed(real: Callable[..., Any]) -> Callable[..., Any]:
            def shim(*arguments: Any) -> Any:
                if next(calls) == self.call:
                    if self.error is None:
                        os.kill(os.getpid(), signal.SIGKILL)
                    raise OSError(self.error, os.strerror(self.error or 0))
                return real(*arguments)

            return shim

        for name in ("fsync", "replace"):
            setattr(os, name, shimmed(getattr(os, name)))


def results(outputs: Path) -> dict[str, Any]:
    """Return all that every run below a folder came to: status, its files' checksums, its history without times."""
    found = {}
    for run in RunStore(outputs).all():
        files = {name: digest for name, digest in run.manifest.files.items() if name not in MADE_ANEW}
        assert RunStore(outputs).damage(run.path) == []
        found[run.path.name] = (run.status, files, history(run.path))
    return found


def history(run: Path) -> list[dict[str, str]]:
    """Return a run's history without its time column, nothing for a run that has none."""
    if not (run / "history.csv").is_file():
        return []
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(float(row.pop("images_per_second")) > 0 for row in rows)
    return rows


@dataclass
class Kills:
    """What a number of kills came to: how many hit, and how many left a checkpoint that was not yet the result."""

    hit: int = 0
    half_way: int = 0


def kill_until_finished(
    work: Work,
    outputs: Path,
    rng: random.Random,
    seconds: float,
    counted: Kills,
    most: int,
    at_checkpoint: bool = False,
) -> None:
    """Begin the same work again and again, killed at a random moment of its `seconds`, until it ends by itself.

    With `at_checkpoint` it is killed as soon as it has one, wherever in its time that is on a busy machine.

    After `most` kills it is left alone. Raises AssertionError if it ends otherwise than by itself or by the kill.
    """
    left: list[Any] = []
    for _ in range(most):
        child = start(work, outputs / "told")
        if at_checkpoint:
            wait_for_checkpoint_of(child, outputs)
        if not child.kill(after=0 if at_checkpoint else rng.uniform(0.2, 1) * seconds):
            break
        counted.hit += 1
        left += [checkpoint_weights(path) for path in newest_checkpoint(outputs)]
    last = ended(work, outputs / "told")
    assert last == Ended(0, ""), last
    finals = [weights(run) for run in RunStore(outputs).all() if run.kind in ("teacher", "student")]
    counted.half_way += sum(not any(same(state, final) for final in finals) for state in left)


def wait_for_checkpoint_of(child: Child, outputs: Path) -> None:
    """Wait until the one unfinished run has a checkpoint, or the process that makes it has ended."""
    wait_until(lambda: bool(newest_checkpoint(outputs)) or not child.process.is_alive(), "it neither saves nor ends")


def newest_checkpoint(outputs: Path) -> list[Path]:
    """Return the newest checkpoint of the one unfinished run, if there is one."""
    try:
        return checkpoints(unfinished(outputs))[-1:]
    except (ValueError, FileNotFoundError):  # killed before there was any run
        return []


def timed(work: Work, outputs: Path) -> float:
    """Work undisturbed and return the seconds that it took, a second time being no work."""
    began = time.monotonic()
    last = ended(work, outputs / "told")
    assert last == Ended(0, ""), last
    return time.monotonic() - began


def documents(outputs: Path) -> list[dict[str, Any]]:
    """Return every manifest below a folder."""
    return [json.loads(path.read_text()) for path in sorted(outputs.glob("runs/*/manifest.json"))]


def wait_for_log(outputs: Path, words: str) -> None:
    """Wait until the log of an unfinished run has these words."""

    def is_said() -> bool:
        logs = [path / "log" for path in (outputs / "runs").iterdir() if not (path / "manifest.json").exists()]
        return any(words in log.read_text() for log in logs if log.exists())

    wait_until(is_said, f"no run says {words}")


def wait_for_checkpoint(outputs: Path) -> None:
    """Wait until the one unfinished run has a checkpoint."""
    wait_until(lambda: bool(newest_checkpoint(outputs)), "no run has a checkpoint")


def wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    """Look every 20 ms; AssertionError with what to say where it does not hold within ten minutes."""
    deadline = time.monotonic() + 600
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)
