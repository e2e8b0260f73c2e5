"""Cutout: torchvision's erase, a square as large as the closed form."""

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import functional as tv

from augdistill.augment import AUGMENTATIONS
from augdistill.augment.shared import Samples
from augmented import BLACK, RARE, SIDE, drawn, epoch_of, many, mean_is, moved, prepared


def test_cutout_is_torchvisions_erase_with_zero():
    images, targets = epoch_of(16, 32)
    draws = drawn("cutout", [16], 32)
    found, _ = moved("cutout", images, targets, prepared("cutout", draws, 32), BLACK)
    for i in range(16):
        top, bottom, left, right = (int(draws[edge][i]) for edge in ("top", "bottom", "left", "right"))
        assert torch.equal(found[i], tv.erase(images[i], top, left, bottom - top, right - left, torch.zeros(())))


def test_cutout_masks_as_much_as_the_closed_form():
    per_axis = [min(SIDE, centre + 8) - max(0, centre - 8) for centre in range(SIDE)]
    expected = (sum(per_axis) / SIDE**2) ** 2
    assert round(100 * expected, 2) == 19.14
    draws = many("cutout")
    share = (draws["bottom"] - draws["top"]) * (draws["right"] - draws["left"]) / SIDE**2
    assert mean_is(share, expected, share.std())
    assert share.max() == 0.25
    assert share.min() == 64 / SIDE**2  # a quarter of the square, in the corner
    prepared = AUGMENTATIONS["cutout"].prepare(draws, SIDE)
    whole = Samples(torch.ones(2000, 1, SIDE, SIDE), torch.ones(2000, 1), None, torch.zeros(1))
    pixels = (
        AUGMENTATIONS["cutout"]
        .apply(whole, {key: torch.from_numpy(values[:2000]) for key, values in prepared.items()})
        .images
    )
    np.testing.assert_allclose(1 - pixels.double().mean(dim=(1, 2, 3)).numpy(), share[:2000])


@pytest.mark.parametrize(("side", "square", "theirs"), [(30, 15, 14), (28, 14, 14), (32, 16, 16), (31, 16, 16)])
def test_a_cutout_square_of_odd_side_keeps_it_and_loses_a_pixel_in_the_reference_code(side, square, theirs):
    draws = many("cutout", (1000,), side)
    inside = (draws["top"] > 0) & (draws["bottom"] < side)
    assert set((draws["bottom"] - draws["top"])[inside]) == {square}
    assert 2 * (square // 2) == theirs  # from y - length // 2 to y + length // 2 (github.com/uoguelph-mlrg/Cutout)


def test_cutout_centres_are_uniform_over_pixels():
    draws = many("cutout", size=1 / SIDE)  # a square of one pixel is its centre
    assert stats.chisquare(np.bincount(draws["top"] * SIDE + draws["left"], minlength=SIDE**2)).pvalue > RARE
