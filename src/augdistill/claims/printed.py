"""Whether the numbers that the paper prints agree with a claim, computed through the claim's own data."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from augdistill.claims.arms import Arm
from augdistill.claims.expansion import Contrast, Spec, expand
from augdistill.claims.schema import Claim, Claims, Study
from augdistill.stats.ranks import spearman

PUBLISHED = Path(__file__).with_name("published.csv")
STRATEGIES = ("baseline", "flip-crop", "cutout", "mixup", "cutmix")
YES, NO, NOT_CLEARLY, NOT_PRINTED = "yes", "no", "not clearly", "not printed"


Numbers = dict[tuple[str, ...], float]
"""(role, model or "", teacher_aug, student_aug, metric, test set, the last two in print's names) -> value"""


@dataclass(frozen=True)
class Agreement:
    """Whether print agrees with a claim: a word, a line that says why, and each printed part, positive as claimed."""

    outcome: str
    explanation: str
    parts: tuple[tuple[str, float], ...]


def load_published(path: Path = PUBLISHED) -> pd.DataFrame:
    """Return every number that the paper prints, one per row: table, role, model, ..., metric, value, note."""
    return pd.read_csv(path, keep_default_na=False)


def printed_numbers(published: pd.DataFrame) -> Numbers:
    """Return the first printed number of each arm, metric and test set; later tables repeat some, rounded otherwise."""
    numbers: Numbers = {}
    columns = ("role", "model", "teacher_aug", "student_aug", "metric", "test_set", "value")
    for role, model, *rest, value in zip(*(published[name].tolist() for name in columns), strict=True):
        for each in (model, ""):
            numbers.setdefault((role, each, *rest), float(value))
    return numbers


def agrees_with_print(claim: Claim, claims: Claims, numbers: Numbers, margin: float | None = None) -> Agreement:
    """Return whether the printed numbers, one run per cell, agree with a claim.

    `yes`: every printed part does. `no`: a part points the other way by more than the margin. `not clearly`: it does so
    by less; or, where the claim is "no difference", a part exceeds the margin, which one run per cell cannot settle.
    """
    limit = claim.margin if margin is None else margin
    test_set = claims.printed.in_distribution.get(claim.dataset)
    if test_set is None:
        return Agreement(NOT_PRINTED, "nobody has printed numbers of it", ())
    paper = Study("paper", 1, (), STRATEGIES, ("lenet", "alexnet"), claim.dataset, test_set)
    specs, _ = expand(claim.parts, claim, paper, claims)
    parts = [(spec.label, printed_difference(spec, claim, claims, numbers)) for spec in specs]
    if any(np.isnan(value) for _, value in parts):
        missing = ", ".join(label for label, value in parts if np.isnan(value))
        return Agreement(NOT_PRINTED, f"the paper does not print {missing}", tuple(parts))
    if claim.margin_unit:
        limit *= float(np.mean([_mean(spec, claims, numbers) for spec in specs if isinstance(spec, Contrast)]))
    return (_equivalence if claim.kind == "equivalence" else _directional)(claim, limit, tuple(parts))


def _directional(claim: Claim, limit: float, parts: tuple[tuple[str, float], ...]) -> Agreement:
    against = [(label, value) for label, value in parts if value <= 0]
    if not against:
        return Agreement(YES, f"all {len(parts)} printed parts as claimed", parts)
    outcome = NO if min(value for _, value in against) < -limit else NOT_CLEARLY
    listed = ", ".join(f"{label} {value:+.3g}" for label, value in against)
    return Agreement(outcome, f"against it, in {claim.unit or claim.metric}: {listed}", parts)


def _equivalence(claim: Claim, limit: float, parts: tuple[tuple[str, float], ...]) -> Agreement:
    label, largest = max(parts, key=lambda part: abs(part[1]))
    outcome = YES if abs(largest) < limit else NOT_CLEARLY
    return Agreement(outcome, f"printed differences up to {abs(largest):.3g} {claim.unit} ({label})", parts)


def printed_difference(spec: Spec, claim: Claim, claims: Claims, numbers: Numbers) -> float:
    """Return the difference, or rank correlation, that the paper prints for a part, positive as claimed; else NaN."""
    look = partial(_number, claims=claims, numbers=numbers, test_set=spec.test_set)
    if isinstance(spec, Contrast):
        return claim.scale * float(np.mean([look(a, spec.metric) - look(b, spec.metric) for a, b in spec.pairs]))
    x, y = ([look(arm, variable.metric) for arm in variable.arms] for variable in (spec.x, spec.y))
    rho = spearman(x, y).rho if np.isfinite([*x, *y]).all() else float("nan")
    return -rho if claim.direction == "negative" else rho


def _mean(spec: Contrast, claims: Claims, numbers: Numbers) -> float:
    return abs(float(np.mean([_number(b, spec.metric, claims, numbers, spec.test_set) for _, b in spec.pairs])))


def _number(arm: Arm, metric: str, claims: Claims, numbers: Numbers, test_set: str) -> float:
    if arm.variant:
        return float("nan")
    names = claims.printed.metrics.get(metric, metric), claims.printed.test_sets.get(test_set, test_set)
    return numbers.get((arm.role, arm.model, arm.teacher_aug, arm.student_aug, *names), float("nan"))
