"""Calibration metrics against a loop over samples, scikit-learn, torchmetrics and a general-purpose minimiser."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import multiclass_calibration_error

from augdistill.metrics.calibration import (
    Reliability,
    adaptive_ece,
    class_ece,
    ece,
    fit_temperature,
    mce,
    overconfidence,
    reliability,
    scale_predictions,
    signed_gap,
    stratified_folds,
)
from augdistill.metrics.classification import log_softmax, nll


def draw(seed: int, samples: int = 500, classes: int = 5, temperature: float = 1.0):
    """Logits, and labels drawn from their softmax at a temperature: at 1 the logits are calibrated."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(samples, classes)) * 2
    noise = rng.gumbel(size=logits.shape)
    return logits, (logits / temperature + noise).argmax(axis=1)


def naive_bins(probabilities, labels, bins):
    """Each sample into the one bin with lo < confidence <= hi."""
    members = [[] for _ in range(bins)]
    for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
        confidence = max(row)
        bin_ = next(i for i in range(bins) if (i / bins < confidence or i == 0) and confidence <= (i + 1) / bins)
        members[bin_].append((confidence, row.index(confidence) == label))
    return members


@pytest.mark.parametrize("bins", [3, 10, 15])
def test_reliability_equals_a_loop_over_samples(bins):
    logits, labels = draw(0)
    found = reliability(log_softmax(logits), labels, bins)
    members = naive_bins(np.exp(log_softmax(logits)), labels, bins)
    assert found.counts.tolist() == [len(m) for m in members]
    for i, samples in enumerate(members):
        mean = np.mean(samples, axis=0) if samples else (np.nan, np.nan)
        np.testing.assert_allclose((found.confidence[i], found.accuracy[i]), mean, atol=1e-12)
    gaps = [abs(sum(c - a for c, a in m)) for m in members]
    assert ece(found) == pytest.approx(sum(gaps) / 500, abs=1e-12)
    assert mce(found) == pytest.approx(max(g / len(m) for g, m in zip(gaps, members, strict=True) if m), abs=1e-12)
    assert signed_gap(found) == pytest.approx(sum(c - a for m in members for c, a in m) / 500, abs=1e-12)
    np.testing.assert_array_equal(found.edges, [i / bins for i in range(bins + 1)])


def test_bins_agree_with_scikit_learn():
    logits, labels = draw(1)
    logs = log_softmax(logits)
    found = reliability(logs, labels)
    share_right, mean_confidence = calibration_curve(
        logs.argmax(axis=1) == labels, np.exp(logs.max(axis=1)), n_bins=10, strategy="uniform"
    )
    filled = found.counts > 0
    assert not filled.all(), "with 5 classes no confidence is below 0.2, so an empty bin is among the tested"
    np.testing.assert_allclose(found.accuracy[filled], share_right, atol=1e-12)
    np.testing.assert_allclose(found.confidence[filled], mean_confidence, atol=1e-12)
    assert np.isnan(found.accuracy[~filled]).all()
    assert np.isnan(found.confidence[~filled]).all()


@pytest.mark.parametrize(("norm", "metric"), [("l1", ece), ("max", mce)])
def test_ece_and_mce_agree_with_torchmetrics(norm, metric):
    logits, labels = draw(2, samples=2000)
    logs = log_softmax(logits)
    assert logs.max() < 0, "torchmetrics gives confidence 1 a bin of its own"
    expected = multiclass_calibration_error(
        torch.tensor(np.exp(logs)), torch.tensor(labels), num_classes=5, n_bins=10, norm=norm
    )
    assert metric(reliability(logs, labels)) == pytest.approx(float(expected), abs=1e-6)


def test_edges_belong_to_the_bin_below_and_certainty_to_the_last():
    confidences = np.arange(1, 11) / 10
    for classes in (11, 20):  # so that 0.1 can be the top of a row
        rest = (1 - confidences)[:, None] / (classes - 1) * np.ones(classes - 1)
        with np.errstate(divide="ignore"):
            logs = log_softmax(np.log(np.column_stack([confidences, rest])))
        found = reliability(logs, np.zeros(10, dtype=int))
        assert found.counts.tolist() == [1] * 10
        np.testing.assert_allclose(found.confidence, confidences, atol=1e-12)


