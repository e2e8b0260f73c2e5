"""Blur keeps an even surface as it is; glass moves pixels and loses none."""

import numpy as np
import pytest
import torch

from augdistill.shift import blur


@pytest.mark.parametrize("name", ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur"])
def test_an_even_surface_stays(name):
    even = torch.full((2, 3, 32, 32), 0.25)
    for severity in (1, 5):
        made = getattr(blur, name)(even, severity, np.random.default_rng(0))
        assert torch.allclose(made, even, atol=1e-5)


def test_a_disc_is_round_and_sums_to_one():
    disc = blur.disc(1.5, 0.1)
    assert disc.sum().item() == pytest.approx(1)
    assert torch.allclose(disc, disc.T)
    assert (disc > 0.05).sum() == 9  # (1, 1) is nearer than 1.5, (2, 0) is not


def test_glass_only_changes_places():
    source = blur.swapped(3, 8, 1, 2, np.random.default_rng(0))
    assert torch.equal(source.sort(1).values, torch.arange(64).expand(3, -1))
    rows, columns = source // 8, source % 8
    moved = (rows - torch.arange(64) // 8).abs().float().mean() + (columns - torch.arange(64) % 8).abs().float().mean()
    assert 0 < moved < 4
