"""python -m augdistill.stages: what it runs, what it tells of each job, what stops it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from augdistill.stages import __main__ as entry
from augdistill.store.documents import Manifest, Member
from augdistill.store.runs import Run
from core import teacher_values


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """A function that writes job files which do what it is given, by name, and returns their paths."""
    acts = {}

    def run_job(job: dict) -> Run:
        return acts[job["config"]["name"]]() or Run(tmp_path / "run", Manifest.model_construct(status="finished"))

    def write(also: dict | None = None, **named) -> list[str]:
        acts.update(named)
        for name in named:
            job = {"kind": "teacher", "config": {"outputs": str(tmp_path), "name": name}, **(also or {})}
            (tmp_path / f"{name}.json").write_text(json.dumps(job))
        return [str(tmp_path / f"{name}.json") for name in named]

    monkeypatch.setattr(entry, "run_job", run_job)
    return write


def told(folder: Path) -> dict[str, tuple[str, str]]:
    """Return the state and error that jobs told, by name."""
    files = {path.name.split(".")[0]: json.loads(path.read_text()) for path in folder.glob("*.state.json")}
    return {name: (state["state"], state["error"]) for name, state in files.items()}


def fails() -> None:
    raise ZeroDivisionError("of course")


def test_a_failure_is_told_and_the_next_job_runs(jobs, tmp_path):
    assert entry.main(jobs(bad=fails, good=lambda: None)) == 1
    assert told(tmp_path) == {"bad": ("failed", "ZeroDivisionError: of course"), "good": ("finished", "")}


def test_a_failure_that_nobody_waits_for_does_not_count(jobs, tmp_path):
    assert entry.main(jobs({"awaited": False}, bad=fails)) == 0
    assert told(tmp_path)["bad"][0] == "failed"


def test_a_diverged_run_counts_as_a_failure(jobs, tmp_path):
    assert entry.main(jobs(bad=lambda: Run(tmp_path, Manifest.model_construct(status="diverged")))) == 1
    assert told(tmp_path)["bad"][0] == "diverged"


def test_a_job_whose_parent_is_missing_is_blocked(jobs, tmp_path):
    paths = jobs({"needs": [["teacher", "0" * 64, "teacher-of-it"]]}, child=fails)
    assert entry.main(paths) == 1
    assert told(tmp_path) == {"child": ("blocked", "blocked by teacher-of-it")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_while_no_loop_listens_stops_before_the_next_job(number, jobs, tmp_path):
    before = signal.getsignal(number)
    assert entry.main(jobs(short=lambda: os.kill(os.getpid(), number), next=fails)) == 143
    assert told(tmp_path) == {"short": ("finished", "")}
    assert signal.getsignal(number) is before


def test_after_a_signal_what_had_finished_before_is_passed_over(jobs, tmp_path):
    """So that a job whose limit comes early ends where nothing is left to do, and is not queued again for ever."""
    paths = jobs(short=lambda: os.kill(os.getpid(), signal.SIGUSR1), done=fails)
    told = {"state": "finished", "error": "", "seconds": 1.0, "host": "node7"}
    (tmp_path / "done.state.json").write_text(json.dumps(told))
    assert entry.main(paths) == 0
    (tmp_path / "done.state.json").write_text('{"state": "finished"')
    assert entry.main(paths) == 143


def test_a_signal_that_a_stage_takes_also_ends_the_list(jobs, tmp_path):
    from augdistill.base.signals import stop_on_signal

    def takes() -> None:
        with stop_on_signal() as stop:
            assert not stop()
            os.kill(os.getpid(), signal.SIGUSR1)
            assert stop()

    assert entry.main(jobs(short=takes, next=fails)) == 143


@pytest.mark.parametrize("blocked", ["leader", "other"])
def test_a_bank_trains_those_whose_teachers_are_there_and_tells_of_each(blocked, jobs, tmp_path, monkeypatch):
    """The job of the first is that of all, whether or not its own teacher is there."""

    def run_bank(members: list[Member]) -> list[Run]:
        ends = [Manifest.model_construct(status=job.config["ends"]) for job in members]
        return [Run(tmp_path / job.folder, end) for job, end in zip(members, ends, strict=True)]

    monkeypatch.setattr(entry, "run_bank", run_bank)
    bank = []
    for number, (name, ends) in enumerate([("leader", "finished"), ("other", "finished"), ("third", "diverged")]):
        needs = [["teacher", "0" * 64, "teacher-of-it"]] if name == blocked else []
        job = {"kind": "student", "id": f"{number:064x}", "needs": needs}
        bank.append({**job, "folder": name, "config": {"outputs": str(tmp_path), "ends": ends}})
    (tmp_path / "leader.json").write_text(json.dumps({**bank[0], "bank": bank}))
    assert entry.main([str(tmp_path / "leader.json")]) == 1
    trained = {"leader", "other"} - {blocked}
    assert told(tmp_path) == {
        **dict.fromkeys(trained, ("finished", "")),
        blocked: ("blocked", "blocked by teacher-of-it"),
        "third": ("diverged", f"diverged: see {tmp_path / 'third' / 'log'}"),
    }


@pytest.mark.slow
def test_the_real_command_runs_a_teacher(tmp_path):
    job = {"kind": "teacher", "config": teacher_values(tmp_path / "outputs", "optim.epochs=1"), "needs": []}
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", "augdistill.stages", tmp_path / "job.json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert (Path(ran.stdout.strip()) / "manifest.json").is_file()
    assert told(tmp_path) == {"job": ("finished", "")}
