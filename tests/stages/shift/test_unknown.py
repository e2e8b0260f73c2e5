"""A model beside unknown images: areas recomputed from what is saved, and images made to fit."""

import json

import numpy as np
import pytest

from augdistill.base.errors import ConfigError, DataError
from augdistill.base.reading import read_arrays
from augdistill.config.jobs import ShiftConfig
from augdistill.config.shift import Unknown
from augdistill.data import digits
from augdistill.metrics.unknown import directions, known_scores, neighbour_scores, separation
from augdistill.stages import evaluation, names, shift, teacher
from augdistill.stages.shift import unknown
from core import teacher_config
from data_files import write_mnist

UNDER = Unknown(name="noise", images=15, reference=300, neighbours=0.01)


@pytest.mark.slow
def test_areas_are_those_of_the_saved_predictions(subjects):
    run = subjects["teacher"]
    outputs = str(run.path.parents[1])
    made = shift.run(ShiftConfig(run=run.path.name, outputs=outputs, under=UNDER))
    kept = read_arrays(made.path / "predictions.npz", "")
    assert kept["reference_embeddings"].shape[0] == 300
    assert len(kept["unknown_logits"]) == len(kept["unknown_embeddings"]) == 15
    own = evaluation.predictions(evaluation.run(names.evaluation_config(run.path.name, "digits", outputs)))
    found = json.loads((made.path / "metrics.json").read_text())["scalars"]
    logits = own["logits"][kept["rows"]]
    known, other = known_scores(logits), known_scores(kept["unknown_logits"])
    for score in known:
        assert found[f"auroc_{score}"] == separation(known[score], other[score])["auroc"]
    near = [
        neighbour_scores(some, kept["reference_embeddings"], 3)
        for some in (directions(own["embeddings"][kept["rows"]]).astype(np.float16), kept["unknown_embeddings"])
    ]
    assert found["fpr95_knn"] == separation(*near)["fpr95"]
    assert len(found) == 12


def test_images_of_the_known_classes_are_refused(subjects, tmp_path):
    run = subjects["teacher"]
    write_mnist(tmp_path, name="MNIST")
    under = UNDER.model_copy(update={"name": "mnist"})
    where = {"outputs": str(run.path.parents[1]), "root": str(tmp_path), "verify": False}
    with pytest.raises(DataError, match=r"unknown=mnist has the classes that .* knows \(0, 1, 2, \.\.\.\)"):
        shift.run(ShiftConfig(run=run.path.name, under=under, **where))


def test_images_are_made_to_fit():
    grey = np.full((2, 1, 28, 28), 100, dtype=np.uint8)
    assert np.array_equal(unknown.fitted(grey, (3, 32, 32)), np.full((2, 3, 32, 32), 100))
    colour = np.zeros((1, 3, 32, 32), dtype=np.uint8)
    colour[:, 0] = 100
    assert np.array_equal(unknown.fitted(colour, (1, 16, 16)), np.full((1, 1, 16, 16), 30))
    same = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
    assert np.array_equal(unknown.fitted(same, (3, 8, 8)), same)


def test_held_out_images_are_those_of_the_classes_left_out(tmp_path):
    run = teacher.run(teacher_config(tmp_path, "dataset.classes=[0,1,2,3,4,5,6]", "dataset.validation=0"))
    made = shift.run(ShiftConfig(run=run.path.name, outputs=str(tmp_path), under=Unknown(name="held-out")))
    whole = digits.read(tmp_path, "test", True)
    kept = read_arrays(made.path / "predictions.npz", "")
    assert len(kept["unknown_logits"]) == (whole.labels > 6).sum()
    assert kept["unknown_logits"].shape[1] == 7
    assert json.loads((made.path / "metrics.json").read_text())["scalars"].keys() >= {"auroc_energy", "fpr95_msp"}


def test_nothing_is_held_out_where_all_classes_are_known(subjects):
    run = subjects["teacher"]
    config = ShiftConfig(run=run.path.name, outputs=str(run.path.parents[1]), under=Unknown(name="held-out"))
    with pytest.raises(ConfigError, match=r"dataset=digits leaves no class out: .* dataset\.classes=\[0,1,2\]"):
        shift.run(config)
