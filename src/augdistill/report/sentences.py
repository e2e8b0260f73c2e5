"""A verdict in plain sentences, with units; letters and numbers of tests stand elsewhere, for those who want them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from augdistill.base.text import capitalised
from augdistill.claims.arms import BASELINE, Arm
from augdistill.claims.expansion import Contrast, Correlation
from augdistill.claims.parts import Part, turned
from augdistill.claims.verdict import Verdict
from augdistill.results import labels
from augdistill.stats import decisions as de

MOST_PARTS = 3
FEW_STRATEGIES = 3


@dataclass(frozen=True)
class Wording:
    """How a metric is spoken of: what it is called, its unit, decimals, and the words for more and less of it."""

    noun: str
    unit: str
    places: int
    more: str = "higher"
    less: str = "lower"


NOUNS = {
    "ece": "calibration error",
    "ece_scaled": "calibration error after temperature scaling",
    "ece_gap": "confidence minus accuracy",
    "human_ce": "distance from human labels",
    "human_ce_scaled": "distance from human labels after temperature scaling",
    "human_kl_off_diagonal": "distance of class means from humans’ off the diagonal",
    "discrimination_corrected": "class discrimination",
}
HEADS = {
    de.SUPPORTED: "Supported",
    de.CONTRADICTED: "Contradicted",
    de.EXCLUDED: "Not settled",
    de.OPEN: "Not settled",
    de.DESCRIPTIVE: "Described, not tested",
    de.NOT_TESTED: "Not tested by this study",
}


def wording(verdict: Verdict, metric: str = "") -> Wording:
    """Return how the metric of a verdict, or of one of its parts, is spoken of."""
    name = metric or verdict.claim.metric
    if verdict.claim.unit == "pt":
        return Wording("accuracy", "points", 2 if verdict.claim.margin < 0.2 else 1, "more", "less")
    unit = "nats" if verdict.claim.unit == "nat" else ""
    return Wording(NOUNS.get(name, labels.metric(name)), unit, 4 if "discrimination" in name else 3)


def sentences(verdict: Verdict) -> list[str]:
    """Return a verdict as sentences: outcome, effects, the paper's numbers, what could have been found."""
    if verdict.outcome == de.NOT_TESTED:
        studies = " or ".join(f"study={name}" for name in verdict.tested_by)
        return [f"{HEADS[de.NOT_TESTED]}; {studies} tests it." if studies else f"{HEADS[de.NOT_TESTED]}."]
    found = [f"{head(verdict)}.", *_effects(verdict), *_printed(verdict), *_could_find(verdict)]
    return [sentence for sentence in found if sentence]


def outcome_words(outcome: str) -> str:
    """Return an outcome in the words that a sentence begins with, whatever its numbers."""
    return HEADS.get(outcome, "Contradicted in part")


def head(verdict: Verdict) -> str:
    """Return the outcome in words, without a full stop."""
    words = HEADS.get(verdict.outcome, "")
    if any(verdict.refuted) and verdict.outcome in (de.IN_PART, de.CONTRADICTED):
        words = _in_part(verdict)
    elif verdict.outcome == de.EXCLUDED:
        words += f", but {_excluded(verdict)} is excluded"
    elif verdict.outcome == de.OPEN and _excludes_print(verdict):
        words += f", but {_named_effect(verdict)} as large as the paper’s is excluded"
    elif verdict.negligible:
        words += ", but negligible"
    return words + (f", by the look at {verdict.decided_at} blocks" if verdict.decided_at else "")


def clause(part: Part, how: Wording, *, is_first: bool = True, with_reference: bool = True) -> str:
    """Return one difference: LeNet students of Mixup scored 0.3 points more than ... (95 % interval ...)."""
    if not isinstance(part.spec, Contrast):
        return _rank(part)
    subject, reference, sign = _sides(part.spec)
    value, (low, high) = sign * part.estimate, turned(part.ci95, sign)
    amount, side = _amount(value, how)
    unit = f" {how.unit}" if how.unit else ""
    span = f" ({'95 % interval ' if is_first else ''}{_span(low, high, how, side)})" if low == low else ""
    if how.noun == "accuracy":
        verb = "scored " if is_first else ""
        than = f" than {reference}" if with_reference else ""
        return f"{subject} {verb}{amount}{unit if is_first else ''} {side}{than}{span}"
    than = f" than for {reference}" if with_reference else ""
    return f"{f'{how.noun} was ' if is_first else ''}{amount}{unit} {side} for {subject}{than}{span}"


