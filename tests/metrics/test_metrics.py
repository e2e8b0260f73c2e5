"""What `score` takes and refuses, and what of it saved evaluations hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augdistill.base.errors import DataError
from augdistill.metrics import METRICS, Teacher, due, score, score_against_humans
from sampled import HUMAN, draw


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
