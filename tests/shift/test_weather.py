"""Weather: brightness against a conversion of single pixels, fractals in their range, fog that keeps the brightest."""

import colorsys

import numpy as np
import pytest
import torch

from augdistill.shift import weather
from augdistill.shift.draws import uniform


def chance() -> np.random.Generator:
    return np.random.default_rng(0)


def test_brightness_is_that_of_hsv():
    images = uniform(chance(), (2, 3, 4, 4))
    images[0, :, 0, 0] = 0
    made = weather.brightness(images, 4, chance())
    for image, found in zip(
        images.permute(0, 2, 3, 1).reshape(-1, 3), made.permute(0, 2, 3, 1).reshape(-1, 3), strict=True
    ):
        hue, saturation, value = colorsys.rgb_to_hsv(*image.tolist())
        assert found.tolist() == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(value + 0.2, 1)), abs=1e-5)


@pytest.mark.parametrize("side", [8, 28, 32])
def test_a_fractal_goes_from_none_to_all(side):
    heights = weather.fractal(5, side, 2.0, chance())
    assert heights.shape == (5, side, side)
    assert heights.isfinite().all()
    assert float(heights.min()) >= 0
    assert float(heights.max()) <= 1
    near = (heights[:, 1:] - heights[:, :-1]).abs().mean()
    assert near < (heights[:, side // 2 :] - heights[:, : side - side // 2]).abs().mean()


def test_fog_lifts_the_dark_and_dims_the_bright():
    images = torch.zeros(3, 1, 32, 32)
    images[:, :, :16] = 0.8
    made = weather.fog(images, 3, chance())
    assert float(made[:, :, 16:].mean()) > 0.1
    assert float(made[:, :, :16].mean()) < 0.8
    assert float(made.max()) <= 0.8 + 1e-6


def test_snow_and_frost_are_brighter_in_places():
    images = torch.full((4, 3, 32, 32), 0.2)
    for make in (weather.snow, weather.frost):
        made = make(images, 3, chance())
        assert float(made.max()) > 0.5
        assert made.std() > 0.05
