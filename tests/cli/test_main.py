"""The real command: every refused request gets one line and exit code 2, and leaves nothing new on disk."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from augdistill.cli.main import exit_code_of
from conftest import COMMAND
from data_files import write_cifar10

TINY = ["dataset=digits", "dataset.size=16", "teacher.width=4", "optim.epochs=1", "runtime.threads=1"]
TINY_STUDENT = ["dataset=digits", "dataset.size=16", "teacher.width=4", "teacher_optim.epochs=1", "optim.epochs=1"]

TESTBED = Path(__file__).parents[2] / "scripts" / "slurm-testbed"
LAUNCHERS = {  # Hydra's launchers, by the package that each needs
    "joblib": "hydra_plugins.hydra_joblib_launcher",
    "submitit_local": "hydra_plugins.hydra_submitit_launcher",
    "submitit_slurm": "hydra_plugins.hydra_submitit_launcher",
}

# words -> what the one line must say: what was wrong, and what is allowed or to be typed
REFUSED = {
    "trian-teacher": ["no such command", "did you mean train-teacher"],
    "train-teacher aug=cutmx": ["aug=cutmx", "did you mean cutmix", "flip-crop"],
    "train-teacher teacher.widht=8": ["teacher.widht", "did you mean teacher.width"],
    "train-teacher +teacher.depth=3": ["teacher.depth", "known here are name, width"],
    "train-teacher +sed=1": ["sed is not a config key", "did you mean seed"],
    "train-teacher aug=cutmix +aug.ops.cutmix.probs=1": ["aug.ops.cutmix.probs", "did you mean prob"],
    "train-teacher aug=cutmix aug.ops.cutmix.prob=2": ["aug.ops.cutmix.prob=2", "0 to 1"],
    "train-teacher optim.lr=-1": ["optim.lr=-1", "above 0"],
    "train-teacher optim.epochs=two": ["optim.epochs", "two"],
    "train-teacher optim.schedule=cosin": ["optim.schedule=cosin", "did you mean cosine"],
    "train-teacher seed=-1": ["seed=-1", "0 or more"],
    "train-teacher dataset=digits teacher.width=0": ["width=0", "1 to 1024"],
    "train-teacher runtime.precision=fp16": ["runtime.precision=fp16", "bf16"],
    "train-teacher word": ["word is not an override: write KEY=VALUE"],
    "study paper": ["paper is not an override (did you mean study=paper?)"],
    "distill lenet": ["did you mean student=lenet?"],
    "train-teacher --seed 3": ["--seed is no flag", "KEY=VALUE, as in seed=3"],
    "runs --wacth": ["--wacth is no flag (did you mean --watch?)"],
    "train-teacher aug=flip-crop,cutmix": ["aug=flip-crop,cutmix are", "add -m", "'aug=[flip-crop,cutmix]' is a list"],
    "train-teacher hydra/launcher=joblib": ["hydra/launcher", "add -m"],
    "train-teacher --experimental-rerun=config.pickle": ["pickle", "not allowed"],
    "train-teacher dataset=cinic10": ["test set", "cifar10"],
    "train-teacher dataset=as-trained": ["dataset=null is unknown: choose one of cifar10, "],
    "train-teacher dataset=cifar10": ["cifar-10-batches-py", "data_batch_1", "augdistill data fetch cifar10"],
    "train-teacher dataset=mnist": ["MNIST", "augdistill data fetch mnist"],
    "train-teacher dataset=image-folder": ["dataset.path"],
    "train-teacher dataset=digits dataset.size=4": ["dataset.size=4", "8 to 256"],
    "train-teacher dataset=digits teacher=alexnet dataset.size=8 teacher.dropout=1": ["dropout=1"],
    "train-teacher dataset=digits dataset.validation=100000": ["validation", "1,437"],
    "distill dataset=digits student=alexnet-small": ["25 x 25", "16 x 16", "dataset.size=32"],
    "distill distillation.alpha=1.5": ["distillation.alpha=1.5", "0 or more, at most 1"],
    "distill distillation.view=other": ["distillation.view=other", "independent"],
    "distill dataset=digits": ["is not there yet", "augdistill train-teacher dataset=digits aug=baseline"],
    "evaluate": ["no runs below", "augdistill train-teacher"],
    "evaluate run=nothing": ["no run is called nothing"],
    "evaluate run=22505397": ["no run is called 22505397"],
    "runs show 22e43682": ["no run is called 22e43682"],
    "runs outptus=x": ["outptus is not a key of runs (did you mean outputs?)"],
    "train-teacher aug=null": ["aug=null is unknown: choose one of baseline"],
    "train-teacher teacher=18": ["teacher=18 is unknown: choose one of alexnet"],
    "study study.margins.7=x study.7a=1": ["study.7a is not a config key"],
    "evaluate predictions=nothing.npz": ["which dataset", "dataset=cifar10"],
    "evaluate predictions=nothing.npz dataset=digits": ["nothing.npz is not a file"],
    "runs show": ["which run"],
    "runs show nothing": ["no run is called nothing"],
    "runs shwo": ["runs: action=shwo is unknown (did you mean show?): choose one of list, "],
    "runs list teachers": ["runs: kind=teachers is unknown (did you mean teacher?): choose one of teacher, "],
    "data fetch": ["fetch what"],
    "data fetch cifra10": ["cifra10", "did you mean cifar10"],
    "study study=quikstart": ["study=quikstart", "did you mean quickstart"],
    "study study.blocks=0": ["study.blocks=0", "1 or more"],
    "study study.dataset.size=16": ["25 x 25"],
    "study study=paper dataset.root=nowhere": ["nowhere/cifar-10-batches-py", "augdistill data fetch cifar10"],
    "study +study.block=2": ["study.block", "did you mean blocks"],
}
READS_DATA = ("dataset.validation=100000", "study.dataset.size=16")  # refused after the data were packed


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix not in (".lock", ".owner")}


def assert_refused(ran, *wanted: str) -> None:
    assert ran.code == 2, ran.stderr
    lines = [line for line in ran.stderr.strip().splitlines() if "once; kept in" not in line]
    assert len(lines) == 1, ran.stderr
    assert lines[0].startswith("augdistill ")
    for words in wanted:
        assert words in lines[0]


@pytest.mark.parametrize("words", REFUSED)
def test_refused_in_one_line_with_nothing_written(words, run_here, tmp_path):
    ran = run_here(words.split(), tmp_path)
    assert_refused(ran, *REFUSED[words])
    if not any(reading in words for reading in READS_DATA):
        assert files(tmp_path) == set()


def test_altered_batches_are_refused_unless_told(run_augdistill, tmp_path):
    write_cifar10(tmp_path / "data")
    before = files(tmp_path)
    ran = run_augdistill(["train-teacher"], tmp_path)
    assert_refused(ran, "data_batch_1", "dataset.verify=false")
    assert files(tmp_path) == before


@pytest.fixture
def outputs(tiny_study, tmp_path) -> Path:
    """A copy of the tiny study's outputs, to damage."""
    shutil.copytree(tiny_study, tmp_path / "outputs")
    return tmp_path / "outputs"


