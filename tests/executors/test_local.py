"""The local pool: what it runs, what a failure stops, what a killed worker costs, what is found again."""

import errno
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from augdistill.base.errors import WorkError
from augdistill.cli import commands
from augdistill.executors import local
from augdistill.store.runs import RunStore
from augdistill.study.plan import Plan
from composed import changed, composed
from conftest import COMMAND
from plans import need_too_much_once, plan_of, tell_device, wait_while_others_die
from tiny import EXECUTOR, bad_teacher, manifests, tiny_plan, training_workers


def test_every_worker_sees_one_device(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "devices", lambda plan: ["1", "GPU-5"])
    monkeypatch.chdir(tmp_path)
    plan = plan_of({str(n): (str(n - 5),) if n % 10 > 4 else () for n in range(50)})
    results = local.run(plan, RunStore(tmp_path), EXECUTOR, tell_device)
    assert {outcome.status for outcome in results.outcomes.values()} == {"finished"}
    seen = [Path(stage.id).read_text() for stage in plan.stages]
    assert seen[:2] == ["1", "GPU-5"]
    assert set(seen) == {"1", "GPU-5"}


def test_a_finished_study_is_found_whole(tiny_study):
    plan = tiny_plan(tiny_study)
    results = local.run(plan, RunStore(tiny_study), EXECUTOR)
    assert results.found == {stage.id for stage in plan.stages}
    assert not results.outcomes


@pytest.mark.slow
def test_a_failing_stage_stops_only_what_needs_it(tmp_path):
    plan = bad_teacher(tmp_path)
    bad = next(stage for stage in plan.stages if stage.kind == "teacher" and stage.arm["teacher_aug"] == "cutmix")
    results = local.run(plan, RunStore(tmp_path), EXECUTOR)
    assert set(results.failed) == {bad.id}
    blocked = {stage.folder.split("-")[0] for stage in plan.stages if stage.id in results.blocked}
    assert blocked == {"outputs", "student", "evaluation"}
    finished = [name for name in manifests(tmp_path) if name.startswith(("teacher", "student"))]
    assert len(finished) == 3  # the other teacher, its student, the control


@pytest.mark.slow
def test_a_diverged_teacher_is_not_repeated_and_teaches_nobody(tmp_path):
    words = ("study.teacher.optim.lr=900", "study.teacher.optim.epochs=2", "study.aug=[baseline]")
    plan = tiny_plan(tmp_path, *words)
    first = local.run(plan, RunStore(tmp_path), EXECUTOR)
    (teacher,) = (stage for stage in plan.stages if stage.kind == "teacher")
    assert first.outcomes[teacher.id].status == "diverged"
    assert not first.failed
    again = local.run(plan, RunStore(tmp_path), EXECUTOR)
    assert not again.outcomes
    assert set(again.blocked) == set(first.blocked) != set()
    with pytest.raises(WorkError, match=f"^{len(first.blocked)} not run for want of others: the same command goes on"):
        commands.study(composed(tmp_path, "study=tiny", *words))


@pytest.mark.slow
def test_a_killed_worker_costs_a_retry_only(tmp_path):
    """SIGKILL to a worker in the middle of the study: the same results as an undisturbed run."""
    words = [COMMAND, "study", "study=tiny", "study.teacher.optim.epochs=6", f"outputs={tmp_path}"]
    study = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (workers := training_workers(tmp_path)):
        time.sleep(0.02)
    os.kill(workers[0], signal.SIGKILL)
    _, stderr = study.communicate(timeout=300)
    assert study.returncode == 0, stderr
    assert "its worker was lost (killed, or out of memory); trying again" in stderr
    assert len([name for name in manifests(tmp_path) if name.startswith("teacher")]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM])
