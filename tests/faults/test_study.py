"""A study killed at any moment, with all of its workers, and begun again ends as one that nobody disturbed."""

import os
import random
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from augdistill.stages import run_job
from augdistill.store.runs import RunStore
from composed import composed, planned
from conftest import COMMAND
from faults.harness import Ended, Kills, ended, kill_until_finished, results


def run_stages(values: dict[str, Any]) -> None:
    """Plan a study and run what is not there yet, one stage after another, as the pool's workers do."""
    plan = planned(values)
    plan.save(Path(values["outputs"]) / "studies" / plan.name)
    for stage in plan.stages:
        assert run_job(stage.job).id == stage.id


def tiny(outputs: Path) -> dict[str, Any]:
    outputs.mkdir(exist_ok=True)
    return composed(outputs, "study=tiny", "study.runtime.checkpoint_every=0min")


@pytest.mark.slow
@pytest.mark.parametrize("kills", [6, pytest.param(20, marks=pytest.mark.long)])
def test_kills_of_a_study_change_nothing(kills: int, tiny_study: Path, tmp_path: Path) -> None:
    calm, outputs, rng, counted = tmp_path / "calm", tmp_path / "outputs", random.Random(0), Kills()
    shutil.copytree(tiny_study / "cache", outputs / "cache")
    shutil.copytree(tiny_study / "cache", calm / "cache")
    began = time.monotonic()
    assert ended(partial(run_stages, tiny(calm)), tmp_path / "told") == Ended(0, "")
    seconds = time.monotonic() - began
    while counted.hit < kills:  # on a machine that has become faster a study may end after a few
        shutil.rmtree(outputs / "runs", ignore_errors=True)
        most = kills - counted.hit
        kill_until_finished(partial(run_stages, tiny(outputs)), outputs, rng, seconds / 3, counted, most)
        assert results(outputs) == results(calm)
    expected = results(tiny_study)  # made by the command, in its pool
    assert {name: found[1] for name, found in results(outputs).items()} == {
        name: found[1] for name, found in expected.items()
    }


def killed_study(words: list[Any], after: float) -> bool:
    """Run the command for so many seconds, then kill all that it started; return whether it was still at work."""
    study = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        study.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(study.pid, signal.SIGKILL)
    return study.wait() == -signal.SIGKILL


@pytest.mark.long
def test_twenty_kills_of_the_command_change_nothing(tiny_study: Path, tmp_path: Path) -> None:
    """Command, pool and workers die at once. Each time it is given longer, so that it gets further than before."""
    words = [COMMAND, "study", "study=tiny", f"outputs={tmp_path}", "study.runtime.checkpoint_every=0min"]
    rng, hit = random.Random(0), 0
    began = time.monotonic()
    subprocess.run([*words[:3], f"outputs={tmp_path / 'calm'}"], check=True, capture_output=True)
    seconds = time.monotonic() - began
    while hit < 20:
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        while killed_study(words, rng.uniform(0.3, 1) * seconds):
            hit += 1
        ran = subprocess.run(words, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert results(tmp_path).keys() == results(tiny_study).keys()
        assert {name: found[:2] for name, found in results(tmp_path).items()} == {
            name: found[:2] for name, found in results(tiny_study).items()
        }
    print(f"{hit} kills of the command")
    assert not list((tmp_path / "locks").glob("*.owner"))
    assert len(RunStore(tmp_path).all()) == len(results(tiny_study))
