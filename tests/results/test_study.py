"""A study as it lies on disk: its runs by arm, predictions, histories, and what is damaged."""

import shutil

import numpy as np
import pytest

import saved_studies
from augdistill.base.errors import RunError
from augdistill.results.study import SavedStudy, is_predicted


def test_the_design_is_read_off_the_plan(saved, controls):
    assert (saved.teacher, saved.students, saved.base) == ("resnet9", ["lenet", "alexnet-small"], "baseline")
    assert saved.models == [("teacher", "resnet9"), ("student", "lenet"), ("student", "alexnet-small")]
    assert (saved.blocks, saved.test_set, saved.test_sets) == (2, "digits-test", ["digits-test"])
    assert saved.variants == [""]
    assert len(controls.variants) == 7
    assert saved.meta["claims"] == saved.design.claims
    assert not saved.has_own_claims


def test_healthy_runs_are_found_by_arm(saved, controls):
    assert [place.block for place in saved.plain("student", "lenet", "mixup")] == [0, 1]
    assert [place.block for place in saved.plain("student", "lenet", "cutmix")] == [0]  # the other one diverged
    assert [place.block for place in saved.plain("student", "alexnet-small", "mixup")] == [1]  # one collapsed
    assert [place.block for place in saved.plain("control", "lenet", "labels")] == [1]  # one is missing
    assert len([*controls.of("student", "lenet", "mixup", "baseline", "optim.lr_factor=0.5")]) == 2


def test_what_a_run_got_right_is_what_its_logits_say(saved):
    place = next(saved.plain("student", "lenet", "mixup"))
    correct = saved.correct(place.folder, "digits-test")
    accuracy = saved.results.query("run == @place.folder and metric == 'accuracy' and test_set == 'digits-test'").value
    assert correct.shape == (saved_studies.IMAGES,)
    assert correct.mean() == pytest.approx(accuracy.item())
    assert saved.correct(place.folder, "mnist-test") is None
    assert saved.arrays(place, "mnist-test") is None
    confusion = np.array(saved.arrays(place, "digits-test")["confusion"])
    assert np.trace(confusion) / confusion.sum() == pytest.approx(correct.mean())


def test_histories_have_a_row_for_each_epoch(saved):
    place = next(saved.plain("student", "lenet", "mixup"))
    rows = saved.history(place)
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert [row["kd"] for row in rows] == pytest.approx([8, 4, 8 / 3, 2])  # as saved_studies wrote them
    lost = next(place for place in saved.places if place.status == "missing")
    assert saved.history(lost) == []


@pytest.mark.parametrize(
    ("name", "values", "fits"),
    [
        ("labels", np.array([0, 1, 2]), True),
        ("labels", np.array([0, 1, 3]), False),
        ("labels", np.array([0.0, 1.0, 2.0]), False),
        ("logits", np.zeros((3, 3)), True),
        ("logits", np.zeros((3, 4)), False),
        ("logits", np.full((3, 3), np.nan), False),
        ("embeddings", np.zeros((3, 7)), True),
        ("embeddings", np.zeros((4, 7)), False),
        ("embeddings", np.zeros(3), False),
    ],
)
def test_predictions_are_what_their_name_says(name, values, fits):
    assert is_predicted(name, values, rows=3, classes=3) == fits


def test_predictions_of_another_shape_are_refused(saved, tmp_path):
    shutil.copytree(saved.store.outputs, tmp_path / "outputs")
    copied = SavedStudy.load(saved.name, tmp_path / "outputs")
    place, other = copied.plain("student", "lenet", "mixup")
    assert copied.correct(place.folder, "digits-test") is not None
    path = copied.evaluation(other.folder, "digits-test").path / "predictions.npz"
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{name: array[:-1] for name, array in arrays.items()})
    with pytest.raises(RunError, match=r"predictions\.npz"):
        copied.correct(other.folder, "digits-test")
