"""Scores of one set of predictions: what they survive, what they cost, how they are written."""

import json
import math
import tracemalloc

import numpy as np
import pytest

from augdistill.metrics import Scores, score
from augdistill.metrics.classification import log_softmax
from sampled import DISCRIMINATION, draw

LOGITS, GOOD, *_ = draw(7)


def test_without_a_validation_split_scaling_is_two_fold():
    found = score(*draw(3)[:2])
    assert found.scaling == "two-fold"
    assert len(found.arrays["scaling_temperatures"]) == 2
    assert found.scalars["nll_scaled"] != found.scalars["nll"]


def test_external_zeros_are_infinite_strictly_and_finite_clipped():
    logits, labels, _, human = draw(4)
    with np.errstate(divide="ignore"):
        logs = log_softmax(np.where(np.eye(5)[labels] > 0, -np.inf, logits))
    human = 0.9 * human + 0.1 * np.eye(5)[labels]
    found = score(logs, labels, human=human, external=True).scalars
    assert found["nll"] == found["human_ce"] == np.inf
    assert found["scaling_temperature"] == pytest.approx(
        1000
    )  # every label has a probability of 0: the best guess is none
    assert found["nll_scaled"] == pytest.approx(np.log(5), abs=0.03)
    assert math.isfinite(found["human_ce_scaled"])
    assert found["nll_zeros"] == found["human_zeros"] == len(labels)
    assert found["nll_clipped"] == pytest.approx(12 * np.log(10))
    assert 0 < found["human_ce_clipped"] < 12 * np.log(10)
    assert found["accuracy"] == 0
    assert math.isfinite(found["brier"])
    assert math.isfinite(found["ece_scaled"])
    assert math.isnan(found["logit_sd"])


def test_an_absent_class_leaves_cells_empty_and_the_others_filled():
    logits, labels, embeddings, human = draw(5)
    kept = labels != 2
    found = score(logits[kept], labels[kept], embeddings=embeddings[kept], human=human[kept])
    empty = {name for name, value in found.scalars.items() if math.isnan(value)}
    means = {"precision", "recall", "f1", "class_separability", "human_kl_diagonal", "human_kl_off_diagonal"}
    assert empty == means.union(*DISCRIMINATION)
    assert math.isnan(found.arrays["class_accuracy"][2])


@pytest.mark.parametrize("samples", [1, 3])
def test_a_collapsed_model_and_a_handful_of_samples_are_scored(samples):
    found = score(np.tile([0.5, 0.1, 0.2], (samples, 1)), np.arange(samples), embeddings=np.zeros((samples, 4)))
    assert found.scalars["accuracy"] == 1 / samples
    assert found.scalars["dimensions_dropped"] == 4
    assert math.isnan(found.scalars["discrimination_corrected"])
    assert math.isfinite(found.scalars["nll_scaled"])


def test_scores_are_written_as_strict_json():
    original = Scores(
        {"nll": math.inf, "f1": math.nan, "accuracy": 0.1 + 0.2, "gap": -math.inf},
        {"reliability": {"counts": [0, 3], "confidence": [math.nan, 0.5]}, "matrix": [[math.inf, 0.0]]},
        "validation",
    )
    text = json.dumps(original.to_json(), allow_nan=False)
    assert json.loads(text)["scalars"] == {"nll": "inf", "f1": None, "accuracy": 0.1 + 0.2, "gap": "-inf"}


@pytest.mark.parametrize("scale", [1e30, 1e300])
def test_huge_logits_are_certain_and_scaled_back(scale):
    found = score(scale * LOGITS, GOOD).scalars
    assert found["accuracy"] == score(LOGITS, GOOD).scalars["accuracy"]
    # From 1e30 on no temperature within 0.01 to 1000 helps: the hottest is the best.
    assert found["scaling_temperature"] == pytest.approx(1000)
    assert found["nll_scaled"] == pytest.approx(found["nll"] / 1000, rel=1e-12)


def test_nothing_is_minus_zero():
    labels = np.arange(40) % 4
    certain = np.eye(4)[labels] * 1e4
    found = score(certain, labels, human=np.eye(4)[labels], embeddings=certain, external=True).scalars
    assert found["nll"] == found["human_ce"] == found["human_kl"] == found["ece"] == 0
    assert [name for name, value in found.items() if value == 0 and math.copysign(1, value) < 0] == []


def test_no_metric_needs_classes_cubed():
    classes = samples = 400
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(samples, classes)), rng.permutation(classes)
    arguments = {"human": rng.dirichlet(np.ones(classes), samples), "embeddings": rng.normal(size=(samples, 8))}
    score(logits[:9], labels[:9])  # imports are not counted
    tracemalloc.start()
    try:
        score(logits, labels, validation=(logits, labels), external=True, **arguments)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 48e6, "400 x 400 x 400 would take 64 MB even as bytes, 512 MB in float64"


def test_no_matrix_of_samples_by_samples():
    logits, labels, embeddings, human = draw(8, samples=10_000, classes=10, dimensions=64)
    embeddings = embeddings.astype(np.float32)
    score(logits[:100], labels[:100])  # imports are not counted
    tracemalloc.start()
    try:
        score(logits, labels, embeddings=embeddings, human=human)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50e6, "a matrix of pairs would take 100 MB even as bytes"
