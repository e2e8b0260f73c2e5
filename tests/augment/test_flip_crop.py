"""Flip and crop: torchvision's images, drawn uniformly."""

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import functional as tv

from augmented import COUNT, RARE, drawn, many, moved, prepared


def test_flip_crop_is_torchvisions_before_normalisation():
    mean, std = torch.tensor([0.49, 0.48, 0.45]), torch.tensor([0.247, 0.243, 0.261])
    raw = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    draws = drawn("flip-crop", [64], 32)
    assert 0 < draws["flip"].sum() < 64
    found, _ = moved(
        "flip-crop", tv.normalize(raw, mean, std), torch.ones(64, 2), prepared("flip-crop", draws, 32), -mean / std
    )
    for i, image in enumerate(raw):
        expected = tv.crop(tv.pad(image, [4]), 4 + int(draws["down"][i]), 4 + int(draws["right"][i]), 32, 32)
        expected = tv.hflip(expected) if draws["flip"][i] else expected
        torch.testing.assert_close(found[i], tv.normalize(expected, mean, std), rtol=0, atol=0)


@pytest.mark.parametrize("flip", [0.5, 0.1])
def test_flip_rate(flip):
    assert stats.binomtest(int(many("flip-crop", flip=flip)["flip"].sum()), COUNT, flip).pvalue > RARE


def test_crop_offsets_are_uniform_and_independent():
    draws = many("flip-crop")
    offsets = {axis: draws[axis] + 4 for axis in ("down", "right")}
    for values in offsets.values():
        counts = np.bincount(values, minlength=9)
        assert len(counts) == 9
        assert stats.chisquare(counts).pvalue > RARE
    together = np.bincount(offsets["down"] * 18 + offsets["right"] * 2 + draws["flip"], minlength=162)
    assert stats.chisquare(together).pvalue > RARE
