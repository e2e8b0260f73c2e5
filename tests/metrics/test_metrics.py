"""The table of metrics, and `score`: what is in it, what it costs, what it survives."""

import json
import math
import tracemalloc
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augdistill import metrics
from augdistill.base.errors import DataError
from augdistill.metrics import METRICS, Scores, Teacher, due, score, score_against_humans
from augdistill.metrics.classification import log_softmax
from augdistill.metrics.entry import Need

DISCRIMINATION = [
    [f"{part}_{convention}" for part in ("cohesion", "adhesion", "discrimination")]
    for convention in ("corrected", "as_printed", "as_published")
]
ALWAYS = ["accuracy", "precision", "recall", "f1", "nll", "brier", "ece", "ece_gap", "mce", "mce_50", "ece_scaled"]
ALWAYS += ["nll_scaled", "scaling_temperature", *DISCRIMINATION[2], "class_separability", "logit_sd"]
ALWAYS += [f"label_information_{temperature}" for temperature in (1, 2, 4, 10, 20)]
HUMAN = ["human_ce", "human_kl", "human_entropy", "human_ce_scaled", "human_kl_diagonal", "human_kl_off_diagonal"]
EMBEDDINGS = [*DISCRIMINATION[0], *DISCRIMINATION[1], "dimensions", "dimensions_dropped"]
EXTERNAL = ["nll_clipped", "nll_zeros"]
FIDELITY = ["teacher_agreement", "teacher_kl", "teacher_kl_at_temperature"]
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
    teacher = Teacher(draw(1)[0], 4.0)
    assert set(score(logits, labels, teacher=teacher).scalars) == {*ALWAYS, *FIDELITY}
    everything = score(logits, labels, embeddings=embeddings, human=human, teacher=teacher, external=True)
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
        assert metric.needs <= set(get_args(Need))
        assert metric.digits >= 0
        assert not metric.percent or metric.unit == "share"
    assert METRICS["accuracy"].better == "higher"
    assert METRICS["ece"].better == "lower"
    assert METRICS["ece_gap"].better is None


def test_scores_are_those_of_the_functions():
    logits, labels, embeddings, human = draw(1)
    validation = draw(2)[:2]
    teacher = Teacher(draw(3)[0], 4.0)
    sources = {"embeddings": embeddings, "human": human, "validation": validation, "teacher": teacher}
    found = score(logits, labels, **sources, external=True)
    logs = log_softmax(logits)
    diagram = metrics.calibration.reliability(logs, labels)
    scaled = metrics.calibration.scale_predictions(logs, labels, validation)
    matrix = metrics.human.kl_matrix(
        metrics.human.class_means(human, labels, 5), metrics.human.class_means(np.exp(logs), labels, 5)
    )
    floor = np.maximum(logs, np.log(1e-12))
    discrimination = {
        c: metrics.latent.class_discrimination(np.exp(logs) if c == "as_published" else embeddings, labels, 5, c)
        for c in ("corrected", "as_printed", "as_published")
    }
    expected = dict(
        zip(("precision", "recall", "f1"), metrics.classification.precision_recall_f1(logs, labels), strict=True),
        accuracy=metrics.classification.accuracy(logs, labels),
        nll=metrics.classification.nll(logs, labels),
        nll_clipped=metrics.classification.nll(floor, labels),
        nll_zeros=0,
        brier=metrics.classification.brier(logs, labels),
        ece=metrics.calibration.ece(diagram),
        ece_gap=metrics.calibration.signed_gap(diagram),
        mce=metrics.calibration.mce(diagram),
        mce_50=metrics.calibration.mce(diagram, 50),
        ece_scaled=metrics.calibration.ece(metrics.calibration.reliability(scaled.log_probabilities, labels)),
        nll_scaled=metrics.classification.nll(scaled.log_probabilities, labels),
        scaling_temperature=scaled.temperature,
        human_ce=metrics.human.cross_entropy(human, logs),
        human_kl=metrics.human.kl(human, logs),
        human_entropy=metrics.human.entropy(human),
        human_ce_scaled=metrics.human.cross_entropy(human, scaled.log_probabilities),
        human_ce_clipped=metrics.human.cross_entropy(human, floor),
        human_zeros=0,
        human_kl_diagonal=np.trace(matrix) / 5,
        human_kl_off_diagonal=(matrix.sum() - np.trace(matrix)) / 20,
        dimensions=12,
        dimensions_dropped=0,
        class_separability=metrics.latent.class_separability(np.exp(logs), labels),
        logit_sd=metrics.teacher.logit_sd(logits),
        **{f"label_information_{t}": metrics.teacher.label_information(logits, t) for t in (1, 2, 4, 10, 20)},
        teacher_agreement=metrics.teacher.agreement(logits, teacher.logits),
        teacher_kl=metrics.teacher.teacher_student_kl(logits, teacher.logits),
        teacher_kl_at_temperature=metrics.teacher.teacher_student_kl(logits, teacher.logits, 4.0),
        **{f"{part}_{c}": getattr(d, part) for c, d in discrimination.items() for part in vars(d)},
    )
    assert found.scaling == "validation"
    assert found.scalars == pytest.approx(expected, abs=1e-12)
    assert found.arrays["confusion"] == metrics.classification.confusion_matrix(logs, labels).tolist()
    assert found.arrays["class_accuracy"] == metrics.classification.per_class_accuracy(logs, labels).tolist()
    assert found.arrays["reliability"]["counts"] == diagram.counts.tolist()
    assert list(found.arrays["reliability"]) == ["edges", "counts", "confidence", "accuracy"]
    assert found.arrays["human_kl_matrix"] == pytest.approx(matrix)
    assert found.arrays["class_means"] == pytest.approx(metrics.human.class_means(np.exp(logs), labels, 5))
    assert found.arrays["human_class_means"] == pytest.approx(metrics.human.class_means(human, labels, 5))
    assert found.arrays["scaling_temperatures"] == [scaled.temperature]