def teacher_folder(outputs: Path, aug: str = "baseline") -> Path:
    (found,) = (outputs / "runs").glob(f"teacher-digits-resnet18-{aug}-s0-*")
    return found


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["teacher_optim.epochs=2"], ["has another one", "add teacher_optim.epochs=1"]),
        (["teacher_seed=7"], ["not there yet", "seed=7", "optim.epochs=1", "teacher.width=4"]),
        (["dataset.size=20", "distillation.teacher=TEACHER"], ["trained on other data"]),
        (["distillation.teacher=STUDENT"], ["no teacher"]),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(words, wanted, outputs, run_here, tmp_path):
    (student,) = (outputs / "runs").glob("student-digits-lenet-labels-s0-*")
    teacher = teacher_folder(outputs)
    words = [word.replace("TEACHER", teacher.name).replace("STUDENT", student.name) for word in words]
    before = files(tmp_path)
    ran = run_here(["distill", *TINY_STUDENT, *words], tmp_path)
    assert_refused(ran, *wanted)
    assert files(tmp_path) == before


def test_an_unfinished_teacher_is_refused(outputs, run_here, tmp_path):
    folder = teacher_folder(outputs)
    (folder / "manifest.json").unlink()
    ran = run_here(["distill", *TINY_STUDENT, f"distillation.teacher={folder.name}"], tmp_path)
    assert_refused(
        ran, f"is unfinished: the command that made it goes on with it, augdistill runs remove {folder.name}"
    )


