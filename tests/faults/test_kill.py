"""Killed at any moment, begun again, a run ends with the same bits as one that nobody disturbed."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from augdistill.config.jobs import ModelConfig
from core import STRATEGIES, student_config, teacher_config
from faults.harness import (
    EVERY_STEP,
    Ended,
    FailAt,
    Kills,
    ended,
    job,
    kill_until_finished,
    results,
    start,
    timed,
    wait_for_log,
)

EVERY = "runtime.checkpoint_every=0min"  # at every step: most of the time is spent in the middle of a write
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "teacher": ("teacher", ("aug=mixup",)),
    "same": ("student", ("aug=cutmix", "aug@student_aug=[flip-crop,cutmix]")),
    "clean": ("student", ("aug=cutmix", "aug@student_aug=mixup", "distillation.view=clean")),
    "independent": ("student", ("aug=cutmix", "aug@student_aug=flip-crop", "distillation.view=independent")),
    "control": ("student", ("aug=cutmix", "distillation.alpha=0")),
}
Copied = Callable[[str], Path]


def config_of(kind: str, outputs: Path, words: tuple[str, ...]) -> ModelConfig:
    make = teacher_config if kind == "teacher" else student_config
    return make(outputs, EVERY, *words)


def disturbed(
    kind: str,
    words: tuple[str, ...],
    copied: Copied,
    rng: random.Random,
    most: int,
    name: str,
    at_checkpoint: bool = False,
) -> Kills:
    """Kill one run up to `most` times, and compare all below its outputs with a run that nobody disturbed."""
    calm, outputs = copied(f"{name}-calm"), copied(name)
    seconds = timed(job(kind, config_of(kind, calm, words)), calm)
    counted = Kills()
    work = job(kind, config_of(kind, outputs, words))
    kill_until_finished(work, outputs, rng, seconds, counted, most, at_checkpoint)
    assert results(outputs) == results(calm)
    return counted


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_twenty_kills_change_nothing(case: str, copied: Copied) -> None:
    """At least four of each of five kinds of runs, some of them between its first checkpoint and its last."""
    kind, words = CASES[case]
    rng, counted, round = random.Random(case), Kills(), 0
    while counted.hit < 4 or (counted.half_way == 0 and round < 8):
        most, is_late = max(1, 4 - counted.hit), counted.hit >= 4
        more = disturbed(kind, words, copied, rng, most, f"{case}{round}", at_checkpoint=is_late)
        counted.hit, counted.half_way, round = counted.hit + more.hit, counted.half_way + more.half_way, round + 1
    assert counted.half_way > 0  # some kills left a checkpoint that was not the result: it did go on


def test_a_kill_changes_nothing(copied: Copied) -> None:
    rng = random.Random(0)
    hits = (disturbed(*CASES["clean"], copied, rng, 1, f"clean{round}").hit for round in range(8))
    assert any(hits)  # it may have ended before the kill


@pytest.mark.long
def test_two_hundred_kills_change_nothing(copied: Copied, tmp_path: Path) -> None:
    """Every strategy of a teacher and of a student, every view, with at least 200 kills that hit."""
    cases = [("teacher", (f"aug={aug}",)) for aug in STRATEGIES]
    cases += [("student", ("aug=cutmix", f"aug@student_aug={aug}")) for aug in STRATEGIES]
    cases += [CASES[name] for name in CASES]
    rng, counted, round = random.Random(0), Kills(), 0
    while counted.hit < 200:
        kind, words = cases[round % len(cases)]
        more = disturbed(kind, words, copied, rng, 12, f"run{round}")
        counted.hit, counted.half_way, round = counted.hit + more.hit, counted.half_way + more.half_way, round + 1
        print(f"{round} runs, {counted.hit} kills, {counted.half_way} of them half-way", flush=True)
    assert counted.half_way > 50


@pytest.mark.slow
@pytest.mark.parametrize("step", EVERY_STEP)
def test_a_kill_at_every_step_of_every_write_changes_nothing(step: int, copied: Copied) -> None:
    """Of a run's last writes: checkpoint, weights, probe, history, config, manifest, each flushed, renamed, flushed."""
    calm, outputs = copied("calm"), copied("killed")
    timed(job("teacher", teacher_config(calm, "optim.epochs=1")), calm)
    work, calls = job("teacher", teacher_config(outputs, "optim.epochs=1")), 0
    while (last := ended(work, outputs / "told", FailAt(calls + 1, error=None))).code == -signal.SIGKILL:
        calls += step
    assert last == Ended(0, "")
    assert calls >= 15
    assert results(outputs) == results(calm)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGUSR1, marks=pytest.mark.long)])
def test_a_signal_saves_at_the_next_step_and_exits_with_143(number: signal.Signals, copied: Copied) -> None:
    outputs, calm = copied("stopped"), copied("calm")
    words = ("aug=mixup", "optim.epochs=40", "runtime.checkpoint_every=60min")
    timed(job("teacher", teacher_config(calm, *words)), calm)
    work = job("teacher", teacher_config(outputs, *words))
    child = start(work, outputs / "told")
    wait_for_log(outputs, ": 137 images,")
    time.sleep(0.1)
    assert child.process.pid
    os.kill(child.process.pid, number)
    stopped = child.wait()
    assert stopped.code == 143
    assert "with everything saved: the same command goes on" in stopped.told
    assert ended(work, outputs / "told") == Ended(0, "")
    assert results(outputs) == results(calm)
    (log,) = outputs.glob("runs/teacher-*-mixup-*/log")
    assert "StoppedError: stopped at step" in log.read_text()
    assert "goes on from step" in log.read_text()
