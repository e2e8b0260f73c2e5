"""From a claim's groups to the parts that a study can be asked about: its own strategies and students only."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

from augdistill.claims.arms import BASELINE, Arm, Quantity
from augdistill.claims.schema import IN_DISTRIBUTION, Claim, Claims, Group, Study


@dataclass(frozen=True)
class Contrast:
    """One part: pairs of arms plus and minus (several are averaged), what is measured on which test set."""

    label: str
    pairs: tuple[tuple[Arm, Arm], ...]
    pairing: str
    metric: str
    test_set: str
    covariate: tuple[str, str] | None
    """metric and test set at whose equal values the arms are compared"""


@dataclass(frozen=True)
class OverStrategies:
    """One variable of a rank correlation: a metric, and the arm of each strategy."""

    metric: str
    arms: tuple[Arm, ...]


@dataclass(frozen=True)
class Correlation:
    """One part that is a rank correlation of x and y over strategies, perhaps with a third variable held equal."""

    label: str
    x: OverStrategies
    y: OverStrategies
    given: OverStrategies | None
    test_set: str


Spec = Contrast | Correlation


def expand(groups: tuple[Group, ...], claim: Claim, study: Study, claims: Claims) -> tuple[list[Spec], list[str]]:
    """Return the parts of a claim's groups in a study, and the labels of those it cannot be asked about.

    A part is left out if the study has no such strategy or student; test sets, strategies and models are the study's
    names: its own test set, its ladder, its stand-ins.
    """
    parts: list[Spec] = []
    left_out: list[str] = []
    for group in groups:
        for binding in _bindings(group.over):
            values = " ".join(_present(value, study, claims) for value in binding.values())
            label = f"{values} ({group.label})" if values and group.label else values or group.label
            test_set = _test_set(group.test_set or claim.test_set, study)
            if claim.kind == "rank":
                part: Spec | None = _correlation(group, binding, label, test_set, study, claims)
            else:
                part = _contrast(group, binding, label, test_set, group.metric or claim.metric, study, claims)
            if part is None:
                left_out.append(label)
            else:
                parts.append(part)
    return parts, left_out


def _contrast(
    group: Group, binding: Mapping[str, str], label: str, test_set: str, metric: str, study: Study, claims: Claims
) -> Contrast | None:
    assert group.plus is not None
    assert group.minus is not None
    pairs = []
    for more in _bindings(group.average):
        plus = _own(group.plus.filled({**binding, **more}), study, claims)
        minus = _own(group.minus.filled({**binding, **more}), study, claims)
        if plus and minus:
            pairs.append((plus, minus))
    adjust = (group.adjust["metric"], _test_set(group.adjust["test_set"], study)) if group.adjust else None
    return Contrast(label, tuple(pairs), group.pairing, metric, test_set, adjust) if pairs else None


def _correlation(
    group: Group, binding: Mapping[str, str], label: str, test_set: str, study: Study, claims: Claims
) -> Correlation | None:
    def over_strategies(quantity: Quantity | None) -> OverStrategies | None:
        if quantity is None:
            return None
        arms = [_stand_in(quantity.arm.filled(binding), study, claims)] * len(study.augs)
        known = [replace(arm, teacher_aug=aug) for arm, aug in zip(arms, study.augs, strict=True) if arm]
        return OverStrategies(quantity.metric, tuple(known)) if known else None

    x, y = over_strategies(group.x), over_strategies(group.y)
    return Correlation(label, x, y, over_strategies(group.given), test_set) if x and y else None


def _present(value: str, study: Study, claims: Claims) -> str:
    """What a label says of a model: the one that stands in for it where the study lacks it."""
    stand_in = claims.stand_ins.get(value, "")
    return stand_in if value not in study.students and stand_in in study.students else value


def _bindings(over: Mapping[str, tuple[str, ...]]) -> list[dict[str, str]]:
    return [dict(zip(over, values, strict=True)) for values in product(*over.values())]


def _test_set(name: str, study: Study) -> str:
    """The study's own name of a set of images; what follows a + is what it is evaluated under."""
    own, shifted, under = name.partition("+")
    return f"{study.test_set}{shifted}{under}" if own == IN_DISTRIBUTION else name


def _own(arm: Arm, study: Study, claims: Claims) -> Arm | None:
    """The arm under the study's names, or None if it has no such strategy or student."""
    if arm.role == "control":
        return _stand_in(arm, study, claims)
    aug = study.aug(arm.teacher_aug)
    return _stand_in(replace(arm, teacher_aug=aug), study, claims) if aug in study.augs else None


def _stand_in(arm: Arm, study: Study, claims: Claims) -> Arm | None:
    if arm.role != "teacher" and arm.student_aug == BASELINE and BASELINE not in study.student_augs:
        arm = replace(arm, student_aug=study.student_augs[0])
    if arm.role != "teacher" and not arm.model and len(study.students) == 1:
        arm = replace(arm, model=study.students[0])
    if arm.role == "teacher" or arm.model in study.students:
        return arm
    stand_in = claims.stand_ins.get(arm.model, "")
    return replace(arm, model=stand_in) if stand_in in study.students else None
