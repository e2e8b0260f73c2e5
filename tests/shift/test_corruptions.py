"""What every made corruption has in common: seeded, alike in parts, of the shape and size of the images."""

import numpy as np
import pytest

from augdistill.shift import CORRUPTIONS, SEVERITIES, corruptions
from augdistill.shift.corruptions import corrupt


def scene(count: int = 6, channels: int = 3, side: int = 32) -> np.ndarray:
    """Return smooth images, bytes, with an edge."""
    rng = np.random.default_rng(0)
    line = np.linspace(0.2, 0.7, side)
    images = line[:, None] + 0.2 * line + np.where(np.arange(side) > side // 2, 0.15, 0)
    shades = rng.uniform(0.5, 1, (count, channels, 1, 1))
    return (255 * images * shades).round().clip(0, 255).astype(np.uint8)


def test_the_table_has_the_fifteen_of_four_kinds():
    assert len(CORRUPTIONS) == 15
    assert [*dict.fromkeys(entry.kind for entry in CORRUPTIONS.values())] == ["noise", "blur", "weather", "digital"]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_made_again_and_is_worse_at_higher_severity(name):
    images = scene()
    made = {severity: corrupt(images, name, severity) for severity in (1, 5)}
    assert all(values.dtype == np.uint8 and values.shape == images.shape for values in made.values())
    assert np.array_equal(made[1], corrupt(images.copy(), name, 1))
    change = {severity: np.abs(values.astype(int) - images).mean() for severity, values in made.items()}
    assert change[5] > 0.5
    if name not in ("glass_blur", "elastic_transform"):  # whose published severities are of different kinds
        assert change[5] > change[1]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_grey_and_small_images_are_corrupted_too(name):
    images = scene(2, 1, 16)
    for severity in SEVERITIES:
        assert corrupt(images, name, severity).shape == images.shape
    assert len({corrupt(images, name, 5, seed).tobytes() for seed in (0, 1)}) == (
        1 if name in ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression") else 2
    )


def test_images_fare_by_their_place_in_chunks(monkeypatch):
    monkeypatch.setattr(corruptions, "CHUNK", 4)
    images = scene(6)
    whole = corrupt(images, "gaussian_noise", 3)
    assert np.array_equal(whole[:4], corrupt(images[:4], "gaussian_noise", 3))
    assert not np.array_equal(whole[4:], corrupt(images[4:], "gaussian_noise", 3))
