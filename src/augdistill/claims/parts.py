"""One part of a claim, tested on a study's runs: estimate, intervals, p-values, or why there are none."""

from dataclasses import dataclass, replace

import numpy as np

from augdistill.claims.arms import Arm
from augdistill.claims.expansion import Contrast, Correlation, Spec
from augdistill.claims.samples import (
    MOST_LOST,
    Predictions,
    Runs,
    Sample,
    UntestableError,
    block_means,
    correctness,
    describe,
    responses,
    sample,
)
from augdistill.claims.schema import Claim
from augdistill.stats import contrasts as st
from augdistill.stats.images import image_variance, with_images
from augdistill.stats.pooled import UNEQUAL, pooled, sd_ratio
from augdistill.stats.ranks import RankCorrelation, rho_range, spearman

NAN = float("nan")
NO_SCATTER = "the blocks do not differ at all, so nothing says how far they would scatter"
POOLED, WELCH, PAIRED = "one variance for all arms", "Welch, corrected for its true size", "paired by block"
ADJUSTED, PERMUTED = "analysis of covariance", "exact permutation"


@dataclass(frozen=True)
class Part:
    """One part of a claim in the claim's unit, positive as claimed; NaN and `reason` where it could not be tested.

    One-sided p: `above` and `below` zero, `short` of the margin, `within` and `outside` it. n, mean and s.d. are those
    of block means; of a rank correlation n counts strategies. `outcome` and `deciding` are set once the level is known.
    """

    label: str
    metric: str
    test_set: str
    margin: float
    pairs: bool = False
    method: str = ""
    estimate: float = NAN
    ci95: tuple[float, float] = (NAN, NAN)
    ci95_blocks: tuple[float, float] = (NAN, NAN)
    """over blocks alone, where `ci95` holds for other test images too"""
    deciding: tuple[float, float] = (NAN, NAN)
    outcome: str = "open"
    above: float = NAN
    below: float = NAN
    short: float = NAN
    within: float = NAN
    outside: float = NAN
    hedges_g: tuple[float, float, float] = (NAN, NAN, NAN)
    n_plus: int = 0
    n_minus: int = 0
    blocks: int = 0
    """in the smallest arm"""
    mean_plus: float = NAN
    mean_minus: float = NAN
    sd_plus: float = NAN
    sd_minus: float = NAN
    printed: float = NAN
    """the paper's difference, one run per cell"""
    probability: float = NAN
    """that the effect exceeds the margin, under the neutral prior"""
    image_variance: float = 0.0
    reason: str = ""
    warnings: tuple[str, ...] = ()
    contrast: st.Estimate | RankCorrelation | None = None
    spec: Spec | None = None

    @property
    def p(self) -> float:
        """The two-sided p of "not zero"."""
        return float(np.minimum(1.0, 2 * np.minimum(self.above, self.below)))

    @property
    def df(self) -> float:
        return float(self.contrast.df) if isinstance(self.contrast, st.Estimate) else NAN

    @property
    def contains_printed(self) -> bool | None:
        """Whether the 95 % interval contains the paper's difference; None without one of both."""
        low, high = self.ci95
        return None if np.isnan(self.printed) or np.isnan(low) else bool(low <= self.printed <= high)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the interval of level 1 - alpha; NaN for a rank correlation and for level 0."""
        if not isinstance(self.contrast, st.Estimate) or not alpha > 0:
            return NAN, NAN
        low, high = st.interval(self.contrast, alpha)
        return float(low), float(high)


def judge_part(
    spec: Spec, claim: Claim, margin: float, runs: Runs, predictions: Predictions | None, rng: np.random.Generator
) -> Part:
    """Return one part, tested."""
    blank = Part(spec.label, claim.metric, spec.test_set, margin, spec=spec)
    try:
        if isinstance(spec, Correlation):
            return _correlation(blank, spec, claim, runs, rng)
        return replace(_difference(spec, claim, margin, runs, predictions), spec=spec)
    except UntestableError as error:
        return replace(blank, reason=str(error))


def _difference(spec: Contrast, claim: Claim, margin: float, runs: Runs, predictions: Predictions | None) -> Part:
    found = sample(runs, spec.pairs, spec.metric, spec.test_set, spec.pairing, claim.scale)
    part = _described(found, spec.label, spec.metric, spec.test_set, margin)
    if part.reason:
        return part
    if spec.covariate:
        return _adjusted(part, spec, claim, runs)
    own = (st.paired if found.pairs else st.welch_corrected)(found.plus, found.minus)
    contrast, method, warning = own, PAIRED if found.pairs else WELCH, ""
    if claim.variance == "pooled" and not found.pairs:
        contrast, method, warning = _pooled(spec, claim, runs, own)
    if not contrast.se > 0:
        return replace(part, reason=NO_SCATTER)
    part = replace(part, method=method, warnings=(*part.warnings, *([warning] if warning else [])))
    if claim.variance == "pooled":
        part, contrast = _with_images(part, contrast, spec, claim, runs, predictions)
    tested = _tested(part, contrast)
    return _relative(tested, found) if claim.margin_unit == "share of base" else tested


def _pooled(spec: Contrast, claim: Claim, runs: Runs, own: st.Estimate) -> tuple[st.Estimate, str, str]:
    """The contrast under one variance; where arms scatter too differently for that, the one with the larger p."""
    found = responses(runs, spec.pairs, spec.metric, spec.test_set, claim.scale)
    contrast = pooled(found.values, found.weights)
    ratio = sd_ratio(found.values)
    if not ratio > UNEQUAL:
        return contrast, POOLED, ""
    both = [(contrast, POOLED), (own, WELCH)]
    decides, method = max(both, key=lambda each: float(np.nan_to_num(st.p_two_sided(each[0]), nan=1.0)))
    by = f"more than {UNEQUAL:g} times"
    return decides, method, f"the arms' s.d. differ by {by}, so the larger p of both tests decides: {method}"


def _with_images(
    part: Part, contrast: st.Estimate, spec: Contrast, claim: Claim, runs: Runs, predictions: Predictions | None
) -> tuple[Part, st.Estimate]:
    """The part and its contrast with what the choice of test images adds, if every run of it has predictions."""
    low, high = st.interval(contrast)
    part = replace(part, ci95_blocks=(float(low), float(high)))
    both = [correctness(runs, spec, side, predictions) for side in (0, 1)] if predictions else [None, None]
    plus, minus = both
    if plus is None or minus is None:
        missing = f"no predictions on {spec.test_set}: intervals hold for these very test images"
        return replace(part, warnings=(*part.warnings, missing)), contrast
    added = image_variance(claim.scale * plus, claim.scale * minus, pairs=part.pairs)
    return replace(part, image_variance=added), with_images(contrast, added, plus.shape[1])


def contrast_part(found: Sample, label: str, metric: str, test_set: str, margin: float = NAN) -> Part:
    """Return the contrast of a sample's block means, by Welch's test or paired, for any two arms."""
    part = _described(found, label, metric, test_set, margin)
    if part.reason:
        return part
    contrast = (st.paired if found.pairs else st.welch)(found.plus, found.minus)
    if not contrast.se > 0:
        return replace(part, reason=NO_SCATTER)
    g = st.hedges_g(found.plus, found.minus, pairs=found.pairs)
    return replace(_tested(part, contrast), hedges_g=(g[0], g[1], g[2]))


def _described(found: Sample, label: str, metric: str, test_set: str, margin: float) -> Part:
    """The part before any test."""
    part = Part(label, metric, test_set, margin, found.pairs, reason=found.reason, warnings=found.warnings)
    if not (found.plus.size and found.minus.size):
        return part
    return replace(
        part,
        estimate=float(found.plus.mean() - found.minus.mean()),
        n_plus=len(found.plus),
        n_minus=len(found.minus),
        blocks=min(len(found.plus), len(found.minus)),
        mean_plus=float(found.plus.mean()),
        mean_minus=float(found.minus.mean()),
        sd_plus=float(st.variance(found.plus)) ** 0.5,
        sd_minus=float(st.variance(found.minus)) ** 0.5,
    )


def _tested(blank: Part, contrast: st.Estimate) -> Part:
    part = replace(
        blank,
        contrast=contrast,
        estimate=float(contrast.value),
        above=float(st.p_above(contrast)),
        below=float(st.p_below(contrast)),
        short=float(st.p_below(contrast, blank.margin)),
        within=float(st.tost(contrast, blank.margin)),
        outside=float(st.p_outside(contrast, blank.margin)),
    )
    return replace(part, ci95=part.interval(0.05))


def _relative(part: Part, found: Sample) -> Part:
    """The part with a margin that is a share of the minus arm's mean, which is an estimate itself.

    |plus - minus| < r * minus where plus - (1 - r) * minus > 0 and plus - (1 + r) * minus < 0 (Sasabuchi 1988).
    """
    test = st.paired if found.pairs else st.welch_corrected
    share, sign = part.margin, float(np.sign(part.mean_minus))
    lower = test(found.plus, (1 - sign * share) * found.minus)
    upper = test(found.plus, (1 + sign * share) * found.minus)
    short = float(st.p_below(upper))
    within = max(float(st.p_above(lower)), short)
    outside = min(float(st.p_below(lower)), float(st.p_above(upper)))
    return replace(part, short=short, within=within, outside=outside, margin=share * abs(part.mean_minus))


def _adjusted(blank: Part, spec: Contrast, claim: Claim, runs: Runs) -> Part:
    """The arms' difference at equal covariate; the slope is that within the arms of all strategies of this model."""
    assert spec.covariate is not None
    ((plus, minus),) = spec.pairs
    covariate, test_set = spec.covariate
    siblings = (arm for arm in runs.status if replace(arm, teacher_aug=plus.teacher_aug) == plus)
    like = [arm for arm in siblings if arm not in (plus, minus)]
    values, covariates = [], []
    for arm in (plus, minus, *like):
        y = block_means(runs.values(arm, spec.metric, spec.test_set))
        x = block_means(runs.values(arm, covariate, test_set))
        both = sorted(set(x) & set(y))
        values.append(claim.scale * np.array([y[block] for block in both]))
        covariates.append(claim.scale * np.array([x[block] for block in both]))
    kept = [i for i, y in enumerate(values) if len(y) or i < 2]
    if min(len(values[0]), len(values[1])) < 1:
        return replace(blank, reason=f"no {covariate} on {test_set} to adjust for")
    contrast = st.ancova([values[i] for i in kept], [covariates[i] for i in kept], 0, 1)
    if not contrast.se > 0:
        return replace(blank, reason=f"too few blocks to adjust for {covariate} on {test_set}")
    return _tested(replace(blank, method=ADJUSTED), contrast)