def test_a_damaged_teacher_is_refused(outputs, run_here, tmp_path):
    flip_byte(teacher_folder(outputs) / "weights.safetensors")
    before = files(tmp_path)
    ran = run_here(["distill", *TINY_STUDENT, "seed=9", "teacher_seed=0"], tmp_path)
    assert_refused(ran, "weights.safetensors is damaged", "augdistill runs remove")
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("arrays", "wanted"),
    [
        ({"logits": np.zeros((5, 10))}, ["5 rows", "360"]),
        ({"logits": np.zeros((360, 9))}, ["9 classes", "10"]),
        ({"logits": np.full((360, 10), np.nan)}, ["NaN"]),
        ({"probabilities": np.full((360, 10), 0.2)}, ["sum to 1"]),
        ({"probabilities": np.full((360, 10), 0.1), "labels": np.zeros(360, int)}, ["labels", "differ"]),
        ({"scores": np.zeros((360, 10))}, ["scores"]),
    ],
)
def test_predictions_that_are_none_are_refused(arrays, wanted, outputs, run_augdistill, tmp_path):
    np.savez(tmp_path / "theirs.npz", **arrays)
    before = files(tmp_path)
    ran = run_augdistill(["evaluate", "predictions=theirs.npz", "dataset=digits"], tmp_path)
    assert_refused(ran, *wanted)
    assert files(tmp_path) == before


def test_own_predictions_score_as_the_run_did(outputs, run_augdistill, tmp_path):
    (folder,) = (outputs / "runs").glob("evaluation-digits-test-teacher-digits-resnet18-cutmix-*")
    ran = run_augdistill(["evaluate", f"predictions={folder / 'predictions.npz'}", "dataset=digits"], tmp_path)
    assert ran.code == 0, ran.stderr
    listed = run_augdistill(["runs", "list", "evaluation"], tmp_path).stdout
    accuracy = next(line.split()[1] for line in listed.splitlines() if folder.name in line)
    assert f"{float(accuracy) / 100:.4f}" in ran.stdout
    assert "discrimination_corrected" in ran.stdout


def test_the_sweep_trains_each_and_goes_on_after_a_failure(run_augdistill, tmp_path):
    words = ["train-teacher", "-m", *TINY, "aug=baseline,mixup", "optim.lr=0.1,1e2"]
    ran = run_augdistill(words, tmp_path)
    runs = sorted(path.name for path in (tmp_path / "outputs/runs").iterdir())
    assert len(runs) == 4, ran.stderr
    assert len(list((tmp_path / "outputs/multirun").rglob("multirun.yaml"))) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}
    assert ran.code in (0, 1)
    assert ran.code == int("diverged" in ran.stderr)


