"""A teacher from elsewhere is checked, named by its content, and teaches as any other does."""

import numpy as np
import pytest
import torch

from augdistill.base.errors import DataError, RequestError, RunError
from augdistill.config.checking import typed
from augdistill.config.commands import ImportTeacherCommand
from augdistill.stages import common, imported, outputs, parents, student
from augdistill.stages.classifier import load_model
from augdistill.store.evaluations import teacher_of
from augdistill.store.runs import RunStore
from command_line import assert_refused, files
from composed import compose
from core import TINY, student_config, weights

WORDS = [word for word in TINY if not word.startswith("teacher.")]


def command(outputs, *words):
    """Return the config of an import on the tiny digits."""
    return typed(ImportTeacherCommand, {**compose("import-teacher", *WORDS, *words), "outputs": str(outputs)})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An outputs folder, a ResNet18 of ours trained from labels, its weights and its logits on the training images."""
    place = tmp_path_factory.mktemp("imported")
    run = student.run(student_config(place / "outputs", "distillation.alpha=0", "student=lenet"))
    torch.save(weights(run), place / "lenet.pt")
    model = load_model(run)
    images = common.dataset_images(run.config)
    with torch.no_grad():
        logits = model(torch.from_numpy(np.array(images.images))).numpy()
    np.save(place / "logits.npy", logits)
    return place, run, logits


def test_weights_teach_as_they_did_where_they_were_made(made):
    place, _, logits = made
    found = imported.run(command(place / "outputs", "name=theirs", f"weights={place}/lenet.pt", "architecture=lenet"))
    assert found.path.name.startswith("teacher-digits-lenet-theirs-")
    assert found.imported_name == "theirs"
    assert "accuracy" in found.manifest.provenance.notes[-1]
    config = student_config(place / "outputs", "distillation.teacher=theirs")
    made_student = student.run(config)
    assert made_student.path.name.startswith("student-digits-lenet-theirs-s0-")
    assert teacher_of(made_student, RunStore(place / "outputs")).id == found.id
    with_teacher, run_of = parents.with_teacher(config, RunStore(place / "outputs"))
    stored = outputs.logits(with_teacher, outputs.run(with_teacher, run_of))
    assert np.abs(stored - logits).max() < 1e-4


def test_its_identity_is_its_content_whatever_its_name_and_file(made):
    place, _, _ = made
    first = imported.run(command(place / "outputs", "name=mine", f"predictions={place}/logits.npy"))
    np.savez(place / "again.npz", logits=np.load(place / "logits.npy"))
    again = imported.run(command(place / "outputs", "name=other", f"predictions={place}/again.npz"))
    assert again.id == first.id
    np.save(place / "scaled.npy", np.load(place / "logits.npy") * 2)
    taken = command(place / "outputs", "name=mine", f"predictions={place}/scaled.npy")
    with pytest.raises(RunError, match="name=mine is that of teacher-digits-outputs-mine-"):
        imported.run(taken)


def test_outputs_alone_teach_what_they_can(made):
    place, _, logits = made
    found = imported.run(command(place / "outputs", "name=mine", f"predictions={place}/logits.npy"))
    made_student = student.run(student_config(place / "outputs", "distillation.teacher=mine"))
    assert made_student.status == "finished"
    assert teacher_of(made_student, RunStore(place / "outputs")) is None
    stored = imported.stored_outputs(found, len(logits), 10)
    assert np.array_equal(stored, logits)
    asks = ["distillation.teacher=mine", "aug@student_aug=flip-crop"]
    student.run(student_config(place / "outputs", *asks, "distillation.view=clean"))
    for words, told in (
        (asks, "distillation.view=same asks mine about augmented images"),
        (["distillation.teacher=mine", "distillation.teacher_weights=untrained"], "are not known"),
        (["distillation.teacher=mine", "distillation.transform=rescale"], "give the s.d."),
    ):
        with pytest.raises(RequestError, match=told):
            student.run(student_config(place / "outputs", *words))
    with pytest.raises(RunError, match="known by its outputs alone"):
        load_model(found)


def test_a_teacher_that_is_no_better_than_chance_is_refused(made):
    place, _, logits = made
    np.save(place / "wrong.npy", np.roll(logits, 1, axis=1))
    before = files(place)
    with pytest.raises(DataError, match="no better than chance"):
        imported.run(command(place / "outputs", "name=bad", f"predictions={place}/wrong.npy"))
    assert files(place) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["name=x"], "one of weights=FILE and predictions=FILE"),
        (["weights=w.pt", "architecture=lenet"], "name"),
        (["name=x", "weights=w.pt"], "architecture"),
        (["name=x", "weights=w.pt", "architecture=lenet"], "is not a file"),
        (["name=x", "predictions=w.npy", "architecture=lenet"], "predictions have no weights"),
        (["name=x", "weights=w.pt", "architecture=torchvision/resnet1"], "unknown"),
    ],
)
def test_refused_in_one_line_with_nothing_written(words, told, run_here, tmp_path):
    ran = run_here(["import-teacher", *WORDS, f"outputs={tmp_path / 'outputs'}", *words], tmp_path)
    assert_refused(ran, told)
    assert not list(tmp_path.glob("outputs/runs/*"))