def test_what_saved_evaluations_hold_is_what_their_sources_give():
    logits, labels, embeddings, human = draw(0)
    teacher = Teacher(draw(1)[0], 4.0)
    assert due({"labels", "outputs"}) == list(score(logits, labels, outputs=True).scalars)
    full = score(logits, labels, embeddings=embeddings, teacher=teacher)
    assert due({"labels", "embeddings", "teacher"}) == list(full.scalars)
    against = score_against_humans(logits, labels, human)
    assert due({"labels", "human"}) == list(against.scalars) == HUMAN
    assert set(against.arrays) == {"human_class_means", "human_kl_matrix"}
    everything = score(logits, labels, human=human)
    assert against.scalars == {name: everything.scalars[name] for name in HUMAN}


def test_a_metric_of_what_is_asked_for_alone_and_of_outputs_alone(monkeypatch):
    logits, labels, *_ = draw(0)
    assert list(score(logits, labels, only=["ece", "accuracy", "human_ce"]).scalars) == ["accuracy", "ece"]
    of_outputs = replace(METRICS["accuracy"], needs=frozenset({"labels", "outputs"}))
    monkeypatch.setitem(METRICS.own, "of_outputs", of_outputs)
    assert "of_outputs" not in score(logits, labels).scalars
    found = score(logits, labels, outputs=True).scalars
    assert found["of_outputs"] == found["accuracy"]


@pytest.mark.parametrize("shape", [(300,), (299, 5), (300, 4)])
def test_a_teacher_of_other_images_or_classes_is_refused(shape):
    logits, labels, *_ = draw(0)
    with pytest.raises(DataError, match=r"teacher's logits of shape .*\(300, 5\) is needed"):
        score(logits, labels, teacher=Teacher(np.zeros(shape), 4.0))


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


LOGITS, GOOD, EMBEDDED, ANSWERS = draw(7)
VALIDATION = (LOGITS, GOOD)


def replaced(array, row, value):
    changed = array.copy()
    changed[row] = value
    return changed


