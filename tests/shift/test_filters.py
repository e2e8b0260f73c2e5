"""Linear filters against scipy and Pillow."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from augdistill.shift import filters


def images(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.2])
def test_gaussian_is_scipys(sigma):
    some = images(2, 3, 20, 20)
    expected = ndimage.gaussian_filter(some.double().numpy(), (0, 0, sigma, sigma), mode="nearest")
    np.testing.assert_allclose(filters.gaussian(some, sigma).numpy(), expected, atol=1e-5)
    assert filters.gaussian(some, 0.0) is some


def test_convolved_is_scipys():
    some, kernel = images(2, 1, 12, 12), np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = ndimage.convolve(some[:, 0].double().numpy(), kernel[None], mode="mirror")
    found = filters.convolved(some, torch.from_numpy(kernel).float())
    np.testing.assert_allclose(found[:, 0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("zoom", [1.0, 1.05, 1.25, 2.25])
def test_resampling_is_scipys_zoom_of_the_middle(zoom):
    side, some = 32, images(32, 32).numpy()
    kept = math.ceil(side / zoom)
    top = (side - kept) // 2
    large = ndimage.zoom(some[top : top + kept, top : top + kept].astype(float), zoom, order=1)
    trim = (len(large) - side) // 2
    expected = large[trim : trim + side, trim : trim + side]
    matrix = filters.resampling(side, zoom).numpy()
    np.testing.assert_allclose(matrix @ some @ matrix.T, expected, atol=1e-5)


@pytest.mark.parametrize(("side", "other"), [(32, 20), (20, 32), (28, 25), (16, 16)])
def test_box_is_pillows(side, other):
    values = (255 * images(side, side)).round().to(torch.uint8).numpy()
    matrix = filters.box(side, other).numpy()
    expected = np.asarray(Image.fromarray(values).resize((other, other), Image.Resampling.BOX))
    assert np.abs(matrix @ values @ matrix.T - expected).max() <= 1


def test_motion_moves_each_image_at_its_own_angle():
    point = torch.zeros(2, 1, 21, 21)
    point[:, :, 10, 10] = 1
    blurred = filters.motion(point, torch.tensor([0, -90]), 3, 2)
    weights = np.exp(-0.5 * (np.arange(7) / 2) ** 2)
    weights /= weights.sum()
    np.testing.assert_allclose(blurred[0, 0, 10, 4:11].numpy()[::-1], weights, atol=1e-6)
    np.testing.assert_allclose(blurred[1, 0, 10:17, 10].numpy(), weights, atol=1e-6)
    assert torch.equal(blurred.sum((1, 2, 3)).round(decimals=5), torch.ones(2))
