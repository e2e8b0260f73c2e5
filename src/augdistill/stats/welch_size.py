"""What Welch's test really spends: its true size whatever the variances are, and p-values corrected by it.

At a nominal one-sided 0.001 Welch's test of 3 and 3 blocks rejects up to 3 times as often. Its size depends on the
ratio of the variances alone and is one integral, over the share of the smaller in the sum of squares; the largest over
all ratios bounds it. A p-value corrected by that bound keeps its level whatever the ratio is, and gives away far less
than the degrees of freedom of the smaller arm would.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from augdistill.base.arrays import Floats

NOMINAL = np.concatenate([np.logspace(-13, -4, 19), np.logspace(-3.8, np.log10(0.5), 24)])
SHARES = special.expit(np.linspace(-8, 8, 33))
NODES = 40


def true_size(level: ArrayLike, shares: ArrayLike, n: int, m: int) -> Floats:
    """Return the one-sided size of Welch's test of n and m normal values at nominal levels; shape [levels, shares].

    `shares` is that of the first arm in the variance of the difference, 0..1.
    """
    a, c = (n - 1) / 2, (m - 1) / 2
    nodes, weights = special.roots_sh_jacobi(NODES, a + c - 1, a)
    weights = weights / weights.sum()
    share = np.asarray(shares, dtype=np.float64)[:, None]
    first, second = share * nodes / (n - 1), (1 - share) * (1 - nodes) / (m - 1)
    df = (first + second) ** 2 / (first**2 / (n - 1) + second**2 / (m - 1))
    critical = stats.t.isf(np.asarray(level, dtype=np.float64)[:, None, None], df)
    total = n + m - 2
    return np.asarray(stats.t.sf(critical * np.sqrt(total * (first + second)), total) @ weights)


def corrected(p: ArrayLike, n: int, m: int) -> Floats:
    """Return one-sided p-values of Welch's test of n and m blocks, corrected so that their size is at most nominal."""
    values = np.asarray(p, dtype=np.float64)
    nominal, size = _bound(n, m)
    with np.errstate(divide="ignore"):
        logs = np.log(np.minimum(values, 0.5))
    found = np.exp(np.interp(logs, nominal, size))
    tiny = values * np.exp(size[0] - nominal[0])
    return np.where(values < 0.5, np.where(logs < nominal[0], tiny, found), values)


def nominal_level(level: float, n: int, m: int) -> float:
    """Return the nominal one-sided level at which Welch's test of n and m blocks has this size at most."""
    nominal, size = _bound(n, m)
    wanted = np.log(level)
    if wanted < size[0]:
        return float(level * np.exp(nominal[0] - size[0]))
    return float(np.exp(np.interp(wanted, size, nominal))) if level < 0.5 else level


@lru_cache(maxsize=64)
def _bound(n: int, m: int) -> tuple[Floats, Floats]:
    """Logarithms of nominal levels and of the largest sizes over all ratios of variances."""
    size = np.maximum(true_size(NOMINAL, SHARES, n, m).max(axis=1), NOMINAL)
    return np.log(NOMINAL), np.log(np.maximum.accumulate(size))
