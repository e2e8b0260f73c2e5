"""Agreement with human labels against scipy's entropies, and against the real CIFAR-10H where it is there."""

import math
import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr

from augdistill.metrics.classification import clipped, log_softmax
from augdistill.metrics.human import (
    class_means,
    cross_entropy,
    diagonal_mean,
    entropy,
    kl,
    kl_matrix,
    off_diagonal_mean,
    zeros,
)
from conftest import REAL_DATA


def draw(seed: int, samples: int = 60, classes: int = 4):
    """Human answers of 50 people, most classes chosen by nobody; logits; labels with every class among them."""
    rng = np.random.default_rng(seed)
    labels = np.arange(samples) % classes
    human = rng.multinomial(50, rng.dirichlet(np.ones(classes) / 5, samples)) / 50
    return human, rng.normal(size=(samples, classes)) * 3, labels


def test_agrees_with_scipy():
    human, logits, _ = draw(0)
    assert (human == 0).any()
    logs = log_softmax(logits)
    assert entropy(human) == pytest.approx(scipy.stats.entropy(human, axis=1).mean(), abs=1e-12)
    expected = rel_entr(human, np.exp(logs)).sum(axis=1).mean()
    assert kl(human, logs) == pytest.approx(expected, abs=1e-12)
    assert cross_entropy(human, logs) == pytest.approx(expected + scipy.stats.entropy(human, axis=1).mean(), abs=1e-12)


def test_logits_too_small_for_a_probability_still_count():
    logs = log_softmax(np.array([[0.0, 2000.0]]))
    assert np.exp(logs)[0, 0] == 0
    assert cross_entropy(np.array([[0.5, 0.5]]), logs) == 1000


def test_zeros_matter_where_a_human_chose_them():
    human = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    with np.errstate(divide="ignore"):
        harmless, harmful = np.log([[0.5, 0.5, 0.0], [1, 0, 0]]), np.log([[1.0, 0.0, 0.0], [0.5, 0.0, 0.5]])
    assert cross_entropy(human, harmless) == pytest.approx(np.log(2) / 2)
    assert zeros(human, harmless) == 0
    assert cross_entropy(human, harmful) == np.inf
    assert kl(human, harmful) == np.inf
    assert zeros(human, harmful) == 1
    assert cross_entropy(human, clipped(harmful)) == pytest.approx((0.5 * 12 * np.log(10) + np.log(2)) / 2)


def test_class_means_divide_by_true_counts_and_leave_absent_classes_undefined():
    human, _, labels = draw(1)
    found = class_means(human, labels, 5)
    for k in range(4):
        np.testing.assert_allclose(found[k], human[labels == k].mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found[:4].sum(axis=1), 1, atol=1e-12)
    assert np.isnan(found[4]).all()


def test_kl_matrix_has_the_first_distribution_in_rows():
    human, logits, labels = draw(2)
    first, second = class_means(human, labels, 4), class_means(np.exp(log_softmax(logits)), labels, 4)
    found = kl_matrix(first, second)
    naive = [[sum(p * np.log(p / q) for p, q in zip(a, b, strict=True) if p > 0) for b in second] for a in first]
    np.testing.assert_allclose(found, naive, atol=1e-12)
    assert not np.allclose(found, found.T)
    assert diagonal_mean(found) == pytest.approx(np.mean([naive[i][i] for i in range(4)]))
    assert off_diagonal_mean(found) == pytest.approx(
        sum(naive[i][j] for i in range(4) for j in range(4) if i != j) / 12
    )


def test_kl_matrix_knows_zero_and_infinity():
    found = kl_matrix(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[1.0, 0.0], [0.5, 0.5]]))
    np.testing.assert_allclose(found, [[0, np.log(2)], [np.inf, 0]])
    assert off_diagonal_mean(found) == np.inf


def test_kl_matrix_leaves_an_absent_class_undefined_and_is_never_negative():
    means = np.random.default_rng(0).dirichlet(np.ones(7), 7)
    means[2] = np.nan
    found = kl_matrix(means, means)
    undefined = np.zeros((7, 7), dtype=bool)
    undefined[2] = undefined[:, 2] = True
    np.testing.assert_array_equal(np.isnan(found), undefined)
    assert (found[~undefined] >= 0).all()  # a class and itself: rounding alone, which no logarithm may see below 0


def test_kl_matrix_of_a_thousand_classes_takes_the_memory_of_a_few_matrices():
    # 5.954714932408942 is the mean over pairs of scipy.special.rel_entr, row by row and once: it took 47 s.
    rng = np.random.default_rng(0)
    means = class_means(np.exp(log_softmax(3 * rng.normal(size=(2000, 1000)))), np.arange(2000) % 1000, 1000)
    tracemalloc.start()
    try:
        found = kl_matrix(means, means)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.mean() == pytest.approx(5.954714932408942, rel=1e-12)
    assert peak < 10 * means.nbytes, "80 MB; 1000 x 1000 x 1000 would take 8 GB"
    for i, j in rng.integers(0, 1000, (50, 2)):
        expected = sum(p * math.log(p / q) for p, q in zip(means[i].tolist(), means[j].tolist(), strict=True))
        assert found[i, j] == pytest.approx(expected, rel=1e-10, abs=1e-13)


@given(st.integers(0, 2**32), st.integers(2, 6))
def test_kl_is_not_negative_and_blind_to_order_shift_and_names(seed, classes):
    human, logits, labels = draw(seed, 30, classes)
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(30), rng.permutation(classes)
    back = np.argsort(names)
    shifted = logits + rng.normal(size=(30, 1))
    expected = kl(human, log_softmax(logits))
    assert expected >= 0
    assert kl(human[order][:, back], log_softmax(shifted[order][:, back])) == pytest.approx(expected, abs=1e-10)
    np.testing.assert_allclose(
        class_means(human[order][:, back], names[labels][order], classes),
        class_means(human, labels, classes)[back][:, back],
        atol=1e-12,
    )


def test_the_real_human_labels_have_the_known_entropy_and_confusions():
    if REAL_DATA is None or not (REAL_DATA / "cifar-10h/cifar10h-probs.npy").exists():
        pytest.skip("needs CIFAR-10H under $AUGDISTILL_DATA")
    human = np.load(REAL_DATA / "cifar-10h/cifar10h-probs.npy").astype(np.float64)
    assert entropy(human) == pytest.approx(0.1545, abs=5e-5)
    batch = REAL_DATA / "cifar-10-batches-py/test_batch"
    if batch.exists():
        means = class_means(human, np.array(pickle.loads(batch.read_bytes(), encoding="latin1")["labels"]), 10)
        cat, deer, dog, horse = 3, 4, 5, 7
        assert means[deer, horse] == pytest.approx(0.0431, abs=5e-5)
        assert means[cat, dog] == pytest.approx(0.0424, abs=5e-5)