def _effects(verdict: Verdict) -> list[str]:
    parts = verdict.deciding
    lacking = [part for part in parts if part.reason]
    if lacking and verdict.outcome in (de.OPEN, de.DESCRIPTIVE):
        more = f" (and {len(lacking) - 1} more)" if lacking[1:] else ""
        named = f"{part_label(lacking[0])}: " if part_label(lacking[0]) else ""
        return [f"{capitalised(f'{named}{_part_words(lacking[0].reason)}{more}')}."]
    shown = _shown(verdict, [part for part in parts if not part.reason])
    if verdict.claim.kind == "rank":
        ranks = ", ".join(_rank(part) for part in shown)
        strategies = max(part.n_plus for part in shown)
        needs = f"; a test needs {verdict.claim.strategies} strategies" if verdict.outcome == de.DESCRIPTIVE else ""
        return [f"{capitalised(ranks)}, over {strategies} strategies{needs}."]
    how = wording(verdict)
    references = [_sides(part.spec)[1] for part in shown if isinstance(part.spec, Contrast)]
    text = "; ".join(
        clause(part, how, is_first=number == 0, with_reference=number == 0 or references[number] != references[0])
        for number, part in enumerate(shown)
    )
    found = [f"{capitalised(text)}."]
    if len(shown) < len(parts):
        found += _which(verdict, len(shown))
    elif verdict.outcome == de.OPEN and len(parts) > 1 and verdict.claim.kind == "difference":
        found.append(f"The claim needs {'both' if len(parts) == 2 else f'all {len(parts)}'}.")
    return found


def _shown(verdict: Verdict, parts: Sequence[Part]) -> Sequence[Part]:
    """The parts worth a clause: the refuted ones, or all if they are few, else those nearest to another outcome."""
    if verdict.refuted:
        return sorted((p for p in parts if p.label in verdict.refuted), key=lambda p: -abs(p.estimate))[:MOST_PARTS]
    if len(parts) <= MOST_PARTS:
        return parts
    largest = verdict.claim.kind == "equivalence" or verdict.outcome == de.EXCLUDED
    return sorted(parts, key=lambda part: -abs(part.estimate) if largest else part.estimate)[:2]


def _which(verdict: Verdict, shown: int) -> list[str]:
    """Which of a verdict's differences are told, where it is not all that its outcome speaks of."""
    if verdict.refuted:
        against = len(verdict.refuted)
        return [f"These are the {shown} largest of the {against} that speak against it."] if shown < against else []
    largest = verdict.claim.kind == "equivalence" or verdict.outcome == de.EXCLUDED
    return [f"These are the two {'largest' if largest else 'weakest'} of {len(verdict.deciding)} differences."]


def _in_part(verdict: Verdict) -> str:
    """Contradicted for X, as claimed for Y, open for Z."""
    groups = {"Contradicted": verdict.refuted}
    rest = [part for part in verdict.parts if part.label not in verdict.refuted]
    if verdict.claim.kind != "equivalence":
        groups["as claimed"] = tuple(part.label for part in rest if part.outcome == de.SUPPORTED)
        groups["open"] = tuple(part.label for part in rest if part.outcome != de.SUPPORTED)
    named = {word: [_part_words(label) for label in found] for word, found in groups.items() if found}
    return ", ".join(f"{word} for {_joined(names)}" for word, names in named.items())


def _excluded(verdict: Verdict) -> str:
    how = wording(verdict)
    margin = max(part.margin for part in verdict.deciding)
    return f"{_named_effect(verdict)} of more than {margin:.3g}{f' {how.unit}' if how.unit else ''}"


def _named_effect(verdict: Verdict) -> str:
    """A loss or a gain, as the claim has it."""
    signs = {_sides(part.spec)[2] for part in verdict.deciding if isinstance(part.spec, Contrast)}
    if wording(verdict).noun != "accuracy" or len(signs) != 1:
        return "an effect"
    return "a loss" if signs == {-1.0} else "a gain"


def _excludes_print(verdict: Verdict) -> bool:
    """Whether every interval ends short of what the paper prints, on the side of the claim."""
    known = [part for part in verdict.deciding if part.contains_printed is not None]
    return bool(known) and len(known) == len(verdict.deciding) and all(
        part.printed > 0 and part.ci95[1] < part.printed for part in known
    )  # fmt: skip


def _printed(verdict: Verdict) -> list[str]:
    parts = verdict.deciding
    is_known = all(part.contains_printed is not None for part in parts)
    if not is_known or len(parts) > MOST_PARTS or verdict.claim.kind == "rank":
        return []
    how, sides = wording(verdict), []
    for part in parts:
        assert isinstance(part.spec, Contrast)
        sides.append(_amount(_sides(part.spec)[2] * part.printed, how))
    unit = f" {how.unit}" if how.unit else ""
    said = _joined([f"{amount}{unit} {side}" for amount, side in sides])
    inside = {bool(part.contains_printed) for part in parts}
    if len(parts) == 1:
        return [f"The paper prints {said}; our interval {'contains' if True in inside else 'excludes'} it."]
    verb = {True: "contain these", False: "exclude these"}[inside.pop()] if len(inside) == 1 else ""
    mixed = ", ".join(
        f"{'contains' if part.contains_printed else 'excludes'} it for {part_label(part)}" for part in parts
    )
    return [
        f"The paper prints {said}; our intervals {verb}." if verb else f"The paper prints {said}; our interval {mixed}."
    ]


