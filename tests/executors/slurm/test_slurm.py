"""executor=slurm: what is asked of SLURM, what its jobs do at signals, and studies on a real SLURM with faults.

The tests on a real one need `scripts/slurm-testbed start`; elsewhere they are skipped and say so.
"""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from augdistill.base.errors import ConfigError, RequestError
from augdistill.config.checking import check_group
from augdistill.config.executors import Local, Slurm
from augdistill.executors import chosen, local, slurm
from augdistill.executors.slurm import queues
from augdistill.executors.slurm.arrays import Array, ArrayTask
from augdistill.store.runs import RunStore
from augdistill.study.plan import Plan, make_plan
from composed import changed, study
from conftest import COMMAND
from plans import stage
from tiny import bad_teacher, is_without_the_bad_teachers_student

SLURMD = "^slurmd$"  # the test bed's, by its command line
TESTBED = Path(__file__).parents[3] / "scripts" / "slurm-testbed"
EXECUTOR = Slurm(name="slurm", poll_seconds=1)
LONGER = ("study=tiny", "study.teacher.optim.epochs=100")  # longer than SLURM takes to preempt, half a minute alone
FLAGS = [  # of every submission
    "sbatch",
    "--parsable",
    "--job-name=study-00-teacher",
    "--array=0-1",
    "--output=/out/slurm/logs/%x-%a.log",
    "--open-mode=append",
    "--export=ALL",
    "--nodes=1",
    "--ntasks=1",
    "--cpus-per-task=2",
]
COMES_BACK = ["--requeue", "--signal=B:USR1@60"]
SCRIPT = [str(slurm.SCRIPT), sys.executable, "/out/slurm/study-00-teacher.tasks", "50"]


def array(**how) -> Array:
    jobs = {index: [stage(f"{index}", (), threads=2)] for index in range(2)}
    return Array("study-00-teacher", "teacher", jobs, **how)


def asked(found: Array, **resources) -> list[str]:
    executor = changed(EXECUTOR, {f"teacher.{key}": value for key, value in resources.items()})
    return slurm.arguments(found, {"first": "17", "second": "18"}, Path("/out/slurm"), executor)


def test_what_sbatch_is_asked_for():
    assert asked(array()) == [*FLAGS, "--time=240", *COMES_BACK, "--kill-on-invalid-dep=yes", *SCRIPT]
    wanted = {
        "gpus": 1,
        "mem_gb": 1.5,
        "minutes": 30,
        "partition": "gpu",
        "sbatch": {"account": "me", "exclusive": True},
    }
    assert asked(array(), **wanted) == [
        *FLAGS,
        "--gres=gpu:1",
        "--mem=1536M",
        "--time=30",
        "--partition=gpu",
        *COMES_BACK,
        "--kill-on-invalid-dep=yes",
        "--account=me",
        "--exclusive",
        *SCRIPT,
    ]


def test_what_an_array_waits_for():
    assert "--dependency=aftercorr:17" in asked(array(aligned="first"))
    both = asked(array(after=(ArrayTask("first", 3), ArrayTask("second", 0))))
    assert "--dependency=afterok:17_3:18_0" in both
    assert "--dependency=afterany:17_0" in asked(array(after=(ArrayTask("first", 0),), is_bank=True))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pack": 0}, "executor.pack=0"),
        ({"detach": "yes"}, "executor.detach=yes"),
        ({"bank": 0}, "executor.bank=0"),
        ({"teacher": {"minutes": 1}}, "executor.teacher.minutes=1"),
        ({"teacher": {"gpus": None}}, "executor.teacher.gpus=null"),
        ({"student": {"mem": 4}}, "executor.student.mem is not a config key"),
        ({"student": {"sbatch": "--exclusive"}}, "executor.student.sbatch"),
    ],
)
def test_values_that_cannot_be_are_refused(changed, words):
    values = EXECUTOR.plain()
    nested = {kind: {**values[kind], **changed.get(kind, {})} for kind in ("teacher", "student")}
    with pytest.raises(ConfigError, match=words):
        check_group("executor", {**values, **changed, **nested})


