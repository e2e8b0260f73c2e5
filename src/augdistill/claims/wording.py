"""The line that explains a verdict."""

import math
from typing import TYPE_CHECKING

from augdistill.claims.parts import Part
from augdistill.stats import decisions as de

if TYPE_CHECKING:
    from augdistill.claims.verdict import Verdict


PART_WORDS = {
    de.SUPPORTED: "as claimed",
    de.OPPOSITE: "the opposite",
    de.NEGLIGIBLE: "negligible",
    de.UNDECIDED: "open",
}


def explain(verdict: "Verdict") -> str:
    """Return one line that says what the verdict rests on."""
    if verdict.word == de.NOT_TESTED and not verdict.tested_by:
        return verdict.word
    if verdict.word == de.NOT_TESTED:
        return f"{verdict.word}; {' and '.join(f'study={name}' for name in verdict.tested_by)} tests it"
    if verdict.word == de.DESCRIPTIVE:
        return f"{verdict.word}: {_ranks(verdict)}"
    word = f"{verdict.word}, negligible" if verdict.negligible else verdict.word
    return f"{word}: {_reason(verdict)}; {_tested(verdict)}"


def _reason(verdict: "Verdict") -> str:
    parts, unit = verdict.parts, f" {verdict.claim.unit}" if verdict.claim.unit else ""
    lacking = [part for part in parts if part.reason]
    if lacking and verdict.word == de.UNDECIDED:
        return f"{_named(lacking[0])}{lacking[0].reason}" + (f" (and {len(lacking) - 1} more)" if lacking[1:] else "")
    if verdict.word in (de.MIXED, de.UNDECIDED):
        return f"{_listed(parts)}{_more(verdict)}"
    largest = max((part for part in parts if not part.reason), key=lambda part: abs(part.estimate))
    within = f"within +-{largest.margin:.3g}{unit}"
    if verdict.claim.kind == "equivalence" and verdict.word == de.OPPOSITE:
        return f"{', '.join(_short(part) for part in parts if part.word == de.OPPOSITE)}{unit}: not {within}"
    if verdict.claim.kind == "equivalence" or verdict.word == de.NEGLIGIBLE:
        return f"{_all(parts)} {within}, largest {_estimate(largest, unit)}"
    sign = "above 0" if verdict.word == de.SUPPORTED else "below 0"
    nearest = min(parts, key=lambda part: abs(part.estimate))
    return f"{_all(parts)} {sign}, nearest {_estimate(nearest, unit)}"


def _more(verdict: "Verdict") -> str:
    """What would decide an undecided claim."""
    if verdict.word != de.UNDECIDED or verdict.blocks_needed is None:
        return ""
    blocks = min(part.blocks for part in verdict.parts)
    if verdict.blocks_needed <= blocks:
        return f"; {blocks} blocks are enough for the margin, the effect is near it or near 0"
    return f"; about {verdict.blocks_needed} blocks would be enough for the margin, now {blocks}"


def _ranks(verdict: "Verdict") -> str:
    found = ", ".join(_rank(part, verdict.claim.direction) for part in verdict.parts)
    count = max((part.n_plus for part in verdict.parts), default=0)
    return f"{count} strategies, a test needs {verdict.claim.strategies}; {found}"


def _rank(part: Part, direction: str) -> str:
    rho = -part.estimate if direction == "negative" else part.estimate
    return f"{part.label} {part.reason}" if part.reason else f"{part.label} rho {rho:+.2f} (p {_p(part.p)})"


def _tested(verdict: "Verdict") -> str:
    family = f", Holm over {verdict.family} claims {_p(verdict.p_holm)}" if verdict.family > 1 else ""
    look = f" (look {verdict.look})" if verdict.look > 1 else ""
    return f"p {_p(verdict.p)}{family}, against {verdict.look_level:.3g}{look}"


def _listed(parts: tuple[Part, ...]) -> str:
    found = {name: [_short(part) for part in parts if part.word == word] for word, name in PART_WORDS.items()}
    return "; ".join(f"{name}: {', '.join(listed)}" for name, listed in found.items() if listed)


def _short(part: Part) -> str:
    return f"{part.label} {part.estimate:+.3g}" if part.label else f"{part.estimate:+.3g}"


def _all(parts: tuple[Part, ...]) -> str:
    return "the difference" if len(parts) == 1 else "both parts" if len(parts) == 2 else f"all {len(parts)} parts"


def _estimate(part: Part, unit: str) -> str:
    low, high = part.ci95
    notes = [f"95 % {low:+.3g} to {high:+.3g}"] if math.isfinite(low) else []
    notes += [part.label] if part.label else []
    return f"{part.estimate:+.3g}{unit} ({', '.join(notes)})"


def _named(part: Part) -> str:
    return f"{part.label}: " if part.label else ""


def _p(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
