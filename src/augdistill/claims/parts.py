"""One part of a claim, tested on a study's runs: estimate, intervals, p-values, effect size, or why there are none."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from augdistill.claims.expansion import Contrast, Correlation, Spec
from augdistill.claims.samples import MOST_LOST, Runs, Sample, UntestableError, block_means, describe, sample
from augdistill.claims.schema import Arm, Claim
from augdistill.stats import contrasts as st
from augdistill.stats.bootstrap import Crossed, crossed_bootstrap
from augdistill.stats.power import sd_upper
from augdistill.stats.ranks import RankCorrelation, p_within, spearman, spearman_interval

NAN = float("nan")
Predictions = Callable[[str, str], "np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None"]
"""(run, test set) -> whether each image is classified correctly, bool [N]; None if there are no predictions"""


@dataclass(frozen=True)
class Part:
    """One part of a claim in the claim's unit, positive as claimed; NaN and `reason` where it could not be tested.

    One-sided p: `above` and `below` zero, `within` and `outside` the margin. n, mean and s.d. are those of block means;
    of a rank correlation n counts strategies. `word` and `deciding` are set once the claim's level is known.
    """

    label: str
    metric: str
    test_set: str
    margin: float
    pairs: bool = False
    estimate: float = NAN
    ci95: tuple[float, float] = (NAN, NAN)
    deciding: tuple[float, float] = (NAN, NAN)
    word: str = "undecided"
    above: float = NAN
    below: float = NAN
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
    sd_limit: float = NAN
    """upper 80 % limit of the s.d. of block means, or of their differences if paired"""
    crossed: Crossed | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    contrast: st.Estimate | RankCorrelation | None = None

    @property
    def p(self) -> float:
        """The two-sided p of "not zero"."""
        return float(np.minimum(1.0, 2 * np.minimum(self.above, self.below)))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the interval of level 1 - alpha."""
        if isinstance(self.contrast, st.Estimate):
            low, high = st.interval(self.contrast, alpha)
            return float(low), float(high)
        return spearman_interval(self.estimate, self.n_plus, alpha) if self.contrast else (NAN, NAN)


def judge_part(
    spec: Spec, claim: Claim, margin: float, runs: Runs, predictions: Predictions | None, rng: np.random.Generator
) -> Part:
    """Return one part, tested."""
    blank = Part(spec.label, claim.metric, spec.test_set, margin)
    try:
        if isinstance(spec, Correlation):
            return _correlation(blank, spec, claim, runs, rng)
        return _difference(spec, claim, margin, runs, predictions, rng)
    except UntestableError as error:
        return replace(blank, reason=str(error))


def _difference(
    spec: Contrast, claim: Claim, margin: float, runs: Runs, predictions: Predictions | None, rng: np.random.Generator
) -> Part:
    found = sample(runs, spec.pairs, spec.metric, spec.test_set, spec.pairing, claim.scale)
    if spec.covariate and not found.reason:
        return _adjusted(_described(found, spec.label, spec.metric, spec.test_set, margin), spec, claim, runs)
    relative = claim.margin_unit == "share of base"
    part = contrast_part(found, spec.label, spec.metric, spec.test_set, margin, relative=relative)
    if claim.crossed_bootstrap and predictions and not part.reason:
        part = _with_images(part, spec, claim, runs, predictions, rng)
    return part


def contrast_part(
    found: Sample, label: str, metric: str, test_set: str, margin: float = NAN, *, relative: bool = False
) -> Part:
    """Return the contrast of a sample's block means; `margin` is in their units, or `relative` to the minus arm."""
    part = _described(found, label, metric, test_set, margin)
    if part.reason:
        return part
    contrast = (st.paired if found.pairs else st.welch)(found.plus, found.minus)
    if not contrast.se > 0:
        return replace(part, reason="the blocks do not differ at all, so nothing says how far they would scatter")
    g = st.hedges_g(found.plus, found.minus, pairs=found.pairs)
    # The harmonic size turns the standard error of Welch's difference into the s.d. of one block mean.
    size = len(found.plus) if found.pairs else 1 / (1 / len(found.plus) + 1 / len(found.minus))
    limit = sd_upper(float(contrast.se) * size**0.5, float(contrast.df))
    tested = replace(_tested(part, contrast), hedges_g=(g[0], g[1], g[2]), sd_limit=limit)
    return _relative(tested, found) if relative else tested


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
        within=float(st.tost(contrast, blank.margin)),
        outside=float(st.p_outside(contrast, blank.margin)),
    )
    return replace(part, ci95=part.interval(0.05))


