"""Test of the floor of the ECE against simulated models that are perfectly calibrated."""

import numpy as np
import pytest

from augdistill.stats.floors import ece_floor


def test_the_floor_of_the_ece_is_what_perfectly_calibrated_models_score():
    rng = np.random.default_rng(7)
    counts, confidence = np.array([0, 1, 3, 20, 76]), np.array([np.nan, 0.3, 0.5, 0.7, 0.95])
    scores = np.zeros(200_000)
    for n, p in zip(counts[1:], confidence[1:], strict=True):
        scores += np.abs(rng.binomial(n, p, len(scores)) - n * p) / counts.sum()
    found = ece_floor(counts, np.nan_to_num(confidence))
    assert found == pytest.approx(scores.mean(), rel=0.01)
    assert ece_floor([10, 10], [1.0, 0.0]) == 0
    assert np.isnan(ece_floor([0], [0.0]))
