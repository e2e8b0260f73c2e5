"""Rank correlation over strategies, tested by exact permutation."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from augdistill.base.arrays import Floats

EXACT = 9
"""Up to this many strategies every permutation is counted (9! = 362,880); beyond, random ones are drawn."""
DRAWS = 99_999


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho over n strategies with the one-sided p of "above" and "below" zero; NaN where undefined."""

    rho: float
    p_above: float
    p_below: float
    n: int
    exact: bool


def spearman(
    x: ArrayLike, y: ArrayLike, *, given: ArrayLike | None = None, rng: np.random.Generator | None = None
) -> RankCorrelation:
    """Return the rank correlation of x [n] and y [n], or the partial one given z [n], with permutation p-values.

    The null: strategies are exchangeable. Ties get mean ranks. The partial correlation is that of the ranks' residuals
    on the ranks of z, which are permuted (Freedman and Lane 1983): exact for rho, approximate for the partial. Beyond
    9 strategies `rng` draws the permutations, the observed order counted among them.
    """
    a, b = _scores(x, given), _scores(y, given)
    n = len(a)
    size = float(np.sqrt((a @ a) * (b @ b)))
    if n < 3 or not size > 1e-9 * n:
        return RankCorrelation(float("nan"), float("nan"), float("nan"), n, n <= EXACT)
    observed = float(a @ b) / size
    if n <= EXACT:
        orders = np.array(list(permutations(range(n))))
    else:
        if rng is None:
            raise ValueError(f"rank correlation over {n} strategies draws permutations: pass rng")
        orders = rng.permuted(np.tile(np.arange(n), (DRAWS, 1)), axis=1)
    found = (b[orders] @ a) / size
    extra = 0 if n <= EXACT else 1
    above = (extra + np.count_nonzero(found >= observed - 1e-9)) / (extra + len(found))
    below = (extra + np.count_nonzero(found <= observed + 1e-9)) / (extra + len(found))
    return RankCorrelation(observed, float(above), float(below), n, n <= EXACT)


def rho_range(
    variables: Sequence[Sequence[ArrayLike]], rng: np.random.Generator, *, draws: int = 1000
) -> tuple[float, float]:
    """Return the 5 to 95 % range of the rank correlation over resampled blocks; NaN with under two blocks anywhere.

    variables: x, y and perhaps a third held equal, each with the values [n_s] of every strategy, in the same blocks of
    a strategy, since a student's block is its teacher's; blocks of different strategies have nothing in common.
    """
    tables = [[np.asarray(values, dtype=np.float64) for values in each] for each in variables]
    sizes = [len(values) for values in tables[0]]
    if min(sizes, default=0) < 2 or len(sizes) < 3:
        return float("nan"), float("nan")
    drawn = [rng.integers(size, size=(draws, size)) for size in sizes]
    means = [np.array([values[rows].mean(axis=1) for values, rows in zip(each, drawn, strict=True)]) for each in tables]
    a, b, *third = (ranks - ranks.mean(axis=0) for ranks in (stats.rankdata(values, axis=0) for values in means))
    if third:
        a, b = _without(a, third[0]), _without(b, third[0])
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    rho = (a * b).sum(axis=0)[size > 1e-9] / size[size > 1e-9]
    low, high = np.quantile(rho, [0.05, 0.95]) if rho.size else (float("nan"), float("nan"))
    return float(low), float(high)


def _without(ranks: Floats, other: Floats) -> Floats:
    """Ranks [strategies, draws] without their linear dependence on the other's."""
    return np.asarray(ranks - other * (ranks * other).sum(axis=0) / np.maximum((other**2).sum(axis=0), 1e-300))


def _scores(values: ArrayLike, given: ArrayLike | None) -> Floats:
    """Centred ranks [n], without their linear dependence on the ranks of `given`."""
    ranks = stats.rankdata(values) - (len(np.asarray(values)) + 1) / 2
    if given is None:
        return np.asarray(ranks, dtype=np.float64)
    z = _scores(given, None)
    return np.asarray(ranks - z * (z @ ranks) / max(float(z @ z), 1e-300), dtype=np.float64)