def test_fewer_cores_than_threads_are_refused():
    with pytest.raises(ConfigError, match=r"executor.teacher.cpus=1 .* 2 or more"):
        slurm.enough_cpus(stage("a", (), threads=2), changed(EXECUTOR, {"teacher.cpus": 1}))


def test_without_slurm_the_request_is_refused(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RequestError, match="sbatch"):
        chosen(EXECUTOR)


SAVES = """
import pathlib, signal, sys, time
def save(number, frame):
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    time.sleep(1)
    sys.exit(143)
time.sleep(1)
signal.signal(signal.SIGTERM, save)
pathlib.Path(sys.argv[0]).with_name("words").write_text(" ".join(sys.argv[1:]))
signal.signal(signal.SIGUSR1, save)
time.sleep(60)
"""


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("signals", "restarts", "requeued"),
    [
        ((signal.SIGUSR1,), 0, True),  # its time limit comes
        ((signal.SIGUSR1,), 3, False),  # as often as it may
        ((signal.SIGTERM,), 0, False),  # whoever sent it says what comes next
        ((signal.SIGUSR1, signal.SIGTERM), 0, False),  # cancelled while it saves
    ],
)
def test_a_job_queues_itself_again_at_its_time_limit_alone(signals, restarts, requeued, tmp_path):
    """The script that SLURM runs, with a Python that takes a second to save, and an scontrol that notes."""
    programs = {"python": f"#!{sys.executable}\n{SAVES}", "scontrol": f'#!/bin/bash\necho "$@" >{tmp_path}/asked\n'}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "study.tasks").write_text("0 other\n5 one:trained.with-it two\n")
    numbers = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "5", "SLURM_RESTART_COUNT": str(restarts)}
    environment = {**os.environ, **numbers, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words = ["bash", slurm.SCRIPT, tmp_path / "python", tmp_path / "study.tasks", "3"]
    job = subprocess.Popen(words, env=environment)
    if signal.SIGUSR1 not in signals:
        wait_for(tmp_path / "words")
    for number in signals:
        time.sleep(0.3)  # so that USR1 comes before the Python listens
        job.send_signal(number)
        wait_for(tmp_path / "words")
    assert job.wait(timeout=60) == 143
    assert (tmp_path / "words").read_text().split() == [
        "-P",
        "-m",
        "augdistill.stages",
        f"{tmp_path}/jobs/one.json",
        f"{tmp_path}/jobs/two.json",
    ]
    assert (tmp_path / "asked").exists() == requeued
    if requeued:
        assert (tmp_path / "asked").read_text() == "requeue 12_5\n"


@pytest.fixture(scope="module")
def testbed() -> None:
    """A SLURM that takes jobs."""
    if subprocess.run([TESTBED, "status"], capture_output=True, check=False).returncode:
        pytest.skip("no SLURM here: scripts/slurm-testbed start")


def slurm_plan(outputs: Path, *overrides: str) -> Plan:
    return make_plan(study(outputs, *overrides))


def results(outputs: Path) -> dict[str, object]:
    """Return what the runs of a study are, by folder: identity, status, and the checksums of weights and numbers."""
    found = {}
    for path in (outputs / "runs").glob("*/manifest.json"):
        manifest = json.loads(path.read_text())
        made = {name: sha for name, sha in manifest["files"].items() if name not in ("history.csv", "config.yaml")}
        found[path.parent.name] = (manifest["id"], manifest["status"], made)
    return found


def submissions(outputs: Path) -> list[str]:
    return sorted(path.name for path in outputs.glob("studies/*/slurm/*.tasks"))


@pytest.mark.slow
def test_a_study_is_submitted_once_and_gives_the_same_results_as_here(testbed, tiny_study, run_augdistill, tmp_path):
    words = ["study", "study=tiny", "executor=slurm"]
    detached = run_augdistill([*words, "executor.detach=true"], tmp_path)
    assert detached.code == 0, detached.stderr
    assert "12 stages in the queue" in detached.stdout
    outputs = tmp_path / "outputs"
    first = submissions(outputs)
    assert len(first) == 3
    assert stat.S_IMODE((outputs / "studies/tiny/slurm").stat().st_mode) == 0o700
    shown = run_augdistill([*words, "dry_run=true"], tmp_path)
    states = set(shown.stdout.splitlines()[0].split()) - {"all"}
    assert states <= {"queued", "running", "finished"} != {"finished"}
    waited = slurm.run(slurm_plan(outputs, "study=tiny"), RunStore(outputs), EXECUTOR)
    assert not waited.failed
    assert not waited.blocked
    assert submissions(outputs) == first
    assert results(outputs) == results(tiny_study)


@pytest.mark.slow
def test_a_bank_is_one_job_that_trains_without_the_students_of_a_teacher_that_failed(testbed, tmp_path):
    plan = bad_teacher(tmp_path)
    results = slurm.run(plan, RunStore(tmp_path), changed(EXECUTOR, {"bank": 3}))
    folders = {stage.id: stage.folder for stage in plan.stages}
    is_without_the_bad_teachers_student(tmp_path, [folders[id] for id in results.blocked])
    _, bank = submissions(tmp_path)
    (line,) = (tmp_path / "studies" / "tiny" / "slurm" / bank).read_text().splitlines()
    assert [word.split("-")[0] for word in line.split(":")[:3]] == ["0 student", "student", "student"]


@pytest.mark.long
def test_a_thousand_stages_take_one_submission(testbed, tiny_study, tmp_path):
    """Their runs are found when their jobs begin, so that what is measured is the way there and back."""
    plan, store = slurm_plan(tmp_path, "study=tiny", "study.aug=[]", "study.blocks=500"), RunStore(tmp_path)
    held = changed(EXECUTOR, {"student.sbatch": {"hold": True}, "pack": 250, "detach": True})
    began = time.monotonic()
    assert slurm.run(plan, store, held).queued == 1000
    submitted = time.monotonic()
    manifests = [json.loads(path.read_text()) for path in tiny_study.glob("runs/*labels*/manifest.json")]
    kinds = {manifest["kind"]: {key: manifest[key] for key in manifest if key != "checksum"} for manifest in manifests}
    for found in plan.stages:
        store.folder(found.ref).mkdir(parents=True)
        (store.folder(found.ref) / "manifest.json").write_text(json.dumps({**kinds[found.kind], "id": found.id}))
    (array,) = (Path(name).stem for name in submissions(tmp_path))
    published = time.monotonic()
    subprocess.run(["scontrol", "release", queues.queue()[ArrayTask(array, 0)].number], check=True)
    assert not slurm.run(plan, store, EXECUTOR).failed
    while any(job.live for place, job in queues.queue().items() if place.array == array):
        time.sleep(1)
    told = [json.loads(path.read_text()) for path in tmp_path.glob("studies/tiny/slurm/jobs/*.state.json")]
    assert [state["state"] for state in told] == ["finished"] * 1000
    seconds = {"submit": submitted - began, "run": time.monotonic() - published}
    seconds["in stages"] = sum(state["seconds"] for state in told)
    print({what: round(number, 1) for what, number in seconds.items()})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, object]:
    return undisturbed_results(tmp_path_factory.mktemp("undisturbed"))


