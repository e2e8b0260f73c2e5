"""FMix: pixels by their definition, one by one, and masks whose spectrum falls as it says."""

import numpy as np
import pytest
import torch

from augdistill.augment.fmix import draw, low_frequency_noise
from augdistill.base.errors import ConfigError
from augmented import BLACK, applied, drawn


@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_fmix_takes_pixel_by_pixel_what_its_mask_says_and_no_other_share(scope: str) -> None:
    sizes = [6, 3]
    images = torch.rand(9, 3, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    draws = drawn("fmix", sizes, 12, scope=scope)
    mixed, targets = applied("fmix", images, torch.eye(9, dtype=torch.float64), draws, sizes, BLACK)
    for row in range(9):
        partner = draws["partner"][row] + (6 if row > 5 else 0)
        mask = torch.from_numpy(draws["theirs"][row])
        assert torch.equal(mixed[row], torch.where(mask, images[partner], images[row]))
        kept = 1 - draws["theirs"][row].mean()
        expected = torch.zeros(9, dtype=torch.float64)
        expected[row] += kept
        expected[partner] += 1 - kept
        torch.testing.assert_close(targets[row], expected, rtol=0, atol=1e-7)


def test_the_share_that_is_kept_is_uniform_at_alpha_1_and_none_is_mixed_at_prob_0() -> None:
    kept = draw(np.random.default_rng(0), [1] * 4000, 16)["lam"]
    assert kept.mean() == pytest.approx(0.5, abs=4 * 12**-0.5 / 4000**0.5)
    assert kept.std() == pytest.approx(12**-0.5, abs=0.01)
    assert not draw(np.random.default_rng(0), [5], 16, prob=0.0)["theirs"].any()


@pytest.mark.parametrize("decay", [1.0, 3.0])
def test_the_spectrum_of_a_mask_falls_as_a_power_of_the_frequency(decay: float) -> None:
    """The slope of log amplitude over log frequency, over the rows' frequencies 2 to 7 of 400 images."""
    noise = low_frequency_noise(np.random.default_rng(0), 400, 32, decay)
    amplitude = np.sqrt((np.abs(np.fft.fft2(noise)) ** 2).mean(axis=0))[0, 2:8]
    slope = np.polyfit(np.log(np.arange(2, 8)), np.log(amplitude), 1)[0]
    assert slope == pytest.approx(-decay, abs=0.1)


def test_a_decay_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^fmix\.decay=0 is out of range: a number above 0"):
        draw(np.random.default_rng(0), [1], 8, decay=0)
