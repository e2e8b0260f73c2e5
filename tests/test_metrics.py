"""The table of metrics, and `score`: what is in it, what it costs, what it survives."""

import json
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augdistill import metrics
from augdistill.errors import DataError
from augdistill.metrics import METRICS, Scores, log_softmax, score

DISCRIMINATION = [
    [f"{part}_{convention}" for part in ("cohesion", "adhesion", "discrimination")]
    for convention in ("corrected", "as_printed", "as_published")
]
ALWAYS = ["accuracy", "precision", "recall", "f1", "nll", "brier", "ece", "ece_gap", "mce", "mce_50", "ece_scaled"]
ALWAYS += ["nll_scaled", "scaling_temperature", *DISCRIMINATION[2], "class_separability", "logit_sd"]
HUMAN = ["human_ce", "human_kl", "human_entropy", "human_ce_scaled", "human_kl_diagonal", "human_kl_off_diagonal"]
EMBEDDINGS = [*DISCRIMINATION[0], *DISCRIMINATION[1], "dimensions", "dimensions_dropped"]
EXTERNAL = ["nll_clipped", "nll_zeros"]
ARRAYS = ["reliability", "scaling_temperatures", "class_accuracy", "confusion", "class_means"]


def draw(seed: int, samples: int = 300, classes: int = 5, dimensions: int = 12):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(classes), 2), rng.integers(0, classes, samples - 2 * classes)])
    logits = rng.normal(size=(samples, classes)) * 2 + 2 * np.eye(classes)[labels]
    human = rng.dirichlet(np.ones(classes) / 5, samples)
    embeddings = rng.normal(size=(classes, dimensions))[labels] + rng.normal(size=(samples, dimensions))
    return logits, labels, embeddings, human


def test_a_metric_appears_when_its_needs_are_met():
    logits, labels, embeddings, human = draw(0)
    assert set(score(logits, labels).scalars) == set(ALWAYS)
    assert set(score(logits, labels, human=human).scalars) == {*ALWAYS, *HUMAN}
    assert set(score(logits, labels, embeddings=embeddings).scalars) == {*ALWAYS, *EMBEDDINGS}
    assert set(score(logits, labels, external=True).scalars) == {*ALWAYS, *EXTERNAL}
    everything = score(logits, labels, embeddings=embeddings, human=human, external=True)
    assert list(everything.scalars) == list(METRICS)
    assert list(everything.arrays) == [*ARRAYS, "human_class_means", "human_kl_matrix"]
    assert all(isinstance(value, float) and math.isfinite(value) for value in everything.scalars.values())


def test_every_line_of_the_table_says_what_a_report_asks():
    assert len({metric.label for metric in METRICS.values()}) == len(METRICS)
    for metric in METRICS.values():
        assert metric.label
        assert metric.unit in ("", "share", "nats", "count")
        assert metric.better in ("higher", "lower", None)
        assert "labels" in metric.needs
        assert metric.needs <= {"labels", "embeddings", "human", "external"}
    assert METRICS["accuracy"].better == "higher"
    assert METRICS["ece"].better == "lower"
    assert METRICS["ece_gap"].better is None


def test_scores_are_those_of_the_functions():
    logits, labels, embeddings, human = draw(1)
    validation = draw(2)[:2]
    found = score(logits, labels, embeddings=embeddings, human=human, validation=validation, external=True)
    logs = log_softmax(logits)
    diagram = metrics.reliability(logs, labels)
    scaled = metrics.scale_predictions(logs, labels, validation)
    matrix = metrics.kl_matrix(metrics.class_means(human, labels, 5), metrics.class_means(np.exp(logs), labels, 5))
    floor = np.maximum(logs, np.log(1e-12))
    discrimination = {
        c: metrics.class_discrimination(np.exp(logs) if c == "as_published" else embeddings, labels, 5, c)
        for c in ("corrected", "as_printed", "as_published")
    }
    expected = dict(
        zip(("precision", "recall", "f1"), metrics.precision_recall_f1(logs, labels), strict=True),
        accuracy=metrics.accuracy(logs, labels),
        nll=metrics.nll(logs, labels),
        nll_clipped=metrics.nll(floor, labels),
        nll_zeros=0,
        brier=metrics.brier(logs, labels),
        ece=metrics.ece(diagram),
        ece_gap=metrics.signed_gap(diagram),
        mce=metrics.mce(diagram),
        mce_50=metrics.mce(diagram, 50),
        ece_scaled=metrics.ece(metrics.reliability(scaled.log_probabilities, labels)),
        nll_scaled=metrics.nll(scaled.log_probabilities, labels),
        scaling_temperature=scaled.temperature,
        human_ce=metrics.cross_entropy(human, logs),
        human_kl=metrics.kl(human, logs),
        human_entropy=metrics.entropy(human),
        human_ce_scaled=metrics.cross_entropy(human, scaled.log_probabilities),
        human_ce_clipped=metrics.cross_entropy(human, floor),
        human_zeros=0,
        human_kl_diagonal=np.trace(matrix) / 5,
        human_kl_off_diagonal=(matrix.sum() - np.trace(matrix)) / 20,
        dimensions=12,
        dimensions_dropped=0,
        class_separability=metrics.class_separability(np.exp(logs), labels),
        logit_sd=metrics.logit_sd(logits),
        **{f"{part}_{c}": getattr(d, part) for c, d in discrimination.items() for part in vars(d)},
    )
    assert found.scaling == "validation"
    assert found.scalars == pytest.approx(expected, abs=1e-12)
    assert found.arrays["confusion"] == metrics.confusion_matrix(logs, labels).tolist()
    assert found.arrays["class_accuracy"] == metrics.per_class_accuracy(logs, labels).tolist()
    assert found.arrays["reliability"]["counts"] == diagram.counts.tolist()
    assert list(found.arrays["reliability"]) == ["edges", "counts", "confidence", "accuracy"]
    assert found.arrays["human_kl_matrix"] == pytest.approx(matrix)
    assert found.arrays["class_means"] == pytest.approx(metrics.class_means(np.exp(logs), labels, 5))
    assert found.arrays["human_class_means"] == pytest.approx(metrics.class_means(human, labels, 5))
    assert found.arrays["scaling_temperatures"] == [scaled.temperature]