def test_mce_looks_at_bins_of_enough_samples():
    counts = np.array([0, 49, 50, 100])
    confidence, accuracy = np.array([np.nan, 0.3, 0.6, 0.9]), np.array([np.nan, 1.0, 0.4, 0.85])
    diagram = Reliability(np.arange(5) / 4, counts, confidence, accuracy)
    assert mce(diagram) == pytest.approx(0.7)
    assert mce(diagram, at_least=50) == pytest.approx(0.2)
    assert np.isnan(mce(diagram, at_least=101))


def test_the_sign_of_the_gap_tells_over_from_under_confidence():
    logits, labels = draw(3, samples=5000)
    sharper, softer = (reliability(log_softmax(logits * factor), labels) for factor in (3, 1 / 3))
    assert signed_gap(sharper) > 0.05
    assert signed_gap(softer) < -0.05


@given(st.integers(0, 2**32), st.floats(0.1, 10))
def test_the_temperature_is_the_minimum_of_the_nll_and_scales_with_the_logits(seed, factor):
    logits, labels = draw(seed, 60, 4)
    found = fit_temperature(logits, labels)

    def loss(log_temperature):
        return nll(log_softmax(logits / np.exp(log_temperature)), labels)

    best = minimize_scalar(loss, bounds=np.log([0.01, 1000]), method="bounded", options={"xatol": 1e-9})
    assert loss(np.log(found)) <= best.fun + 1e-12
    if 0.2 < found < 50:
        assert np.log(found) == pytest.approx(best.x, abs=1e-5)
        assert fit_temperature(logits * factor, labels) == pytest.approx(found * factor, rel=1e-6)


def test_the_temperature_of_the_labels_is_found_again():
    logits, labels = draw(4, samples=50_000, temperature=2.5)
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.02)


def test_temperatures_without_a_minimum_are_at_the_bounds():
    logits, labels = draw(5, 100)
    assert fit_temperature(logits, logits.argmax(axis=1)) == 0.01
    assert fit_temperature(logits * 1e5, logits.argmax(axis=1)) == 0.01
    assert fit_temperature(logits, logits.argmin(axis=1)) == 1000
    assert fit_temperature(np.zeros((100, 5)), labels) == 1000
    assert fit_temperature(logits[:0], labels[:0]) == 1


def test_zeros_at_labels_neither_stop_the_fit_nor_decide_it():
    logits, labels = draw(6, 300)
    logs = log_softmax(logits)
    holed = logits.copy()
    holed[np.arange(3), labels[:3]] = -np.inf
    holed = log_softmax(holed)
    found = fit_temperature(holed, labels)
    assert found == pytest.approx(fit_temperature(np.maximum(holed, np.log(1e-12)), labels), rel=1e-9)
    assert found > fit_temperature(logs[3:], labels[3:]), "three labels called impossible ask for less confidence"


def test_a_validation_split_gives_the_temperature():
    logits, labels = draw(7, 400)
    other, other_labels = draw(8, 400, temperature=3)
    scaled = scale_predictions(log_softmax(logits), labels, (other.astype(np.float32), other_labels))
    assert (scaled.fitted_on, scaled.temperatures) == ("validation", (scaled.temperature,))
    assert 2 < scaled.temperature < 4.5
    np.testing.assert_allclose(scaled.log_probabilities, log_softmax(logits / scaled.temperature), atol=1e-12)


def test_two_folds_are_each_scaled_by_the_temperature_of_the_other():
    logits, labels = draw(9, 401, temperature=2)
    folds = stratified_folds(labels)
    scaled = scale_predictions(log_softmax(logits), labels)
    first, second = scaled.temperatures
    assert scaled.fitted_on == "two-fold"
    assert first == pytest.approx(fit_temperature(logits[folds == 1], labels[folds == 1]), rel=1e-9)
    assert second == pytest.approx(fit_temperature(logits[folds == 0], labels[folds == 0]), rel=1e-9)
    assert first != second
    assert scaled.temperature == pytest.approx(np.sqrt(first * second))
    temperatures = np.where(folds == 0, first, second)[:, None]
    np.testing.assert_allclose(scaled.log_probabilities, log_softmax(logits / temperatures), atol=1e-12)
    assert nll(scaled.log_probabilities, labels) < nll(log_softmax(logits), labels)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_folds_are_even_in_all_and_in_each_class(labels):
    labels = np.array(labels)
    folds = stratified_folds(labels)
    np.testing.assert_array_equal(folds, stratified_folds(labels))
    for members in (np.ones(len(labels), bool), *(labels == k for k in range(5))):
        zeros, ones = np.bincount(folds[members], minlength=2)
        assert abs(zeros - ones) <= 1


