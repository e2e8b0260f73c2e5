"""Digital corruptions against their definitions, and against Pillow."""

import io

import numpy as np
import torch
from PIL import Image

from augdistill.shift import digital
from augdistill.shift.draws import uniform


def chance() -> np.random.Generator:
    return np.random.default_rng(0)


def test_contrast_scales_the_distance_from_the_mean():
    images = uniform(chance(), (2, 3, 8, 8))
    made = digital.contrast(images, 5, chance())
    assert torch.allclose(made.mean((2, 3)), images.mean((2, 3)), atol=1e-6)
    assert torch.allclose(made.std((2, 3)), 0.15 * images.std((2, 3)), atol=1e-6)


def test_pixelate_is_pillows_box_twice():
    values = (255 * uniform(chance(), (1, 1, 32, 32))).round()
    small = Image.fromarray(values[0, 0].byte().numpy()).resize((20, 20), Image.Resampling.BOX)
    expected = np.asarray(small.resize((32, 32), Image.Resampling.BOX))
    assert np.abs(digital.pixelate(values, 5, chance())[0, 0].numpy() - expected).max() <= 2


def test_jpeg_loses_what_pillows_does():
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32).clone()
    ramp[:, :, 10:20, 10:20] = 0.9
    made = (255 * digital.jpeg_compression(ramp, 5, chance())).round()[0].permute(1, 2, 0).numpy()
    content = io.BytesIO()
    Image.fromarray((255 * ramp[0]).round().byte().permute(1, 2, 0).numpy()).save(content, "JPEG", quality=40)
    assert np.abs(made - np.asarray(Image.open(content)).astype(float)).mean() < 1
    assert digital.jpeg_compression(torch.rand(1, 2, 8, 8), 1, chance()).shape == (1, 2, 8, 8)


def test_elastic_moves_what_there_is_and_makes_nothing_new():
    images = uniform(chance(), (3, 1, 32, 32))
    for severity in (1, 5):
        made = digital.elastic_transform(images, severity, chance())
        assert made.isfinite().all()
        assert made.min() >= images.min() - 1e-5
        assert made.max() <= images.max() + 1e-5
    line = torch.linspace(0, 1, 32)[:, None].expand(1, 1, 32, 32)
    moved = digital.elastic_transform(line, 5, chance())
    assert (moved - line).abs()[..., 8:24, 8:24].mean() < 0.15