def test_without_a_validation_split_scaling_is_two_fold():
    found = score(*draw(3)[:2])
    assert found.scaling == "two-fold"
    assert len(found.arrays["scaling_temperatures"]) == 2
    assert found.scalars["nll_scaled"] != found.scalars["nll"]


@given(st.integers(0, 2**32), st.integers(2, 5))
@settings(max_examples=30)
def test_blind_to_order_of_samples_shift_of_logits_and_names_of_classes(seed, classes):
    logits, labels, embeddings, human = draw(seed, 40, classes)
    validation = draw(seed + 1, 40, classes)[:2]  # without it the folds depend on the order
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(40), rng.permutation(classes)
    back = np.argsort(names)
    changed = (logits + rng.normal(size=(40, 1)) * 10)[order][:, back]
    found = score(
        changed,
        names[labels][order],
        embeddings=embeddings[order],
        human=human[order][:, back],
        validation=(validation[0][:, back], names[validation[1]]),
    )
    expected = score(logits, labels, embeddings=embeddings, human=human, validation=validation)
    assert found.scalars == pytest.approx(expected.scalars, abs=1e-8, nan_ok=True)
    np.testing.assert_array_equal(found.arrays["confusion"], np.array(expected.arrays["confusion"])[back][:, back])


def test_external_zeros_are_infinite_strictly_and_finite_clipped():
    logits, labels, _, human = draw(4)
    with np.errstate(divide="ignore"):
        logs = log_softmax(np.where(np.eye(5)[labels] > 0, -np.inf, logits))
    human = 0.9 * human + 0.1 * np.eye(5)[labels]
    found = score(logs, labels, human=human, external=True).scalars
    assert found["nll"] == found["human_ce"] == found["nll_scaled"] == np.inf
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


def test_scores_survive_strict_json():
    original = Scores(
        {"nll": math.inf, "f1": math.nan, "accuracy": 0.1 + 0.2, "gap": -math.inf},
        {"reliability": {"counts": [0, 3], "confidence": [math.nan, 0.5]}, "matrix": [[math.inf, 0.0]]},
        "validation",
    )
    text = json.dumps(original.to_json(), allow_nan=False)
    assert json.loads(text)["scalars"] == {"nll": "inf", "f1": None, "accuracy": 0.1 + 0.2, "gap": "-inf"}
    back = Scores.from_json(json.loads(text))
    assert repr(back) == repr(original)


def test_scores_of_a_model_survive_strict_json():
    logits, labels, embeddings, _ = draw(6)
    original = score(logits[labels != 1], labels[labels != 1], embeddings=embeddings[labels != 1])
    back = Scores.from_json(json.loads(json.dumps(original.to_json(), allow_nan=False)))
    assert repr(back) == repr(original)
    assert "nan" in repr(back)


LOGITS, GOOD, _, _ = draw(7)


@pytest.mark.parametrize(
    ("logits", "labels", "more", "message"),
    [
        (LOGITS * np.nan, GOOD, {}, "NaN or infinite in 300 rows"),
        (LOGITS[:0], GOOD[:0], {}, "no samples"),
        (LOGITS, GOOD[:-1], {}, "300 integers from 0 to 4"),
        (LOGITS, GOOD + 1, {}, "300 integers from 0 to 4"),
        (LOGITS, GOOD, {"embeddings": LOGITS[1:]}, "299 embeddings for 300 predictions"),
        (LOGITS, GOOD, {"human": LOGITS[:, 1:]}, r"human labels of shape \(300, 4\); \(300, 5\)"),
    ],
)
def test_refuses_what_does_not_fit(logits, labels, more, message):
    with pytest.raises(DataError, match=message):
        score(logits, labels, **more)


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
