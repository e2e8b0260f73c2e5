"""Rank correlation over strategies, tested by exact permutation."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from augdistill.stats.contrasts import Floats

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


def spearman_interval(rho: float, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return an approximate 1 - alpha interval of rho over n > 3 strategies (Bonett and Wright 2000); else NaN."""
    if n <= 3 or not abs(rho) < 1:
        return float("nan"), float("nan")
    half = stats.norm.isf(alpha / 2) * fisher_se(rho, n)
    return float(np.tanh(np.arctanh(rho) - half)), float(np.tanh(np.arctanh(rho) + half))


def p_within(rho: float, n: int, margin: float) -> float:
    """Return the approximate p of "|rho| < margin" over n strategies, two one-sided tests on Fisher's z; else NaN."""
    if n <= 3 or not abs(rho) < 1:
        return float("nan")
    distance = np.arctanh(margin) - abs(np.arctanh(rho))
    return float(stats.norm.sf(distance / fisher_se(rho, n)))


def fisher_se(rho: float, n: int) -> float:
    """Return the standard error of arctanh(rho) for ranks (Bonett and Wright 2000)."""
    return float(np.sqrt((1 + rho**2 / 2) / (n - 3)))


def _scores(values: ArrayLike, given: ArrayLike | None) -> Floats:
    """Centred ranks [n], without their linear dependence on the ranks of `given`."""
    ranks = stats.rankdata(values) - (len(np.asarray(values)) + 1) / 2
    if given is None:
        return np.asarray(ranks, dtype=np.float64)
    z = _scores(given, None)
    return np.asarray(ranks - z * (z @ ranks) / max(float(z @ z), 1e-300), dtype=np.float64)
