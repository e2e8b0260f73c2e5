"""From the p-values of a claim's parts to its outcome, for one study or arrays of simulated ones.

An outcome is reached at level a, two-sided, if the intervals of level 1 - a of the parts that decide say so:
    supported                   every interval above 0    (equivalence: every interval inside the margin)
    contradicted                every interval below 0    (equivalence: one of level 1 - a / parts beyond the margin)
    contradicted in part        of several parts, an interval of level 1 - a / parts below 0
    excluded beyond the margin  every interval below the margin
So a wrong outcome needs an interval that misses the truth: at most a share a of studies gets one, whatever it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from augdistill.base.arrays import Floats
from augdistill.stats.contrasts import intersection_union

ALPHA = 0.05
SUPPORTED, CONTRADICTED, IN_PART = "supported", "contradicted", "contradicted in part"
EXCLUDED, OPEN = "excluded beyond the margin", "open"
DESCRIPTIVE, NOT_TESTED = "descriptive", "not tested by this study"
OUTCOMES = (SUPPORTED, CONTRADICTED, IN_PART, EXCLUDED, OPEN, DESCRIPTIVE, NOT_TESTED)

Levels = dict[str, Floats]
"""outcome -> the smallest two-sided level at which it is reached, in order of precedence"""


@dataclass(frozen=True)
class Decision:
    """A claim's outcome; `p` is the smallest level with any, `level` what it is compared with, at Holm's `step`."""

    outcome: str
    p: float
    level: float
    step: int
    tests: int


def difference_levels(above: Floats, below: Floats, short: Floats) -> Levels:
    """Return the level of each outcome for parts' one-sided p [..., m] of "> 0", "< 0", "< margin"; NaN is 1."""
    above, below, short = (np.where(np.isnan(p), 1.0, p) for p in (above, below, short))
    parts = above.shape[-1]
    one = below.min(axis=-1)
    return {
        SUPPORTED: _level(intersection_union(above)),
        CONTRADICTED: _level(intersection_union(below)),
        IN_PART: _level(parts * one) if parts > 1 else np.ones(one.shape),
        EXCLUDED: _level(intersection_union(short)),
    }


def equivalence_levels(within: Floats, outside: Floats) -> Levels:
    """Return the level of each outcome for parts' one-sided p [..., m] of "within" and "outside" the margin."""
    within, outside = (np.where(np.isnan(p), 1.0, p) for p in (within, outside))
    return {SUPPORTED: _level(intersection_union(within)), CONTRADICTED: _level(outside.shape[-1] * outside.min(-1))}


def outcome_at(levels: Levels, level: float) -> str:
    """Return the outcome of one study at a level."""
    return next((outcome for outcome, reached in levels.items() if reached <= level), OPEN)


def decide(
    family: Mapping[str, Levels], level_of: Callable[[float], float], alpha: float = ALPHA
) -> dict[str, Decision]:
    """Return the decision on each claim of a family, by Holm's procedure (1979).

    `level_of` turns a share of alpha into the level at this look. A rejected claim keeps the level of its own step; the
    others have that of the step at which the procedure stopped.
    """
    p = {claim: float(np.min(list(levels.values()))) for claim, levels in family.items()}  # any outcome is reached at
    found: dict[str, Decision] = {}
    step, stopped = 0, False
    for claim in sorted(p, key=lambda claim: p[claim]):
        level = level_of(alpha / (len(p) - step))
        stopped = stopped or not p[claim] <= level
        outcome = OPEN if stopped else outcome_at(family[claim], level)
        found[claim] = Decision(outcome, p[claim], level, step + 1, len(p))
        step += not stopped
    return {claim: found[claim] for claim in family}


def _level(p: Floats) -> Floats:
    return np.asarray(np.minimum(2 * p, 1.0))
