"""How many blocks a claim needs: from its margin and the upper limit of the s.d., never from the observed effect."""

import numpy as np
from scipy import stats

CONFIDENCE = 0.8
POWER = 0.8
MOST = 10_000


def sd_upper(sd: float, df: float, confidence: float = CONFIDENCE) -> float:
    """Return the one-sided upper confidence limit of a s.d. estimated with df degrees of freedom."""
    return float(sd * np.sqrt(df / stats.chi2.ppf(1 - confidence, df)))


def power(blocks: int, effect: float, sd: float, alpha: float, *, pairs: bool = False) -> float:
    """Return the chance that `blocks` blocks per arm show an effect of this size, two-sided level alpha, equal s.d.

    `sd` is that of block means, or of the blocks' differences if `pairs` (noncentral t).
    """
    df, se = _design(blocks, sd, pairs)
    return float(stats.nct.sf(stats.t.isf(alpha / 2, df), df, effect / se))


def power_equivalence(blocks: int, margin: float, sd: float, alpha: float, *, pairs: bool = False) -> float:
    """Return a lower bound of the chance that two one-sided tests at alpha / 2 show "within +-margin" of no effect."""
    return max(0.0, 2 * power(blocks, margin, sd, alpha, pairs=pairs) - 1)


def blocks_needed(
    margin: float, sd: float, alpha: float, *, parts: int = 1, pairs: bool = False, equivalence: bool = False
) -> int | None:
    """Return the blocks per arm with which a claim of `parts` parts, all needed, is decided with 80 % chance.

    That is: an effect as large as the margin is told from none, or, for `equivalence`, none from the margin. `sd`
    should be the upper limit of the s.d. (`sd_upper`). Each part gets a power of 1 - 0.2 / parts, enough whatever their
    dependence. None beyond 10,000 blocks or without a s.d.
    """
    if not (sd > 0 and margin > 0 and np.isfinite(sd)):
        return None
    target = 1 - (1 - POWER) / parts
    chance = power_equivalence if equivalence else power

    def enough(blocks: int) -> bool:
        return chance(blocks, margin, sd, alpha, pairs=pairs) >= target

    high = 2
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _design(blocks: int, sd: float, pairs: bool) -> tuple[int, float]:
    """Degrees of freedom and standard error of a contrast of `blocks` blocks per arm."""
    return (blocks - 1, sd / blocks**0.5) if pairs else (2 * blocks - 2, sd * (2 / blocks) ** 0.5)
