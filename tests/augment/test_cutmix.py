"""CutMix: boxes by their definition, shares by the closed form."""

import inspect

import numpy as np
import pytest
import torch

from augdistill.augment import AUGMENTATIONS
from augmented import BLACK, COUNT, SIDE, applied, drawn, many, mean_is


def test_cutmix_keeps_the_share_that_its_targets_say():
    sizes = [50, 50, 3]
    ones_and_zeros = torch.zeros(103, 1, 32, 32, dtype=torch.float64)
    own = torch.eye(103, dtype=torch.float64)
    draws = drawn("cutmix", sizes, 32, prob=1.0, scope="sample")
    for channel in range(0, 103, 10):
        ones_and_zeros[:] = 0
        ones_and_zeros[channel] = 1  # then pixels say what share of each image comes from sample `channel`
        mixed, targets = applied("cutmix", ones_and_zeros, own, draws, sizes, BLACK[:1])
        torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), targets[:, channel], rtol=0, atol=1e-7)


def cutmix_closed_form() -> tuple[float, float]:
    """Return mean and s.d. of the share that is kept, at alpha = 1: a sum over sides of the box and over its centres.

    lam is uniform, so that int(32 sqrt(1 - lam)) is s with probability ((s + 1)^2 - s^2) / 32^2; rows and columns are
    cut at the edge independently.
    """
    mean = square = 0.0
    for s in range(SIDE):
        lengths = [min(SIDE, centre + s // 2) - max(0, centre - s // 2) for centre in range(SIDE)]
        kept = 1 - np.outer(lengths, lengths) / SIDE**2
        mean += (2 * s + 1) / SIDE**2 * kept.mean()
        square += (2 * s + 1) / SIDE**2 * np.square(kept).mean()
    return mean, (square - mean**2) ** 0.5


@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_cutmix_keeps_as_much_as_the_closed_form(scope):
    mean, sd = cutmix_closed_form()
    assert (round(mean, 4), round(sd, 5)) == (0.7007, 0.18279)
    assert "mean 0.7007, s.d. 0.1828 where mixed" in inspect.getdoc(AUGMENTATIONS["cutmix"].draw)
    lam = many("cutmix", [1] * COUNT, scope=scope, prob=1.0)["lam"].astype(float)
    assert mean_is(lam, mean, sd)
    assert lam.std() == pytest.approx(sd, abs=0.0015)


def test_cutmix_boxes_are_the_definition():
    """Draw the very same chance again, and make each box in plain Python."""
    sizes, prob = [3] * 400, 0.5
    draws = many("cutmix", sizes, seed=5, prob=prob)
    rng = np.random.default_rng(5)
    rng.random(sum(sizes))  # the partners'
    mixed = rng.random(len(sizes)) < prob
    centres = rng.integers(0, SIDE, (2, len(sizes)))
    for batch, lam in enumerate(rng.beta(1.0, 1.0, len(sizes))):
        side = int(SIDE * (1 - lam) ** 0.5) if mixed[batch] else 0
        y, x = (int(value) for value in centres[:, batch])
        top, bottom = max(0, y - side // 2), min(SIDE, y + side // 2)
        left, right = max(0, x - side // 2), min(SIDE, x + side // 2)
        found = {key: draws[key][3 * batch + 1] for key in ("top", "bottom", "left", "right")}
        assert found == {"top": top, "bottom": bottom, "left": left, "right": right}
        kept = 1 - (bottom - top) * (right - left) / SIDE**2
        assert draws["lam"][3 * batch + 1] == pytest.approx(kept, rel=1e-6)
