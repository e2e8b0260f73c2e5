"""The crossed bootstrap: how far a difference of accuracies would move with other test images and other blocks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from augdistill.stats.contrasts import Floats, paired, welch


@dataclass(frozen=True)
class Crossed:
    """A difference of accuracies with the standard error and interval over images and blocks together."""

    value: float
    se: float
    low: float
    high: float


def crossed_bootstrap(
    plus: ArrayLike,
    minus: ArrayLike,
    rng: np.random.Generator,
    *,
    pairs: bool = False,
    draws: int = 2000,
    alpha: float = 0.05,
) -> Crossed:
    """Return mean(plus) - mean(minus) for correctness [blocks, N] of two arms on the same N images, in 0..1.

    Each draw takes N images with replacement, the same ones in both arms, and in each arm one block fewer than there
    are, with replacement: so few blocks would otherwise look less scattered than they are (Rao and Wu 1988). With
    `pairs` both arms take the same blocks. The interval is value +- t * se with the df of the contrast of block means.
    Images and blocks are crossed random factors: Owen, Annals of Applied Statistics 1 (2007) 386. NaN with fewer than
    2 blocks in an arm.
    """
    a, b = np.asarray(plus, dtype=np.float64), np.asarray(minus, dtype=np.float64)
    value = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return Crossed(value, float("nan"), float("nan"), float("nan"))
    blocks = (paired if pairs else welch)(a.mean(axis=1), b.mean(axis=1))
    found = _draw(a, b, rng, pairs, draws)
    se = float(found.std(ddof=1))
    df = float(blocks.df) if np.isfinite(blocks.df) else min(len(a), len(b)) - 1
    half = float(stats.t.isf(alpha / 2, df)) * se
    return Crossed(value, se, value - half, value + half)


def _draw(a: Floats, b: Floats, rng: np.random.Generator, pairs: bool, draws: int) -> Floats:
    """Differences [draws] between resampled arms."""
    both = np.concatenate([a, b])
    images = both.shape[1]
    means = np.empty((draws, len(both)))
    for row in means:
        drawn = np.bincount(rng.integers(images, size=images), minlength=images)
        np.divide(both @ drawn, images, out=row)
    weights_a = _block_weights(rng, len(a), draws)
    weights_b = weights_a if pairs else _block_weights(rng, len(b), draws)
    resampled = np.concatenate([weights_a, -weights_b], axis=1) * means
    return np.asarray(resampled.sum(axis=1), dtype=np.float64)


def _block_weights(rng: np.random.Generator, blocks: int, draws: int) -> Floats:
    """Shares [draws, blocks] of each block among blocks - 1 drawn with replacement."""
    drawn = rng.multinomial(blocks - 1, np.full(blocks, 1 / blocks), size=draws)
    return np.asarray(drawn / (blocks - 1), dtype=np.float64)
