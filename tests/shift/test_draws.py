"""Draws are float32, of the law that they are called after, and the same again."""

import numpy as np
import pytest
import torch

from augdistill.shift import draws


def test_draws_have_their_moments_and_come_again():
    for draw, mean, spread in ((draws.uniform, 0.5, 12**-0.5), (draws.normal, 0.0, 1.0)):
        values = draw(np.random.default_rng(3), (100, 100))
        assert values.dtype == torch.float32
        assert float(values.mean()) == pytest.approx(mean, abs=0.03)
        assert float(values.std()) == pytest.approx(spread, rel=0.03)
        assert torch.equal(values, draw(np.random.default_rng(3), (100, 100)))