def undisturbed_results(outputs: Path, *more: str) -> dict[str, object]:
    """Return the results of the longer study from the local pool."""
    local.run(slurm_plan(outputs, *LONGER, *more), RunStore(outputs), Local(name="local"))
    return results(outputs)


def longer(outputs: Path, *more: str) -> "subprocess.Popen[str]":
    """Start the longer study on SLURM, waiting, and return when a teacher has trained for some seconds."""
    words = [COMMAND, "study", *LONGER, "executor=slurm", "executor.poll_seconds=1", f"outputs={outputs}", *more]
    study = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not any("epoch 3/" in log for log in logs(outputs)):
        time.sleep(0.2)
    return study


def logs(outputs: Path) -> list[str]:
    return [path.read_text() for path in outputs.glob("studies/tiny/slurm/logs/*teacher-0.log")]


def ended(study: "subprocess.Popen[str]", seconds: float = 900) -> str:
    """Wait for a study and return what it told on stderr, its exit code in front."""
    _, stderr = study.communicate(timeout=seconds)
    return f"{study.returncode}\n{stderr}"


def first_job(outputs: Path) -> str:
    """Return SLURM's number of the first teacher's job."""
    jobs = queues.queue()
    (name,) = (Path(tasks).stem for tasks in submissions(outputs) if tasks.endswith("teacher.tasks"))
    return f"{jobs[ArrayTask(name, 0)].number}_0"