def _correlation(blank: Part, spec: Correlation, claim: Claim, runs: Runs, rng: np.random.Generator) -> Part:
    variables = [variable for variable in (spec.x, spec.y, spec.given) if variable]
    blocks = [[_strategy(runs, arm, each.metric, spec.test_set) for arm in each.arms] for each in variables]
    means = np.array([[float(np.mean(list(one.values()))) if one else NAN for one in each] for each in blocks])
    complete = np.logical_and.reduce(np.isfinite(means))
    gaps = [f"left out: {describe(arm)}" for arm, there in zip(spec.y.arms, complete, strict=True) if not there]
    losses = [f"{loss.text}; left out" for arm in spec.y.arms for loss in runs.losses(arm)]
    x, y, *given = means[:, complete]
    least = min((len(one) for each in blocks for one in each), default=0)
    part = replace(blank, n_plus=len(x), n_minus=len(x), blocks=least, warnings=(*gaps, *losses), method=PERMUTED)
    if len(x) < claim.strategies <= len(complete):
        return replace(part, reason=f"{len(x)} of {len(complete)} strategies have values")
    if len(x) < 3:
        return replace(part, reason=f"{len(x)} strategies; a rank correlation needs at least 3")
    rho = spearman(x, y, given=given[0] if given else None, rng=rng)
    if not np.isfinite(rho.rho):
        same = any(len(set(values)) == 1 for values in (x, y))
        third = "the third variable orders the strategies as one of the two does, so nothing is left to correlate"
        return replace(part, reason="all strategies have the same rank" if same else third)
    sign, above, below = (
        (-1.0, rho.p_below, rho.p_above) if claim.direction == "negative" else (1.0, rho.p_above, rho.p_below)
    )
    span = _range(blocks, complete, rng)
    return replace(
        part, contrast=rho, estimate=sign * rho.rho, above=above, below=below, ci95_blocks=turned(span, sign)
    )


def turned(bounds: tuple[float, float], sign: float) -> tuple[float, float]:
    """Return the bounds of a value times the sign."""
    return bounds if sign > 0 else (-bounds[1], -bounds[0])


def _range(
    blocks: list[list[dict[int, float]]],
    complete: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]",
    rng: np.random.Generator,
) -> tuple[float, float]:
    """The 5 to 95 % range of rho over resampled blocks of each strategy."""
    kept = [[one for one, there in zip(each, complete, strict=True) if there] for each in blocks]
    common = [sorted(set.intersection(*map(set, same))) for same in zip(*kept, strict=True)]
    return rho_range([[[one[b] for b in there] for one, there in zip(each, common, strict=True)] for each in kept], rng)


def _strategy(runs: Runs, arm: Arm, metric: str, test_set: str) -> dict[int, float]:
    """The block means of one strategy; none if too many of its runs are lost."""
    if any(loss.share > MOST_LOST for loss in runs.losses(arm)):
        return {}
    return block_means(runs.values(arm, metric, test_set))