def test_a_stopped_sweep_begins_no_other_job(tmp_path):
    words = ["train-teacher", "-m", *TINY, "optim.epochs=500", "seed=0,1"]
    with subprocess.Popen([COMMAND, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as sweep:
        assert sweep.stderr is not None
        next(line for line in sweep.stderr if "epoch 1/500" in line)
        sweep.send_signal(signal.SIGTERM)
        *_, last = sweep.communicate(timeout=60)[1].splitlines()
    assert sweep.returncode == 143
    assert re.fullmatch(r"augdistill train-teacher: stopped at step \d+ with everything saved: the same .*", last)
    (run,) = (tmp_path / "outputs/runs").iterdir()
    assert "-s0-" in run.name


def test_the_commands_of_the_readme_work_by_hand(run_augdistill, tmp_path):
    """train, distil, evaluate, list, show, remove: each finds what the one before made, and twice is once."""
    for words in (["train-teacher", *TINY, "aug=cutmix"], ["distill", *TINY_STUDENT, "aug=cutmix"], ["evaluate"]):
        first = run_augdistill(words, tmp_path)
        assert first.code == 0, first.stderr
        before = files(tmp_path)
        again = run_augdistill(words, tmp_path)
        assert (again.code, again.stdout, files(tmp_path)) == (0, first.stdout, before)
    listed = run_augdistill(["runs", "list", "student"], tmp_path)
    student = listed.stdout.split()[-1]
    assert student.startswith("student-digits-lenet-cutmix-s0-")
    assert "test_set" in run_augdistill(["runs", "show", evaluation_of(tmp_path, student)], tmp_path).stdout
    assert_refused(run_augdistill(["runs", "remove", student], tmp_path), "1 run came from")
    for name in (evaluation_of(tmp_path, student), student):
        assert run_augdistill(["runs", "remove", name], tmp_path).code == 0
    assert not (tmp_path / "outputs/runs" / student).exists()


def evaluation_of(folder: Path, run: str) -> str:
    (found,) = (folder / "outputs/runs").glob(f"evaluation-*-{run}-*")
    return found.name


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("train-teacher optim.lr=0.1,-2", "optim.lr=-2 is out of range"),
        ("train-teacher optim.lrr=0.1,2", "optim.lrr is not a config key (did you mean optim.lr?)"),
        ("train-teacher aug=cutmix,cutmx", "aug=cutmx is unknown (did you mean cutmix?)"),
        ("train-teacher dataset=digits dataset.size=16,4", "dataset.size=4"),
        ("train-teacher dataset=cifar10 seed=0,1", "augdistill data fetch cifar10"),
        ("distill dataset=digits student=lenet,alexnet-small", "25 x 25"),
        ("distill dataset=digits seed=0,1", "is not there yet"),
        ("evaluate run=22505397,22e43682", "no run is called 22505397"),
        ("evaluate predictions=a.npz,b.npz dataset=digits", "a.npz is not a file"),
        ("study study=tiny executor.workers=1,0", "executor.workers=0"),
    ],
)
def test_a_sweep_with_a_refused_job_leaves_nothing_behind(words, wanted, tmp_path, monkeypatch, capsys):
    command, *rest = words.split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr("sys.argv", ["augdistill"])
    assert exit_code_of(command, [command, "-m", *rest]) == 2
    assert wanted in capsys.readouterr().err
    assert files(tmp_path) == set()


@pytest.mark.parametrize(("launcher", "plugin"), LAUNCHERS.items())
def test_a_sweep_through_a_launcher_is_refused_whole_or_runs_all(launcher, plugin, run_augdistill, tmp_path):
    """Two jobs elsewhere; one that is refused keeps both from starting, and leaves nothing behind."""
    pytest.importorskip(plugin, reason=f"pip install {plugin.rpartition('.')[2].replace('_', '-')}")
    if (
        launcher == "submitit_slurm"
        and subprocess.run([TESTBED, "status"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no SLURM here: scripts/slurm-testbed start")
    words = ["train-teacher", "-m", *TINY, f"hydra/launcher={launcher}"]
    assert_refused(run_augdistill([*words, "seed=0,-1"], tmp_path), "seed=-1 is out of range")
    assert files(tmp_path) == set()
    ran = run_augdistill([*words, "seed=0,1"], tmp_path)
    assert ran.code == 0, ran.stderr
    assert len(list((tmp_path / "outputs/runs").glob("teacher-*-s[01]-*/manifest.json"))) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}
