"""Contrasts of arms under one additive model, arm + block, whose residual variance all arms share."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from augdistill.base.arrays import Floats
from augdistill.stats.contrasts import Estimate

UNEQUAL = 3.0
"""Beyond this ratio of the arms' s.d. one variance for all of them is not to be relied upon."""


def pooled(responses: ArrayLike, weights: ArrayLike) -> Estimate:
    """Return the contrast with `weights` [a], summing to 0, of block means [..., a, b]; NaN where an arm lacks a block.

    In balanced data this is the mixed model with random blocks and Kenward-Roger's degrees of freedom, (a-1)(b-1);
    unbalanced data, without leading axes, go through least squares. `se` is NaN without degrees of freedom, or where
    what is there does not determine the contrast.
    """
    values, share = np.asarray(responses, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    return _least_squares(values, share) if np.isnan(values).any() else _balanced(values, share)


def sd_ratio(responses: ArrayLike) -> float:
    """Return the largest s.d. over blocks of arms [a, b] over the smallest; NaN are left out, 1 with under two arms."""
    rows = [row[np.isfinite(row)] for row in np.asarray(responses, dtype=np.float64)]
    spread = [float(row.std(ddof=1)) for row in rows if len(row) > 1]
    if len(spread) < 2 or max(spread) == 0:
        return 1.0
    return max(spread) / min(spread) if min(spread) > 0 else float("inf")


def _balanced(values: Floats, weights: Floats) -> Estimate:
    arms, blocks = values.shape[-2:]
    means = values.mean(axis=-1)
    residual = values - means[..., None] - values.mean(axis=-2)[..., None, :] + means.mean(axis=-1)[..., None, None]
    df = (arms - 1) * (blocks - 1)
    squares = (residual**2).sum(axis=(-2, -1))
    floor = (1e-12 * np.abs(values).max(axis=(-2, -1), initial=0.0)) ** 2 * residual[..., :, :].size
    squares = np.where(squares > floor, squares, 0.0)
    variance = squares / df if df else np.full(squares.shape, np.nan)
    return Estimate(means @ weights, np.sqrt(variance * (weights**2).sum() / blocks), np.full(squares.shape, float(df)))


def _least_squares(values: Floats, weights: Floats) -> Estimate:
    arm, block = np.nonzero(np.isfinite(values))
    arms, blocks = values.shape
    design = np.zeros((len(arm), arms + blocks))
    design[np.arange(len(arm)), arm] = 1
    design[np.arange(len(arm)), arms + block] = 1
    inverse = linalg.pinv(design.T @ design)
    target = values[arm, block]
    wanted = np.concatenate([weights, np.zeros(blocks)])
    df = len(arm) - int(np.linalg.matrix_rank(design))
    is_determined = np.allclose(wanted @ inverse @ (design.T @ design), wanted, atol=1e-8)
    if df < 1 or not is_determined:
        return Estimate(np.array(np.nan), np.array(np.nan), np.array(np.nan))
    beta = inverse @ (design.T @ target)
    residual = target - design @ beta
    squares = float(residual @ residual) if np.abs(residual).max() > 1e-12 * np.abs(target).max() else 0.0
    return Estimate(
        np.array(wanted @ beta), np.array((squares / df * (wanted @ inverse @ wanted)) ** 0.5), np.array(float(df))
    )
