"""Rotation against torchvision's, image by image, and its angles."""

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as theirs

from augdistill.augment.rotation import draw
from augdistill.base.errors import ConfigError
from augmented import BLACK, SIZES, applied, drawn, epoch_of


@pytest.mark.parametrize("degrees", [15.0, 180.0])
def test_each_image_is_turned_as_torchvision_turns_it(degrees: float) -> None:
    """What is beyond black is turned, around it 0: a fill of its own torchvision weighs twice at edges."""
    images, targets = epoch_of(13)
    draws = drawn("rotation", degrees=degrees)
    found, same = applied("rotation", images, targets, draws, SIZES)
    assert torch.equal(same, targets)
    for image, angle, turned in zip(images, draws["angle"].tolist(), found, strict=True):
        beyond = image - BLACK[:, None, None]
        expected = theirs.rotate(beyond, angle, InterpolationMode.BILINEAR) + BLACK[:, None, None]
        torch.testing.assert_close(turned, expected, rtol=0, atol=1e-5)


def test_angles_are_uniform_to_both_sides_and_0_turns_nothing() -> None:
    angles = draw(np.random.default_rng(0), [4000], 8, degrees=30.0)["angle"]
    assert np.abs(angles).max() <= 30
    assert angles.mean() == pytest.approx(0, abs=4 * 60 / 12**0.5 / 4000**0.5)
    assert angles.std() == pytest.approx(60 / 12**0.5, rel=0.05)
    images, targets = epoch_of(13)
    found, _ = applied("rotation", images, targets, drawn("rotation", degrees=0.0), SIZES)
    torch.testing.assert_close(found, images, rtol=0, atol=1e-12)


@pytest.mark.parametrize("degrees", [-1.0, 181.0, True])
def test_other_angles_are_refused(degrees: float) -> None:
    with pytest.raises(ConfigError, match=r"^rotation\.degrees=.* is out of range: a number from 0 to 180"):
        draw(np.random.default_rng(0), [1], 8, degrees=degrees)
