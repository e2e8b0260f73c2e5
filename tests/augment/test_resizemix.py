"""ResizeMix against torch.nn.functional.interpolate and a loop over pixels, and its boxes."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from augdistill.augment.resizemix import draw
from augdistill.base.errors import ConfigError
from augmented import BLACK, applied, drawn

SIZES, SIDE = [6, 3], 16


@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_the_box_is_the_whole_partner_made_smaller_and_labels_mix_by_area(scope: str) -> None:
    images = torch.rand(9, 3, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    draws = drawn("resizemix", SIZES, SIDE, scope=scope)
    found, targets = applied("resizemix", images, torch.eye(9, dtype=torch.float64), draws, SIZES, BLACK)
    for row in range(9):
        top, left, bottom = (int(draws[edge][row]) for edge in ("top", "left", "bottom"))
        partner, length = int(draws["partner"][row]) + (6 if row > 5 else 0), bottom - top
        expected, share = images[row].clone(), torch.zeros(9, dtype=torch.float64)
        for y in range(length):
            for x in range(length):
                pixel = images[partner, :, int(y * SIDE / length + 1e-9), int(x * SIDE / length + 1e-9)]
                expected[:, top + y, left + x] = pixel
        assert torch.equal(found[row], expected)
        share[row] += 1 - length**2 / SIDE**2
        share[partner] += length**2 / SIDE**2
        torch.testing.assert_close(targets[row], share, rtol=0, atol=1e-7)


@pytest.mark.parametrize("length", [4, 8, 16])
def test_pixels_are_those_of_interpolate(length: int) -> None:
    images = torch.rand(6, 3, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    size = length / SIDE
    draws = drawn("resizemix", [6], SIDE, smallest=size, largest=size)
    found, _ = applied("resizemix", images, torch.eye(6, dtype=torch.float64), draws, [6], BLACK)
    smaller = functional.interpolate(images[draws["partner"]], size=(length, length), mode="nearest")
    top, left = int(draws["top"][0]), int(draws["left"][0])
    assert torch.equal(found[:, :, top : top + length, left : left + length], smaller)


def test_boxes_lie_inside_and_none_is_there_at_prob_0() -> None:
    draws = draw(np.random.default_rng(0), [1] * 4000, 32)
    length = draws["bottom"] - draws["top"]
    assert (length == draws["right"] - draws["left"]).all()
    assert (length.min(), length.max()) == (3, 25)  # whole pixels of 3.2 to 25.6
    assert min(draws["top"].min(), draws["left"].min()) == 0
    assert max(draws["bottom"].max(), draws["right"].max()) == 32
    none = draw(np.random.default_rng(0), [5], 16, prob=0.0)
    assert (none["top"] == none["bottom"]).all()
    assert (none["lam"] == 1).all()


def test_a_smallest_box_above_the_largest_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^resizemix\.smallest=0\.9 is out of range: a number from 0 to .*, 0\.8"):
        draw(np.random.default_rng(0), [1], 8, smallest=0.9)