def _could_find(verdict: Verdict) -> list[str]:
    can = verdict.detectable
    if can is None or not 0 < can.now < 1e6:
        return []
    how = wording(verdict)
    unit = f" {how.unit}" if how.unit else ""
    now, twice = (f"{size:.{how.places}f}{unit}" for size in (can.now, can.twice))
    hours = f" and take {can.hours:.2g} hours" if can.hours == can.hours else ""
    return [f"{can.blocks} blocks find {now} in four of five studies; {2 * can.blocks} find {twice}{hours}."]


def _rank(part: Part) -> str:
    sign = -1.0 if _is_negative(part) else 1.0
    low, high = turned(part.ci95_blocks, sign)
    span = f" (5 to 95 % range over blocks {labels.number(low, 2)} to {labels.number(high, 2)})" if low == low else ""
    return f"for {part_label(part) or 'the model'} rho is {labels.number(sign * part.estimate, 2)}{span}"


def _is_negative(part: Part) -> bool:
    contrast = part.contrast
    return bool(contrast is not None and hasattr(contrast, "rho") and contrast.rho * part.estimate < 0)


def _sides(spec: Contrast | Correlation | None) -> tuple[str, str, float]:
    """Whom a difference is about, what it is compared with, and the sign that makes it the first minus the second."""
    assert isinstance(spec, Contrast)
    plus, minus = ([pair[side] for pair in spec.pairs] for side in (0, 1))
    is_turned = _is_reference(plus[0], minus[0])
    subject, reference = (minus, plus) if is_turned else (plus, minus)
    return _who(subject), _who(reference, of=subject), -1.0 if is_turned else 1.0


def sides_sign(part: Part) -> float:
    """Return the sign that makes a difference the arm in question minus what it is compared with."""
    return _sides(part.spec)[2]


def _is_reference(plus: Arm, minus: Arm) -> bool:
    """Whether the first arm is what the second is compared with: plainer, or the teachers of its students."""
    if plus.role == "control" or (plus.role == "teacher" and minus.role != "teacher"):
        return True
    plain = {BASELINE, ""}
    return plus.teacher_aug in plain and minus.teacher_aug not in {*plain, "labels"} and plus.role == minus.role


def _who(arms: Sequence[Arm], of: Sequence[Arm] = ()) -> str:
    """A group of arms in words: LeNet students of Mixup and CutMix teachers."""
    first = arms[0]
    augs = dict.fromkeys(arm.teacher_aug for arm in arms)
    names = [aug if aug == BASELINE else labels.strategy(aug) for aug in augs]
    listed = _joined(names) if len(names) <= FEW_STRATEGIES else "all"
    if first.role == "teacher":
        if of and of[0].role == "student" and len(names) > 1:
            return "their own teachers"
        return f"the {listed} teacher{'s' if len(names) > 1 else ''}" if listed != "all" else "the teachers"
    models = _joined(list(dict.fromkeys(labels.model(arm.model) for arm in arms)))
    if first.role == "control":
        return f"{models} trained on labels alone"
    if of and of[0].role == first.role and [arm.model for arm in of] == [arm.model for arm in arms]:
        models = ""
    own = list(
        dict.fromkeys(labels.strategy(arm.student_aug) for arm in arms if arm.student_aug not in ("", "baseline"))
    )
    tail = f", themselves with {_joined(own)}," if own else ""
    who = f"{models} students" if models else "those"
    if of and [arm.teacher_aug for arm in of] == [arm.teacher_aug for arm in arms]:
        return f"{who} without augmentation of their own"
    return f"{who} of {'the teachers' if listed == 'all' else f'{listed} teachers'}{tail}"


def part_label(part: Part) -> str:
    """Return a part's name as people write it: Mixup LeNet."""
    return _part_words(part.label)


def _part_words(label: str) -> str:
    known = labels.names()
    names = sorted(map(re.escape, known), key=len, reverse=True)
    return re.sub(rf"(?<![\w-])(?:{'|'.join(names)})(?![\w-])", lambda found: known[found[0]], label)


def _amount(value: float, how: Wording) -> tuple[str, str]:
    return f"{abs(value):.{how.places}f}", how.more if value >= 0 else how.less


def _span(low: float, high: float, how: Wording, side: str) -> str:
    """0.6 to 2.0 less, or 1.6 less to 1.0 more."""
    if low * high > 0:
        near, far = sorted((abs(low), abs(high)))
        return f"{near:.{how.places}f} to {far:.{how.places}f} {side}"
    return f"{abs(low):.{how.places}f} {how.less} to {high:.{how.places}f} {how.more}"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
