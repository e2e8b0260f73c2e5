"""Tests of the images' part of a variance on simulated populations of images."""

import numpy as np
import pytest

from augdistill.stats import contrasts as st
from augdistill.stats.images import image_variance, with_images


def correct(rng, blocks, images, bias, block_sd=0.1):
    """Correctness of two arms: each finds other images hard, by `bias`; the population's difference is 0."""
    difficulty, own = rng.normal(0.5, 1.0, images), bias * rng.normal(0.0, 1.0, images)
    return [
        rng.normal(size=(blocks, images)) < difficulty + side * own + rng.normal(0, block_sd, (blocks, 1))
        for side in (-1, 1)
    ]


@pytest.mark.parametrize("bias", [0.0, 0.7])
def test_the_images_part_makes_the_variance_that_of_new_images_and_blocks(bias):
    rng, found, values, inside = np.random.default_rng(4), [], [], 0
    for _ in range(1500):
        a, b = correct(rng, 5, 120, bias)
        estimate = st.welch(a.mean(axis=1), b.mean(axis=1))
        whole = with_images(estimate, image_variance(a, b), 120)
        low, high = st.interval(whole)
        values.append(float(whole.value))
        found.append(float(whole.se) ** 2)
        inside += low <= 0 <= high
    assert np.mean(found) == pytest.approx(np.var(values), rel=0.1 if bias else 0.25)  # max(0, .) can only add
    assert inside >= 0.93 * 1500


def test_images_that_all_blocks_see_alike_add_the_whole_of_their_variance():
    a = np.tile(np.arange(10) < 7, (3, 1))
    b = np.tile(np.arange(10) % 2 == 0, (3, 1))
    difference = a[0].astype(float) - b[0]
    assert image_variance(a, b) == pytest.approx(difference.var(ddof=1) / 10)
    assert image_variance(a, a) == 0