def test_folds_do_not_follow_the_order_of_the_file():
    folds = stratified_folds(np.zeros(1000, dtype=int))
    assert 400 < folds[:1000:2].sum() + (1 - folds[1::2]).sum() < 600


@pytest.mark.parametrize("held_out", [False, True])
def test_zeros_count_alike_where_a_temperature_is_fitted_and_where_it_is_applied(held_out):
    # Rounded to three decimals, some labels have a probability of 0. The NLL is that of a search by scipy over
    # softmax(ln max(p, 1e-12) / T): half by half, or on other samples.
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    probabilities = np.exp(log_softmax(6 * rng.normal(size=(400, 4)) + 6 * np.eye(4)[labels])).round(3)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities)
    assert (probabilities[np.arange(400), labels] == 0).sum() > 10
    floor = np.log(np.maximum(probabilities, 1e-12))

    def best(rows):
        def loss(log_temperature):
            return nll(log_softmax(floor[rows] / np.exp(log_temperature)), labels[rows])

        return np.exp(minimize_scalar(loss, bounds=(-5, 7), method="bounded", options={"xatol": 1e-9}).x)

    def after(rows, temperature):
        return -log_softmax(floor[rows] / temperature)[np.arange(len(rows)), labels[rows]]

    first, second = np.arange(200), np.arange(200, 400)
    if held_out:
        found = scale_predictions(logs[first], labels[first], (logs[second], labels[second]))
        expected = after(first, best(second)).mean()
        found_nll = nll(found.log_probabilities, labels[first])
    else:
        found = scale_predictions(logs, labels)
        halves = [np.flatnonzero(stratified_folds(labels) == k) for k in (0, 1)]
        expected = np.mean([after(halves[0], best(halves[1])).mean(), after(halves[1], best(halves[0])).mean()])
        found_nll = nll(found.log_probabilities, labels)
    assert found_nll == pytest.approx(expected, rel=1e-6)
    assert np.isfinite(found.log_probabilities).all()


@pytest.mark.parametrize("bins", [3, 10, 15])
def test_other_calibration_errors_are_those_of_loops(bins):
    logits, labels = draw(3, samples=301, temperature=2.0)
    logs = log_softmax(logits)
    rows = sorted((np.exp(row.max()), row.argmax() == label) for row, label in zip(logs, labels, strict=True))
    sizes = [301 // bins + (i < 301 % bins) for i in range(bins)]
    ends = np.cumsum(sizes)
    gaps = [abs(sum(p - hit for p, hit in rows[end - size : end])) for size, end in zip(sizes, ends, strict=True)]
    assert adaptive_ece(logs, labels, bins) == pytest.approx(sum(gaps) / 301, abs=1e-12)
    by_class = []
    for k in range(5):
        members = [[] for _ in range(bins)]
        for probability, label in zip(np.exp(logs)[:, k].tolist(), labels, strict=True):
            members[max(0, int(np.ceil(probability * bins)) - 1)].append(probability - (label == k))
        by_class.append(sum(abs(sum(some)) for some in members) / 301)
    assert class_ece(logs, labels, bins) == pytest.approx(np.mean(by_class), abs=1e-12)
    members = naive_bins(np.exp(logs), labels, bins)
    means = [np.mean(some, axis=0) for some in members if some]
    sizes = [len(some) for some in members if some]
    over = sum(n * c * max(c - a, 0) for n, (c, a) in zip(sizes, means, strict=True)) / 301
    assert overconfidence(reliability(logs, labels, bins)) == pytest.approx(over, abs=1e-12)
    assert over > 0.05