def requeue(outputs: Path) -> None:
    subprocess.run(["scontrol", "requeue", first_job(outputs)], check=True)


def preempt(outputs: Path) -> None:
    cores = str(os.cpu_count())
    words = ["sbatch", "--partition=urgent", "--cpus-per-task", cores, "--output=/dev/null", "--wrap", "sleep 1"]
    subprocess.run(words, check=True, capture_output=True)


def restart_slurmd(outputs: Path) -> None:
    kill(SLURMD)
    time.sleep(2)
    subprocess.run(["slurmd"], check=True)


def lose_node(outputs: Path) -> None:
    """End slurmd and all that it runs, as a node does that loses power; then it comes back."""
    kill(rf"{SLURMD}|^slurmstepd: |{outputs}/studies/tiny/slurm/")
    subprocess.run(["slurmd"], check=True)


def kill(pattern: str) -> None:
    subprocess.run(["pkill", "-KILL", "-f", pattern], check=True)


@pytest.mark.long
@pytest.mark.parametrize("fault", [requeue, preempt, restart_slurmd, lose_node])
def test_faults_cost_time_alone(fault: Callable[[Path], None], testbed, undisturbed, tmp_path):
    study = longer(tmp_path)
    fault(tmp_path)
    told = ended(study)
    assert told.startswith("0\n"), told
    assert len(submissions(tmp_path)) == 3
    assert results(tmp_path) == undisturbed
    if fault in (requeue, preempt):
        assert logs(tmp_path)[0].count(": 1437 images,") == 2  # began twice, and went on
        assert logs(tmp_path)[0].count("epoch 2/") == 1


@pytest.mark.long
def test_a_job_at_its_time_limit_goes_on(testbed, tmp_path):
    """It is told 95 seconds before two minutes have passed, which a teacher of so many epochs needs more than."""
    more = ("study.aug=[baseline]", "study.teacher.optim.epochs=240")
    told = ended(longer(tmp_path / "slurm", *more, "executor.teacher.minutes=2", "executor.warn_seconds=95"))
    assert told.startswith("0\n"), told
    (log,) = logs(tmp_path / "slurm")
    assert log.count(": 1437 images,") >= 2
    assert log.count("epoch 2/") == 1
    assert results(tmp_path / "slurm") == undisturbed_results(tmp_path / "here", *more)


@pytest.mark.long
def test_a_cancelled_teacher_blocks_its_students_and_comes_back_with_the_same_command(testbed, undisturbed, tmp_path):
    study = longer(tmp_path)
    subprocess.run(["scancel", first_job(tmp_path)], check=True)
    told = ended(study)
    assert told.startswith("1\n"), told
    assert "its job was cancelled" in told
    assert told.count("blocked ") == 4  # evaluation and outputs of the teacher, its student, the student's evaluation
    again = ended(longer(tmp_path))
    assert again.startswith("0\n"), again
    assert results(tmp_path) == undisturbed


@pytest.mark.long
def test_jobs_outlive_the_command_that_submitted_them(testbed, undisturbed, tmp_path):
    study = longer(tmp_path)
    study.send_signal(signal.SIGKILL)
    study.communicate()
    first = submissions(tmp_path)
    plan = slurm_plan(tmp_path, *LONGER)
    assert not slurm.run(plan, RunStore(tmp_path), EXECUTOR).failed
    assert submissions(tmp_path) == first
    assert results(tmp_path) == undisturbed
