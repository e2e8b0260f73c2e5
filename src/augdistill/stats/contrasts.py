"""Contrasts of block means: every test and interval follows from an estimate, its standard error and its df.

Arrays hold blocks on their last axis, so the same functions serve one study and a simulation of thousands.
Undefined is NaN, never a guess: fewer than two blocks in an arm, or no variance at all.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from augdistill.base.arrays import Floats

ROUNDING = 1e-12
"""A s.d. below this share of the values is rounding: the values are equal."""


@dataclass(frozen=True)
class Estimate:
    """An estimate of a difference in the metric's units; the three arrays share one shape, () for a single contrast."""

    value: Floats
    se: Floats
    df: Floats
    counts: tuple[int, int] | None = None
    """blocks of both arms, where p-values and intervals are to be corrected for the true size of Welch's test"""


def welch(plus: ArrayLike, minus: ArrayLike) -> Estimate:
    """Return mean(plus) - mean(minus) for block means [..., n] and [..., m] of unrelated arms, variances unequal.

    Degrees of freedom after Satterthwaite (1946), Welch (1947). `se` and `df` are NaN with fewer than 2 blocks.
    """
    a, b = _floats(plus), _floats(minus)
    shares = variance(a) / a.shape[-1], variance(b) / b.shape[-1]
    total = shares[0] + shares[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        df = total**2 / (shares[0] ** 2 / (a.shape[-1] - 1) + shares[1] ** 2 / (b.shape[-1] - 1))
    return Estimate(_mean(a) - _mean(b), np.sqrt(total), df)


def welch_corrected(plus: ArrayLike, minus: ArrayLike) -> Estimate:
    """Return Welch's contrast, with p-values and intervals that keep their level whatever the variances are."""
    a, b = _floats(plus), _floats(minus)
    return replace(welch(a, b), counts=(a.shape[-1], b.shape[-1]))


def paired(plus: ArrayLike, minus: ArrayLike) -> Estimate:
    """Return the mean of plus - minus for block means [..., n] of arms whose blocks belong together (Student 1908)."""
    differences = _floats(plus) - _floats(minus)
    size = differences.shape[-1]
    scale = np.maximum(np.abs(_floats(plus)), np.abs(_floats(minus))).max(axis=-1, initial=0.0)
    squared = variance(differences, scale) / size
    return Estimate(_mean(differences), np.sqrt(squared), np.full(squared.shape, size - 1.0))


def ancova(values: list[Floats], covariates: list[Floats], plus: int, minus: int) -> Estimate:
    """Return arm `plus` minus arm `minus` of `values`, at equal covariate: one slope within all the arms given.

    values, covariates: block means [n_i] of each arm. The slope is estimated from differences between blocks of one
    arm, never from those between arms; equal residual variances are assumed (Fisher's analysis of covariance).
    """
    centred = [(y - y.mean(), x - x.mean()) for y, x in zip(values, covariates, strict=True)]
    sxx = sum(float(x @ x) for _, x in centred)
    sxy = sum(float(x @ y) for y, x in centred)
    syy = sum(float(y @ y) for y, _ in centred)
    df = sum(len(y) for y in values) - len(values) - 1
    if df < 1 or sxx <= 0:
        return Estimate(np.array(np.nan), np.array(np.nan), np.array(np.nan))
    slope = sxy / sxx
    shift = covariates[plus].mean() - covariates[minus].mean()
    residual = max(syy - slope * sxy, 0.0) / df
    leverage = 1 / len(values[plus]) + 1 / len(values[minus]) + shift**2 / sxx
    value = values[plus].mean() - values[minus].mean() - slope * shift
    return Estimate(np.array(value), np.sqrt(residual * leverage), np.array(float(df)))


def p_above(estimate: Estimate, null: ArrayLike = 0.0) -> Floats:
    """Return the one-sided p of "the difference is above `null`"; NaN where the standard error is zero or undefined."""
    return _as_corrected(_floats(stats.t.sf(_t(estimate, null), estimate.df)), estimate)


def p_below(estimate: Estimate, null: ArrayLike = 0.0) -> Floats:
    """Return the one-sided p of "the difference is below `null`"; NaN where the standard error is zero or undefined."""
    return _as_corrected(_floats(stats.t.cdf(_t(estimate, null), estimate.df)), estimate)


def p_two_sided(estimate: Estimate) -> Floats:
    """Return the two-sided p of "the difference is not zero"."""
    return _floats(2 * np.minimum(p_above(estimate), p_below(estimate)))


def tost(estimate: Estimate, margin: ArrayLike) -> Floats:
    """Return the larger p of the two one-sided tests of "the difference lies within +-margin" (Schuirmann 1987)."""
    return np.maximum(p_above(estimate, -_floats(margin)), p_below(estimate, margin))


def p_outside(estimate: Estimate, margin: ArrayLike) -> Floats:
    """Return the one-sided p of "the difference lies beyond the margin", on the side where the estimate is."""
    return np.minimum(p_above(estimate, margin), p_below(estimate, -_floats(margin)))


def interval(estimate: Estimate, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Return the two-sided interval of level 1 - alpha; NaN where the standard error is zero or undefined."""
    se = np.where(estimate.se > 0, estimate.se, np.nan)
    half = critical(estimate, alpha) * se
    return estimate.value - half, estimate.value + half


def critical(estimate: Estimate, alpha: float) -> Any:
    """Return the value that |t| has to exceed at a two-sided level alpha."""
    from augdistill.stats.welch_size import nominal_level

    level = alpha / 2
    if estimate.counts and min(estimate.counts) > 1 and 0 < level < 0.5:
        level = nominal_level(level, *estimate.counts)
    return stats.t.isf(level, estimate.df)


def intersection_union(p: ArrayLike) -> Floats:
    """Return the p [...] of "every part holds" for the parts' p [..., m]: the largest (Berger 1982); NaN if one is."""
    return _floats(_floats(p).max(axis=-1))


def holm(p: ArrayLike) -> Floats:
    """Return the adjusted p [m] of Holm (1979) for p [m]; NaN, a test that could not be made, counts as 1."""
    values = np.where(np.isnan(_floats(p)), 1.0, _floats(p))
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    return np.minimum(adjusted, 1.0)


def hedges_g(plus: ArrayLike, minus: ArrayLike, *, pairs: bool = False, alpha: float = 0.05) -> tuple[float, ...]:
    """Return Hedges' g and its 1 - alpha interval for block means [n] and [m], the arms' mean variance as its unit.

    The same unit whether the blocks are paired or not, so that both kinds of contrast compare. Large-sample interval
    for unequal variances: Bonett, Psychological Methods 13 (2008) 99. NaN with fewer than 2 blocks or no variance.
    """
    a, b = _floats(plus), _floats(minus)
    va, vb = float(variance(a)), float(variance(b))
    unit = (va + vb) / 2
    if not unit > 0:
        return float("nan"), float("nan"), float("nan")
    raw = float(a.mean() - b.mean()) / np.sqrt(unit)
    na, nb = len(a) - 1, len(b) - 1
    if pairs:
        covariance = float(np.cov(a, b)[0, 1])
        df = na
        spread = raw**2 * (va**2 + vb**2 + 2 * covariance**2) / (8 * unit**2 * df)
        squared = spread + (va + vb - 2 * covariance) / (unit * df)
    else:
        df = na + nb
        squared = raw**2 * (va**2 / na + vb**2 / nb) / (8 * unit**2) + (va / na + vb / nb) / unit
    half = stats.norm.isf(alpha / 2) * np.sqrt(max(squared, 0.0))
    return raw * (1 - 3 / (4 * df - 1)), raw - half, raw + half


def variance(values: Floats, scale: ArrayLike | None = None) -> Floats:
    """Return the unbiased variance [...] of values [..., n]: NaN for n < 2, 0 where the values differ by rounding.

    `scale` is the size that rounding is relative to; by default the largest value.
    """
    if values.shape[-1] < 2:
        return np.full(values.shape[:-1], np.nan)
    found = _floats(values.var(axis=-1, ddof=1))
    size = np.abs(values).max(axis=-1) if scale is None else _floats(scale)
    return _floats(np.where(found > (ROUNDING * size) ** 2, found, 0.0))


def _as_corrected(p: Floats, estimate: Estimate) -> Floats:
    from augdistill.stats.welch_size import corrected

    return corrected(p, *estimate.counts) if estimate.counts and min(estimate.counts) > 1 else p


def _t(estimate: Estimate, null: ArrayLike) -> Floats:
    distance = _floats(estimate.value - _floats(null))
    se = np.broadcast_to(estimate.se, distance.shape)
    return _floats(np.divide(distance, se, out=np.full(distance.shape, np.nan), where=se > 0))


def _mean(values: Floats) -> Floats:
    return _floats(values.mean(axis=-1)) if values.shape[-1] else np.full(values.shape[:-1], np.nan)


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)
