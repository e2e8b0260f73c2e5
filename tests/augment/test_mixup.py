"""Mixup: lam is Beta, whatever the scope, and knows nothing of the partners."""

import numpy as np
import pytest
from scipy import stats

from augmented import COUNT, RARE, many, mean_is


@pytest.mark.parametrize("scope", ["batch", "sample"])
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_mixup_lam_is_beta(scope, alpha):
    lam = many("mixup", [2] * (COUNT // 2), scope=scope, alpha=alpha)["lam"]
    lam = lam[::2].astype(float) if scope == "batch" else lam.astype(float)
    assert stats.kstest(lam, stats.beta(alpha, alpha).cdf).pvalue > RARE
    variance = 1 / (4 * (2 * alpha + 1))  # 1/12 at alpha = 1
    assert mean_is(lam, 0.5, variance**0.5)
    assert lam.var() == pytest.approx(variance, rel=0.02)


def test_partners_and_lam_are_independent():
    draws = many("mixup", [2] * 50_000, scope="sample")
    swapped = draws["lam"][draws["partner"] != np.tile([0, 1], 50_000)]
    kept = draws["lam"][draws["partner"] == np.tile([0, 1], 50_000)]
    assert stats.ks_2samp(swapped, kept).pvalue > RARE
    assert abs(np.corrcoef(draws["lam"][:-1], draws["lam"][1:])[0, 1]) < 4 / np.sqrt(len(draws["lam"]))


def test_a_share_of_the_pairs_is_mixed_with_the_batchs_one_lam():
    draws = many("mixup", [100] * 400, pairs=0.3)
    lam, batches = draws["lam"], np.repeat(np.arange(400), 100)
    assert mean_is(lam < 1, 0.3, (0.3 * 0.7) ** 0.5)
    for batch in range(10):
        assert len({*lam[(batches == batch) & (lam < 1)].tolist()}) == 1
    assert np.array_equal(draws["share"], lam)
    assert (many("mixup", [100], pairs=0.0)["lam"] == 1).all()
