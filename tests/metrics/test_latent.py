"""Discrimination and separability against loops over every pair of samples and of classes, in float64."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import StandardScaler

from augdistill.base.errors import DataError
from augdistill.metrics.classification import log_softmax
from augdistill.metrics.latent import class_discrimination, class_separability, similarities

CONVENTIONS = ("corrected", "as_printed", "as_published")


def draw(seed: int, samples: int = 45, classes: int = 4, dimensions: int = 7):
    """ReLU-like float32 embeddings of clusters that overlap, and uneven labels with two of every class at least."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(classes), 2), rng.integers(0, classes, samples - 2 * classes)])
    centres = rng.normal(size=(classes, dimensions)) * 2
    return np.maximum(centres[labels] + rng.normal(size=(samples, dimensions)) + 1, 0).astype(np.float32), labels


def naive_discrimination(embeddings, labels, classes, convention):
    """The three conventions from their text: sums over pairs of samples, means over classes and pairs of classes."""
    standardised = StandardScaler().fit_transform(embeddings.astype(np.float64))
    similarity = cosine_similarity(standardised)
    cohesions, adhesions = [], []
    for k in range(classes):
        pairs = [similarity[i, j] for i, j in itertools.combinations(np.flatnonzero(labels == k), 2)]
        size = (labels == k).sum()
        cohesions.append(sum(pairs) / (size * (size - 1)) if convention == "as_printed" else sum(pairs) / len(pairs))
    for k, m in itertools.combinations(range(classes), 2):
        pairs = [similarity[i, j] for i in np.flatnonzero(labels == k) for j in np.flatnonzero(labels == m)]
        adhesions.append(sum(pairs) / len(pairs) / (2 if convention == "as_published" else 1))
    cohesion, adhesion = sum(cohesions) / len(cohesions), sum(adhesions) / len(adhesions)
    return cohesion, adhesion, (cohesion - adhesion) / np.sqrt(embeddings.shape[1])


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("seed", [0, 1])
def test_discrimination_equals_a_loop_over_pairs(convention, seed):
    embeddings, labels = draw(seed)
    found = class_discrimination(embeddings, labels, 4, convention)
    expected = naive_discrimination(embeddings, labels, 4, convention)
    assert (found.cohesion, found.adhesion, found.discrimination) == pytest.approx(expected, abs=1e-12)


def test_conventions_differ_by_the_halves_they_are_said_to_differ_by():
    embeddings, labels = draw(2)
    true, printed, published = (class_discrimination(embeddings, labels, 4, c) for c in CONVENTIONS)
    assert true.cohesion > 0.1
    assert true.adhesion < -0.01
    assert (printed.cohesion, printed.adhesion) == pytest.approx((true.cohesion / 2, true.adhesion))
    assert (published.cohesion, published.adhesion) == pytest.approx((true.cohesion, true.adhesion / 2))


def test_dimensions_that_do_not_vary_are_dropped_and_counted():
    embeddings, labels = draw(3)
    rng = np.random.default_rng(3)
    almost = 0.1 + rng.integers(0, 2, len(labels)) * 1e-17
    padded = np.column_stack([np.full(len(labels), 0.1), embeddings, np.zeros(len(labels)), almost]).astype(np.float64)
    found, expected = similarities(padded, labels, 4), similarities(embeddings, labels, 4)
    assert (found.dimensions, found.dropped) == (7, 3)
    assert (expected.dimensions, expected.dropped) == (7, 0)
    np.testing.assert_allclose(found.within, expected.within, atol=1e-12)
    np.testing.assert_allclose(found.across, expected.across, atol=1e-12)
    dropped = class_discrimination(padded, labels, 4)
    assert dropped.discrimination == pytest.approx(class_discrimination(embeddings, labels, 4).discrimination)


def test_a_model_that_says_one_thing_has_no_discrimination():
    found = similarities(np.full((6, 3), 0.3), np.arange(6) % 2, 2)
    assert (found.dimensions, found.dropped) == (0, 3)
    result = class_discrimination(np.full((6, 3), 0.3), np.arange(6) % 2, 2)
    assert np.isnan([result.cohesion, result.adhesion, result.discrimination]).all()


def test_a_class_of_one_has_no_cohesion_and_an_absent_one_neither():
    embeddings, labels = draw(4)
    labels = np.append(labels, 4)
    found = similarities(np.vstack([embeddings, embeddings[:1] + 1]), labels, 6)
    np.testing.assert_array_equal(np.isnan(found.within), [False] * 4 + [True] * 2)
    np.testing.assert_array_equal(np.isnan(found.across[0]), [False] * 5 + [True])
    alone = class_discrimination(np.vstack([embeddings, embeddings[:1] + 1]), labels, 5)
    assert np.isnan(alone.cohesion)
    assert np.isnan(alone.discrimination)
    assert np.isfinite(alone.adhesion)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_a_sample_at_the_mean_is_an_error(scale):
    embeddings = np.array([[1.0, 3.0], [5.0, 3.5], [3.0, 3.25], [4.0, 3.4], [2.0, 3.1]]) * scale
    with pytest.raises(DataError, match=r"sample 2 is the mean of all"):
        similarities(embeddings, np.array([0, 0, 1, 1, 0]), 2)


@given(st.integers(0, 2**32), st.integers(2, 5), st.floats(0.1, 100), st.floats(-10, 10))
def test_blind_to_order_names_scale_and_shift(seed, classes, scale, shift):
    embeddings, labels = draw(seed, 20, classes)
    embeddings = embeddings + np.random.default_rng(seed).normal(size=embeddings.shape)
    rng = np.random.default_rng(seed)
    order, names, columns = rng.permutation(20), rng.permutation(classes), rng.permutation(7)
    changed = embeddings[order][:, columns] * scale + shift
    found = class_discrimination(changed, names[labels][order], classes)
    expected = class_discrimination(embeddings, labels, classes)
    assert found.cohesion == pytest.approx(expected.cohesion, abs=1e-9)
    assert found.adhesion == pytest.approx(expected.adhesion, abs=1e-9)
    assert -1 <= found.cohesion <= 1


def test_separability_is_the_mean_over_all_ordered_pairs():
    rng = np.random.default_rng(5)
    labels = np.concatenate([np.arange(4), rng.integers(0, 4, 60)])
    probabilities = np.exp(log_softmax(rng.normal(size=(64, 4)) + 2 * np.eye(4)[labels]))
    means = [probabilities[labels == k].mean(axis=0) for k in range(4)]
    total = 0.0
    for p in means:
        for q in means:
            total += sum(a * np.log(a / b) for a, b in zip(p, q, strict=True))
    assert total > 1
    assert class_separability(probabilities, labels) == pytest.approx(total / 16, abs=1e-12)
    assert class_separability(np.full((64, 4), 0.25), labels) == 0
    assert np.isnan(class_separability(probabilities[labels < 3], labels[labels < 3]))


@pytest.mark.parametrize("scale", [2.0**600, 2.0**-600])
def test_embeddings_whose_squares_leave_float64_give_the_same_bits(scale):
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(40, 6)), np.arange(40) % 4
    mixed = embeddings * np.where(np.arange(6) == 2, scale, 1)
    assert similarities(mixed, labels, 4).dimensions == 6
    assert class_discrimination(mixed, labels, 4) == class_discrimination(embeddings, labels, 4)