@pytest.mark.parametrize(
    ("logits", "labels", "more", "message"),
    [
        (LOGITS * np.nan, GOOD, {}, "logits: NaN or infinite in 300 rows"),
        (LOGITS[:0], GOOD[:0], {}, "no samples"),
        (LOGITS[:, :0], GOOD, {}, r"logits: shape \(300, 0\); one row for each"),
        (LOGITS[:, :1], GOOD, {}, "logits: 1 columns; one for each class, 2 or more, is needed"),
        (LOGITS[0], GOOD, {}, r"logits: shape \(5,\); one row for each"),
        (LOGITS.astype(complex), GOOD, {}, "logits: values of type complex128; real numbers"),
        (LOGITS.astype(object), GOOD, {}, "logits: values of type object; real numbers"),
        (LOGITS > 0, GOOD, {}, "logits: values of type bool; real numbers"),
        ([*LOGITS.tolist()[:-1], [1.0]], GOOD, {}, "logits: no array of numbers can be made of it"),
        (LOGITS, GOOD[:-1], {}, "logits: 300 rows; the dataset has 299 samples"),
        (LOGITS, GOOD + 1, {}, r"labels must be whole numbers from 0 to 4; \d+ of 300 are not, first row \d+ with 5"),
        (LOGITS, replaced(GOOD, 3, -1), {}, "labels must be .* 1 of 300 are not, first row 3 with -1"),
        (LOGITS, replaced(GOOD.astype(float), 7, np.nan), {}, "labels must be .* 1 of 300 .* first row 7 with nan"),
        (LOGITS, GOOD + 0.5, {}, "labels must be .* 300 of 300 are not, first row 0 with 0.5"),
        (LOGITS, GOOD.astype(str), {}, "labels: values of type <U21; real numbers"),
        (LOGITS, GOOD > 0, {}, "labels: values of type bool; real numbers"),
        (LOGITS, np.eye(5)[GOOD], {}, r"labels: shape \(300, 5\); one number for each sample"),
        (
            LOGITS,
            replaced(GOOD.astype(np.uint64), 0, 2**63),
            {},
            "labels must be .* row 0 with 9223372036854775808",
        ),
        (LOGITS, GOOD, {"embeddings": EMBEDDED[1:]}, "embeddings: 299 rows; the dataset has 300 samples"),
        (
            LOGITS,
            GOOD,
            {"embeddings": replaced(EMBEDDED, 9, np.nan)},
            "embeddings: NaN or infinite in 1 rows, .* row 9",
        ),
        (LOGITS, GOOD, {"embeddings": replaced(EMBEDDED, 8, -np.inf)}, "embeddings: NaN or infinite in 1 rows"),
        (LOGITS, GOOD, {"embeddings": EMBEDDED[:, 0]}, r"embeddings: shape \(300,\)"),
        (LOGITS, GOOD, {"human": ANSWERS[:, 1:]}, r"human labels of shape \(300, 4\); \(300, 5\)"),
        (LOGITS, GOOD, {"human": replaced(ANSWERS, 2, np.nan)}, "human labels: NaN or infinite in 1 rows, first row 2"),
        (
            LOGITS,
            GOOD,
            {"human": ANSWERS * 51},
            "human labels: 300 rows do not sum to 1 .* 51; counts are",
        ),
        (
            LOGITS,
            GOOD,
            {"human": replaced(ANSWERS, 4, [1.5, -0.5, 0, 0, 0])},
            "human labels: negative in 1 rows",
        ),
        (LOGITS, GOOD, {"human": ANSWERS > 0}, "human labels: values of type bool"),
        (LOGITS, GOOD, {"validation": (LOGITS[:, 1:], GOOD)}, "logits: 4 columns; 5 are needed"),
        (LOGITS, GOOD, {"validation": (LOGITS, GOOD + 1)}, "labels must be whole numbers from 0 to 4"),
        (LOGITS, GOOD, {"validation": (LOGITS * np.inf, GOOD)}, "logits: NaN or infinite"),
    ],
)
def test_refuses_what_does_not_fit(logits, labels, more, message):
    with pytest.raises(DataError, match=message) as refusal:
        score(logits, labels, **more)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64, np.float16, np.float64])
def test_labels_of_any_type_that_are_whole_score_alike(dtype):
    assert score(LOGITS, GOOD.astype(dtype)).scalars == score(LOGITS, GOOD.tolist()).scalars


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.int64, np.longdouble])
def test_logits_of_any_real_type_are_scored_in_float64(dtype):
    values = (10 * LOGITS).astype(dtype)
    assert score(values, GOOD).scalars == score(values.astype(np.float64), GOOD).scalars


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
