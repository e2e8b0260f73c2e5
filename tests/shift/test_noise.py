"""Noise has the mean and the spread that its formula says."""

import numpy as np
import pytest
import torch

from augdistill.shift import noise

GREY = torch.full((4, 3, 64, 64), 0.5)


def chance() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("name", "spread"), [("gaussian_noise", (0.04, 0.10)), ("shot_noise", ((0.5 / 500) ** 0.5, (0.5 / 50) ** 0.5))]
)
def test_noise_has_its_spread(name, spread):
    for severity, expected in zip((1, 5), spread, strict=True):
        made = getattr(noise, name)(GREY, severity, chance())
        assert float(made.mean()) == pytest.approx(0.5, abs=0.002)
        assert float(made.std()) == pytest.approx(expected, rel=0.02)


def test_impulses_are_black_and_white_alike():
    made = noise.impulse_noise(GREY, 5, chance())
    for value in (0.0, 1.0):
        assert float((made == value).float().mean()) == pytest.approx(0.035, abs=0.003)
    assert float((made == 0.5).float().mean()) == pytest.approx(0.93, abs=0.004)