def _relative(part: Part, found: Sample) -> Part:
    """The part with a margin that is a share of the minus arm's mean, which is an estimate itself.

    |plus - minus| < r * minus where plus - (1 - r) * minus > 0 and plus - (1 + r) * minus < 0 (Sasabuchi 1988).
    """
    test = st.paired if found.pairs else st.welch
    share, sign = part.margin, float(np.sign(part.mean_minus))
    lower = test(found.plus, (1 - sign * share) * found.minus)
    upper = test(found.plus, (1 + sign * share) * found.minus)
    within = max(float(st.p_above(lower)), float(st.p_below(upper)))
    outside = min(float(st.p_below(lower)), float(st.p_above(upper)))
    return replace(part, within=within, outside=outside, margin=share * abs(part.mean_minus))


def _adjusted(blank: Part, spec: Contrast, claim: Claim, runs: Runs) -> Part:
    """The arms' difference at equal covariate; the slope is that within the arms of all strategies of this model."""
    assert spec.covariate is not None
    ((plus, minus),) = spec.pairs
    covariate, test_set = spec.covariate
    like = [arm for arm in _siblings(runs, plus) if arm not in (plus, minus)]
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
    return _tested(blank, contrast)


def _siblings(runs: Runs, arm: Arm) -> list[Arm]:
    """The arms that differ from this one in the teacher's strategy only."""
    return [found for found in runs.status if replace(found, teacher_aug=arm.teacher_aug) == arm]


def _correlation(blank: Part, spec: Correlation, claim: Claim, runs: Runs, rng: np.random.Generator) -> Part:
    variables = [variable for variable in (spec.x, spec.y, spec.given) if variable]
    found = [[_strategy(runs, arm, each.metric, spec.test_set) for arm in each.arms] for each in variables]
    means = np.array([[float(np.mean(blocks)) if blocks else NAN for blocks in each] for each in found])
    complete = np.logical_and.reduce(np.isfinite(means))
    gaps = [f"left out: {describe(arm)}" for arm, there in zip(spec.y.arms, complete, strict=True) if not there]
    losses = [f"{loss.text}; left out" for arm in spec.y.arms for loss in runs.losses(arm)]
    x, y, *given = means[:, complete]
    least = min((len(blocks) for each in found for blocks in each), default=0)
    part = replace(blank, n_plus=len(x), n_minus=len(x), blocks=least, warnings=(*gaps, *losses))
    if len(x) < claim.strategies <= len(complete):
        return replace(part, reason=f"{len(x)} of {len(complete)} strategies have values")
    if len(x) < 3:
        return replace(part, reason=f"{len(x)} strategies; a rank correlation needs at least 3")
    rho = spearman(x, y, given=given[0] if given else None, rng=rng)
    if not np.isfinite(rho.rho):
        return replace(part, reason="all strategies have the same rank")
    sign, above, below = 1.0, rho.p_above, rho.p_below
    if claim.direction == "negative":
        sign, above, below = -1.0, below, above
    within = p_within(rho.rho, rho.n, blank.margin)
    part = replace(part, contrast=rho, estimate=sign * rho.rho, above=above, below=below, within=within)
    return replace(part, ci95=part.interval(0.05))


def _strategy(runs: Runs, arm: Arm, metric: str, test_set: str) -> list[float]:
    """The block means of one strategy; none if too many of its runs are lost."""
    if any(loss.share > MOST_LOST for loss in runs.losses(arm)):
        return []
    return list(block_means(runs.values(arm, metric, test_set)).values())


def _with_images(
    part: Part, spec: Contrast, claim: Claim, runs: Runs, predictions: Predictions, rng: np.random.Generator
) -> Part:
    """The part with its crossed bootstrap interval beside it, if every run of both arms has predictions."""
    ((plus, minus),) = spec.pairs
    correct = [_correct(runs, arm, spec, predictions) for arm in (plus, minus)]
    if any(arm is None for arm in correct):
        return replace(part, warnings=(*part.warnings, f"no predictions on {spec.test_set} to bootstrap images"))
    a, b = correct
    assert a is not None
    assert b is not None
    crossed = crossed_bootstrap(claim.scale * a, claim.scale * b, rng, pairs=part.pairs)
    return replace(part, crossed=crossed)


def _correct(runs: Runs, arm: Arm, spec: Contrast, predictions: Predictions) -> st.Floats | None:
    """Correctness [blocks, N], the mean over the students of each block, or None if any run has no predictions."""
    blocks: dict[int, list[st.Floats]] = {}
    for (block, _), found in sorted(runs.runs(arm, spec.metric, spec.test_set).items()):
        for run in found:
            correct = predictions(run, spec.test_set)
            if correct is None:
                return None
            blocks.setdefault(block, []).append(np.asarray(correct, dtype=np.float64))
    return np.array([np.mean(students, axis=0) for students in blocks.values()])
