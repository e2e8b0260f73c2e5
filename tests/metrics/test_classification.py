"""Classification metrics against scikit-learn and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as reference_confusion

from augdistill.base.errors import DataError
from augdistill.metrics.classification import (
    accuracy,
    brier,
    clipped,
    confusion_matrix,
    log_softmax,
    nll,
    per_class_accuracy,
    precision_recall_f1,
)


def draw(seed: int, samples: int = 200, classes: int = 10):
    """Logits of a model that is often right, and labels with every class among them."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, samples - classes)])
    return rng.normal(size=(samples, classes)) * 2 + 2 * np.eye(classes)[labels], labels


def test_log_softmax_equals_logits_minus_their_logsumexp_in_float64():
    logits = draw(0)[0].astype(np.float32) * 50
    expected = logits.astype(np.float64) - logsumexp(logits.astype(np.float64), axis=1, keepdims=True)
    found = log_softmax(logits)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_log_softmax_keeps_what_is_already_normalised_and_its_zeros():
    with np.errstate(divide="ignore"):
        logs = np.log([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(log_softmax(logs), logs, atol=1e-15)


def test_logits_are_never_clipped():
    assert log_softmax(np.array([[0.0, 5000.0]]))[0, 0] == -5000


@pytest.mark.parametrize("row", [[np.nan, 0.0], [np.inf, 0.0], [-np.inf, -np.inf]])
def test_log_softmax_refuses_what_is_no_distribution(row):
    with pytest.raises(DataError, match=r"NaN or infinite in 1 rows, first row 1;"):
        log_softmax(np.array([[0.0, 1.0], row]))


@pytest.mark.parametrize("classes", [2, 10])
def test_agrees_with_scikit_learn(classes):
    logits, labels = draw(1, classes=classes)
    logs = log_softmax(logits)
    predicted = logits.argmax(axis=1)
    assert 0.2 < accuracy(logs, labels) < 1
    assert accuracy(logs, labels) == pytest.approx(accuracy_score(labels, predicted), abs=1e-15)
    expected = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)[:3]
    assert precision_recall_f1(logs, labels) == pytest.approx(expected, abs=1e-12)
    expected = precision_recall_fscore_support(labels, predicted, average="weighted", zero_division=0)[:3]
    assert precision_recall_f1(logs, labels, weighted=True) == pytest.approx(expected, abs=1e-12)
    np.testing.assert_array_equal(confusion_matrix(logs, labels), reference_confusion(labels, predicted))
    assert nll(logs, labels) == pytest.approx(log_loss(labels, np.exp(logs)), abs=1e-12)


def test_brier_sums_over_classes():
    logits, labels = draw(2)
    logs = log_softmax(logits)
    # Each class against the rest, summed: older versions of scikit-learn know two classes only.
    expected = sum(brier_score_loss(labels == k, np.exp(logs[:, k])) for k in range(10))
    assert brier(logs, labels) == pytest.approx(expected, abs=1e-12)
    wrong_and_sure = log_softmax(np.array([[1e4, 0.0]]))
    assert brier(wrong_and_sure, np.array([1])) == pytest.approx(2)


def test_ties_go_to_the_first_class():
    assert accuracy(log_softmax(np.zeros((4, 3))), np.array([0, 0, 1, 2])) == 0.5


def test_a_class_that_is_never_predicted_has_precision_and_f1_zero():
    logs = log_softmax(np.array([[1.0, 0.0], [1.0, 0.0]]))
    precision, recall, f1 = precision_recall_f1(logs, np.array([0, 1]))
    assert (precision, recall) == (0.25, 0.5)
    assert f1 == pytest.approx((2 / 3) / 2)


def test_an_absent_class_is_undefined_even_where_it_is_predicted():
    logs = log_softmax(np.eye(3)[[0, 1, 2]])
    labels = np.array([0, 1, 1])
    assert np.isnan(precision_recall_f1(logs, labels)).all()
    # Class 0: all 1. Class 1: precision 1, recall 1/2, F1 2/3. Class 2 has no samples and weighs nothing.
    assert precision_recall_f1(logs, labels, weighted=True) == pytest.approx((1, 2 / 3, 7 / 9))
    np.testing.assert_array_equal(per_class_accuracy(logs, labels), [1, 0.5, np.nan])
    assert accuracy(logs, labels) == pytest.approx(2 / 3)


def test_a_label_of_probability_zero_costs_infinity_or_what_the_floor_says():
    with np.errstate(divide="ignore"):
        logs = np.log([[1.0, 0.0], [0.5, 0.5]])
    labels = np.array([1, 0])
    assert nll(logs, labels) == np.inf
    assert nll(clipped(logs), labels) == pytest.approx((12 * np.log(10) + np.log(2)) / 2)
    assert brier(logs, labels) == pytest.approx((2 + 0.5) / 2)


@given(st.integers(0, 2**32), st.integers(2, 6))
def test_order_of_samples_shift_of_logits_and_names_of_classes_do_not_matter(seed, classes):
    logits, labels = draw(seed, 40, classes)
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(40), rng.permutation(classes)
    changed = (logits + rng.normal(size=(40, 1)) * 100)[order][:, np.argsort(names)]
    for metric in (accuracy, nll, brier, precision_recall_f1):
        expected = metric(log_softmax(logits), labels)
        assert metric(log_softmax(changed), names[labels][order]) == pytest.approx(expected, abs=1e-10)
