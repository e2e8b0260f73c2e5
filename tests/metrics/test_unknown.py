"""Known from unknown images: scores by hand, areas by counting pairs."""

import numpy as np
import pytest

from augdistill.metrics import unknown


def test_scores_are_their_formulas():
    logits = np.random.default_rng(0).normal(size=(5, 4))
    found = unknown.known_scores(logits.astype(np.float32))
    exp = np.exp(logits)
    np.testing.assert_allclose(found["msp"], (exp / exp.sum(1, keepdims=True)).max(1), rtol=1e-6)
    np.testing.assert_allclose(found["energy"], np.log(exp.sum(1)), rtol=1e-6)
    np.testing.assert_allclose(found["max_logit"], logits.max(1), rtol=1e-6)


def test_neighbours_are_the_nearest_directions():
    rng = np.random.default_rng(1)
    some, reference = rng.normal(size=(6, 3)), rng.normal(size=(20, 3))
    a, b = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (some, reference))
    distances = np.sort(np.linalg.norm(a[:, None] - b, axis=2), axis=1)
    np.testing.assert_allclose(unknown.neighbour_scores(7 * some, reference, 3), -distances[:, 2], atol=1e-7)
    assert np.array_equal(unknown.directions(np.zeros((1, 2))), np.zeros((1, 2)))


def test_separation_is_counted():
    rng = np.random.default_rng(2)
    known, other = rng.normal(1, 1, 40), rng.normal(0, 1, 30)
    found = unknown.separation(known, other)
    assert found["auroc"] == pytest.approx((known[:, None] > other).mean())
    least = max(value for value in known if (known >= value).mean() >= 0.95)
    assert found["fpr95"] == pytest.approx((other >= least).mean())
    ranked = sorted([*((value, 1) for value in known), *((value, 0) for value in other)], reverse=True)
    hits = np.cumsum([label for _, label in ranked])
    precision = [hits[i] / (i + 1) for i, (_, label) in enumerate(ranked) if label]
    assert found["aupr"] == pytest.approx(np.mean(precision))
    assert unknown.separation(known + 100, other) == pytest.approx({"auroc": 1.0, "aupr": 1.0, "fpr95": 0.0})


def test_every_separation_of_every_score_has_a_name():
    scores = unknown.known_scores(np.random.default_rng(0).normal(size=(9, 3))) | {"knn": np.arange(9.0)}
    found = unknown.unknown_metrics(scores, scores)
    assert {*found} == {f"{what}_{name}" for what in unknown.FOUND for name in unknown.SCORES}
    assert found["auroc_msp"] == pytest.approx(0.5)
