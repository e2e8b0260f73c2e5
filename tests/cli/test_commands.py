"""What the commands that compose do by hand, and which teachers and predictions they refuse."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from command_line import TINY, assert_refused, files
from data_files import write_cifar10

TINY_STUDENT = ["dataset=digits", "dataset.size=16", "teacher.width=4", "teacher_optim.epochs=1", "optim.epochs=1"]


@pytest.mark.slow
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
    of_the_study = ["teacher_optim.batch_size=128", "teacher_seed=0"]
    ran = run_here(["distill", *TINY_STUDENT, "seed=9", *of_the_study], tmp_path)
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


@pytest.mark.slow
def test_the_commands_of_the_readme_work_by_hand(run_augdistill, run_here, tmp_path):
    """train, distil, evaluate, list, show, remove: each finds what the one before made, and twice is once."""
    for words in (["train-teacher", *TINY, "aug=cutmix"], ["distill", *TINY_STUDENT, "aug=cutmix"], ["evaluate"]):
        first = run_augdistill(words, tmp_path)
        assert first.code == 0, first.stderr
        before = files(tmp_path)
        again = run_here(words, tmp_path)
        assert (again.code, again.stdout, files(tmp_path)) == (0, first.stdout, before)
    listed = run_here(["runs", "list", "student", "format=json"], tmp_path)
    (student,) = (row["run"] for row in json.loads(listed.stdout))
    assert student.startswith("student-digits-lenet-cutmix-s0-")
    assert "test_set" in run_here(["runs", "show", evaluation_of(tmp_path, student)], tmp_path).stdout
    assert_refused(run_here(["runs", "remove", student], tmp_path), "1 run came from")
    for name in (evaluation_of(tmp_path, student), student):
        assert run_here(["runs", "remove", name], tmp_path).code == 0
    assert not (tmp_path / "outputs/runs" / student).exists()


def evaluation_of(folder: Path, run: str) -> str:
    (found,) = (folder / "outputs/runs").glob(f"evaluation-*-{run}-*")
    return found.name


def test_evaluate_goes_past_a_run_that_cannot_be_evaluated(outputs, run_here, tmp_path) -> None:
    runs = outputs / "runs"
    for folder in runs.glob("evaluation-*"):
        shutil.rmtree(folder)
    bad, *good = sorted(path.name for kind in ("teacher", "student") for path in runs.glob(f"{kind}-*"))
    flip_byte(runs / bad / "weights.safetensors")
    ran = run_here(["evaluate"], tmp_path)
    assert ran.code == 1
    assert f"{bad} on digits cannot be evaluated: " in ran.stderr
    assert ran.stderr.rstrip().endswith("1 evaluation could not be made; all others are there")
    evaluated = {path.name for path in runs.glob("evaluation-*")}
    for name in good:
        assert any(name.rpartition("-")[0] in folder for folder in evaluated), name
    assert not any(bad.rpartition("-")[0] in folder for folder in evaluated)