def test_a_stopped_study_goes_on_to_the_same_results(number, tmp_path, tiny_study):
    words = [COMMAND, "study", "study=tiny", f"outputs={tmp_path}"]
    study = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a job in the background has none
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not training_workers(tmp_path):
        time.sleep(0.02)
    os.killpg(study.pid, number)
    _, stderr = study.communicate(timeout=120)
    assert study.returncode == (130 if number == signal.SIGINT else 143), stderr
    assert "Traceback" not in stderr
    repeated = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert repeated.returncode == 0, repeated.stderr
    mine, theirs = manifests(tmp_path), manifests(tiny_study)
    assert mine.keys() == theirs.keys()
    for name, manifest in mine.items():
        if name.startswith(("teacher", "student")):
            assert manifest["files"]["weights.safetensors"] == theirs[name]["files"]["weights.safetensors"]


@pytest.mark.slow
def test_workers_end_when_the_study_is_killed(tmp_path):
    words = [COMMAND, "study", "study=tiny", "study.teacher.optim.epochs=50", f"outputs={tmp_path}"]
    study = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (workers := training_workers(tmp_path)):
        time.sleep(0.02)
    study.kill()
    study.wait()
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in workers):
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def told_plan(tmp_path: Path, names: str) -> Plan:
    """Return a plan of stages without parents that tell in files that they ran; the first waits for all others."""
    plan = plan_of(dict.fromkeys(names, ()))
    told = {name: str(tmp_path / name) for name in names}
    for stage in plan.stages:
        waits_for = [told[name] for name in names[1:]] if stage.id == names[0] else []
        stage.config.plain().update(told=told[stage.id], outputs=str(tmp_path), waits_for=waits_for)
    return plan


@pytest.mark.parametrize("retries", [0, 1])
def test_a_stage_that_runs_out_of_memory_is_tried_again(retries: int, tmp_path, caplog):
    plan, executor = told_plan(tmp_path, "a"), changed(EXECUTOR, {"workers": 1, "retries": retries})
    results = local.run(plan, RunStore(tmp_path), executor, need_too_much_once)
    assert results.outcomes["a"].status == ("finished" if retries else "failed")
    assert any("lost teacher-a: out of memory" in line for line in caplog.messages) == (retries == 1)


def test_a_lost_worker_is_not_held_against_the_stages_beside_it(tmp_path, caplog):
    """Two workers are lost beside the first stage, which saved each time: with one retry all finish."""
    plan = told_plan(tmp_path, "abc")
    results = local.run(plan, RunStore(tmp_path), EXECUTOR, wait_while_others_die)
    assert {id: outcome.status for id, outcome in results.outcomes.items()} == dict.fromkeys("abc", "finished")
    assert sum(line.startswith("lost teacher-a: its worker was lost") for line in caplog.messages) == 2


def test_a_temporary_folder_with_a_long_path_is_passed_over_for_sockets(tmp_path, monkeypatch):
    """A socket's path has 108 bytes at most, and a job's TMPDIR on a cluster often more."""
    chosen = []
    monkeypatch.setattr(local, "get_temp_dir", lambda: chosen.append(tempfile.gettempdir()))
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    local.sockets_in_a_short_folder()
    assert chosen == ["/tmp"]
    assert tempfile.gettempdir() == str(deep)  # for all else
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    local.sockets_in_a_short_folder()
    assert chosen == ["/tmp"]  # multiprocessing's own choice is good


def test_without_any_short_folder_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/no/" + "d" * 90)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: (_ for _ in ()).throw(PermissionError(dir)))
    with pytest.raises(WorkError, match=r"TMPDIR=/no/d+ is too long .* at most 75 characters, as in TMPDIR=/tmp"):
        local.sockets_in_a_short_folder()


def test_semaphores_that_cannot_be_made_name_their_folder(monkeypatch):
    def refused(*arguments: object, **more: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(local, "ProcessPoolExecutor", refused)
    with pytest.raises(WorkError, match=r"/dev/shm, which cannot be written \(Read-only file system\): mount it"):
        local.new_pool(1, local.CPU)
