"""From the p-values of a claim's parts to its verdict word, for one study or arrays of simulated ones.

A word is reached at level a, two-sided, if the parts' intervals of level 1 - a say so:
    supported                 every interval above 0         (equivalence: every interval inside the margin)
    contradicted: opposite    every interval below 0         (equivalence: some interval outside it, level a / parts)
    contradicted: negligible  every interval inside the margin
    mixed                     intervals of level 1 - a / parts put the parts on different sides: one above 0 and another
                              below, or one on a side and another inside the margin that is not significant at all
So a wrong word needs an interval that misses the truth: at most a share a of studies gets a wrong one of the first
three, whatever the truth is. (Of several parts, the one that makes "supported" wrong and the one that makes "opposite"
wrong may differ; each misses on one side, a / 2 + a / 2.) `mixed` adds little; the simulated studies count it too.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from augdistill.stats.contrasts import Floats, holm, intersection_union

ALPHA = 0.05
SUPPORTED, OPPOSITE, NEGLIGIBLE, MIXED = "supported", "contradicted: opposite", "contradicted: negligible", "mixed"
UNDECIDED, DESCRIPTIVE, NOT_TESTED = "undecided", "descriptive", "not tested by this study"
WORDS = (SUPPORTED, OPPOSITE, NEGLIGIBLE, MIXED, UNDECIDED, DESCRIPTIVE, NOT_TESTED)

Levels = dict[str, Floats]
"""word -> the smallest two-sided level at which it is reached, in order of precedence"""


def look_level(looks: int, alpha: float = ALPHA) -> float:
    """Return the level of the k-th look, alpha / 2^k for k = `looks` = 1, 2, ...

    All looks together, alpha / 2 + alpha / 4 + ..., spend no more than alpha, however many there will be.
    """
    return float(alpha / 2**looks)


def difference_levels(above: Floats, below: Floats, within: Floats) -> Levels:
    """Return the level of each word for parts' one-sided p [..., m] of "> 0", "< 0", "within the margin"; NaN is 1."""
    above, below, within = (np.where(np.isnan(p), 1.0, p) for p in (above, below, within))
    parts = above.shape[-1]
    insignificant = 2 * np.minimum(above, below) > ALPHA
    nothing = np.where(insignificant, within, 1.0).min(axis=-1)
    up, down = above.min(axis=-1), below.min(axis=-1)
    split = np.minimum(np.maximum(up, down), np.maximum(np.minimum(up, down), nothing))
    return {
        SUPPORTED: _level(intersection_union(above)),
        OPPOSITE: _level(intersection_union(below)),
        NEGLIGIBLE: _level(intersection_union(within)),
        MIXED: _level(parts * split) if parts > 1 else np.ones(split.shape),
    }


def equivalence_levels(within: Floats, outside: Floats) -> Levels:
    """Return the level of each word for parts' one-sided p [..., m] of "within" and "beyond the margin"; NaN is 1."""
    within, outside = (np.where(np.isnan(p), 1.0, p) for p in (within, outside))
    return {SUPPORTED: _level(intersection_union(within)), OPPOSITE: _level(outside.shape[-1] * outside.min(axis=-1))}


def claim_p(levels: Levels) -> Floats:
    """Return the smallest level at which any word is reached: the claim's p."""
    return np.asarray(np.minimum.reduce(list(levels.values())), dtype=np.float64)


def word_at(levels: Levels, level: float) -> str:
    """Return the verdict word of one study at a level."""
    return next((word for word, reached in levels.items() if reached <= level), UNDECIDED)


def holm_levels(p: Sequence[float], alpha: float) -> tuple[Floats, Floats]:
    """Return Holm's adjusted p [m] and the level [m] at which each of a family's claims is tested in the end.

    A rejected claim keeps the level of its own step; the others have that of the step at which the procedure stopped.
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = holm(values)
    rejected = adjusted <= alpha
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    steps = np.where(rejected, ranks, int(rejected.sum()))
    return adjusted, alpha / np.maximum(len(values) - steps, 1)


def decide(family: Mapping[str, Levels], alpha: float) -> dict[str, tuple[str, float, float]]:
    """Return for each claim of a family its word, its Holm p and its level, all claims of one study at `alpha`."""
    if not family:
        return {}
    adjusted, levels = holm_levels([float(claim_p(found)) for found in family.values()], alpha)
    return {
        claim: (word_at(found, float(level)) if p <= alpha else UNDECIDED, float(p), float(level))
        for (claim, found), p, level in zip(family.items(), adjusted, levels, strict=True)
    }


def _level(p: Floats) -> Floats:
    return np.minimum(2 * p, 1.0)
