"""Simulated studies whose truth is known, and the vectorised statistics over many of them."""

from dataclasses import replace

import numpy as np
from scipy import stats

from augdistill.stats import contrasts as st
from augdistill.stats.pooled import UNEQUAL

MANY = 60_000
DECIDING = 0.025 / 12
"""the smallest level at which a claim of cifar10-small is decided, two-sided: 0.0021"""


def larger_p(equal: st.Estimate, own: st.Estimate, responses: np.ndarray) -> st.Estimate:
    """Of many studies: the pooled contrast, or the one with the larger p where s.d. differ by more than UNEQUAL."""
    spread = responses.std(axis=-1, ddof=1)
    unlike = spread.max(axis=1) > UNEQUAL * spread.min(axis=1)
    switch = unlike & (st.p_two_sided(own) > st.p_two_sided(equal))
    chosen = (
        np.where(switch, b, a) for a, b in zip(vars(equal).values(), vars(own).values(), strict=True) if a is not None
    )
    return st.Estimate(*chosen), switch, own.counts


def one_sided(estimate, margin):
    """One-sided p of above, below, short of, within and outside the margin."""
    if isinstance(estimate, tuple):  # a mixture of both tests: the corrected p where Welch's was taken
        mixed, switch, counts = estimate
        pair = one_sided(mixed, margin), one_sided(replace(mixed, counts=counts), margin)
        return {name: np.where(switch, pair[1][name], pair[0][name]) for name in pair[0]}
    return {
        "above": st.p_above(estimate),
        "below": st.p_below(estimate),
        "short": st.p_below(estimate, margin),
        "within": st.tost(estimate, margin),
        "outside": st.p_outside(estimate, margin),
    }


def at_most(count: int, trials: int, rate: float) -> bool:
    return bool(count <= stats.binom.ppf(0.999, trials, min(rate, 1.0)))


def at_least(count: int, trials: int, rate: float) -> bool:
    return bool(count >= stats.binom.ppf(0.001, trials, rate))


GROUP, PAIR = np.array([1, 0, 0, -0.5, -0.5]), np.array([1, 0, 0, -1, 0])
