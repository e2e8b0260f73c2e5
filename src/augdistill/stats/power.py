"""What a study can find, and how likely an effect is, from an estimate's standard error alone."""

import numpy as np
from scipy import integrate, optimize, stats

from augdistill.stats.contrasts import Estimate, critical

POWER = 0.8
"""found in four of five studies"""


def detectable(estimate: Estimate, level: float, *, parts: int = 1, power: float = POWER) -> float:
    """Return the smallest difference found in a share `power` of studies like this one, at a two-sided level.

    Of several parts that are all needed each gets a power of 1 - (1 - power) / parts, enough whatever their dependence.
    NaN without a standard error, inf where nothing can be found (level 0).
    """
    df, se = float(estimate.df), float(estimate.se)
    if not (se > 0 and df > 0):
        return float("nan")
    if not level > 0:
        return float("inf")
    bound, target = critical(estimate, level), 1 - (1 - power) / parts

    def lacking(shift: float) -> float:
        return float(stats.nct.sf(bound, df, shift)) - target

    high = 2.0
    while lacking(high) < 0:
        high *= 2
        if high > 1e5:
            return float("inf")
    return float(optimize.brentq(lacking, 0.0, high, xtol=1e-6)) * se


def with_more_blocks(estimate: Estimate, blocks: int, factor: int, fixed: float = 0.0) -> Estimate:
    """Return what an estimate over `blocks` blocks would be with `factor` times as many.

    `fixed` is the variance that stays: that of the test images, the same however many blocks there are.
    """
    scattered = np.maximum(estimate.se**2 - fixed, 0.0) / factor
    df = estimate.df * (factor * blocks - 1) / (blocks - 1)
    counts = (estimate.counts[0] * factor, estimate.counts[1] * factor) if estimate.counts else None
    return Estimate(estimate.value, np.sqrt(scattered + fixed), df, counts)


def probability_above(estimate: Estimate, margin: float, prior_sd: float) -> float:
    """Return the probability that the effect exceeds the margin, given the estimate and the prior N(0, prior_sd^2).

    The likelihood is that of t with the estimate's degrees of freedom. NaN without a standard error.
    """
    value, se, df = float(estimate.value), float(estimate.se), float(estimate.df)
    if not se > 0:
        return float("nan")
    reach = 8 * prior_sd + abs(value) + abs(margin)
    effects = np.unique(np.concatenate([np.linspace(-reach, reach, 4001), value + se * np.linspace(-12, 12, 2001)]))
    effects = np.unique(np.append(effects, margin))
    logs = stats.norm.logpdf(effects, 0, prior_sd) + stats.t.logpdf((value - effects) / se, df)
    density = np.exp(logs - logs.max())
    above = effects >= margin
    return float(integrate.trapezoid(density[above], effects[above]) / integrate.trapezoid(density, effects))
