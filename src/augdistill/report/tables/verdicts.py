"""Verdicts as they are shown: words and numbers for the page, and as .csv (one row per part), .md and .tex."""

from collections.abc import Sequence
from dataclasses import replace

from augdistill.claims.expansion import Contrast
from augdistill.claims.parts import Part, turned
from augdistill.claims.verdict import Verdict
from augdistill.report.sentences import head, part_label, sentences, sides_sign
from augdistill.report.tables.formats import TEX_NEEDS, csv_text, markdown, markdown_table, tex, tex_table
from augdistill.results import labels
from augdistill.stats.decisions import CONTRADICTED, EXCLUDED, IN_PART, NOT_TESTED, SUPPORTED

TONES = {SUPPORTED: "supported", CONTRADICTED: "opposite", IN_PART: "opposite", EXCLUDED: "mixed"}
HEADS = ("Claim", "", "What this study says", "Printed numbers agree")
OF_CLAIM = ("study", "claim", "text", "outcome", "negligible", "primary", "printed_agrees", "p", "level", "holm_step")
OF_LOOK = ("holm_tests", "look", "look_blocks", "planned_blocks", "detectable", "detectable_twice", "hours_twice")
OF_PART = (
    "part",
    "decides",
    "outcome_part",
    "metric",
    "test_set",
    "unit",
    "margin",
    "estimate",
    "ci95_low",
    "ci95_high",
)
BEYOND = (
    "blocks_low",
    "blocks_high",
    "deciding_low",
    "deciding_high",
    "df",
    "part_p",
    "method",
    "mean_plus",
    "mean_minus",
)
CSV_HEADS = (*OF_CLAIM, *OF_LOOK, *OF_PART, *BEYOND, "n_plus", "n_minus", "printed", "probability", "reason")


def tone(verdict: Verdict) -> str:
    """Return how the page colours a verdict."""
    return TONES.get(verdict.outcome, "open" if verdict.is_open else "none")


def margin_text(verdict: Verdict) -> str:
    """Return the margin with its unit."""
    if verdict.claim.margin_unit == "share of base":
        return f"{100 * verdict.margin:g} % of the base"
    return f"{verdict.margin:g} {verdict.claim.unit}".strip()


def levels_text(verdict: Verdict) -> str:
    """Return what was tested at which level: the numbers behind a verdict's words."""
    if verdict.p != verdict.p:
        return ""
    step = f"step {verdict.step} of {verdict.tests} of Holm’s procedure"
    family = "primary claim" if verdict.is_primary and verdict.tests == 1 else step
    look = verdict.look
    planned = "" if look.is_planned else ", not planned"
    seen = f"look {look.number} at {look.blocks} of {look.planned} blocks{planned}"
    p, level = apart(verdict.p, verdict.level)
    level = level if verdict.level > 0 else "0, since earlier looks spent all of the error"
    return f"p {p} against {level}; {family}; {seen}"


def apart(p: float, level: float) -> tuple[str, str]:
    """Return a p-value and its level with so many decimals that they differ where they do."""
    for places in range(4, 9):
        if f"{p:.{places}f}" != f"{level:.{places}f}" or p == level:
            break
    return p_text(p, places), f"{round(level, max(places, 6)):g}"


def notes(verdict: Verdict) -> list[str]:
    """Return what else stands in a verdict's fold, as sentences without a full stop."""
    found = [f"Margin {margin_text(verdict)}"]
    low, high = verdict.ece_floor
    if low == low:
        found.append(f"A perfectly calibrated model would score an ECE of {low:.3f} to {high:.3f} on as many images")
    for part in verdict.deciding:
        if part.probability == part.probability:
            name = f" ({part_label(part)})" if len(verdict.deciding) > 1 else ""
            share = f"{100 * part.probability:.0f} %" if part.probability >= 0.005 else "under 1 %"
            found.append(f"Probability that the effect exceeds the margin, prior N(0, (2 points)²){name}: {share}")
    return [*found, *verdict.warnings]


def digits(verdict: Verdict) -> int:
    """Return the decimals of a verdict's estimates."""
    return 2 if verdict.claim.unit in ("pt", "rho") else 4


def p_text(p: float, places: int = 4) -> str:
    """Return a p-value, "–" if there is none."""
    return "–" if p != p else "< 0.0001" if p < 1e-4 else f"{p:.{places}f}"


def interval_text(bounds: tuple[float, float], places: int) -> str:
    """Return "+0.10 to +0.90", "–" if there is no interval."""
    low, high = bounds
    if low != low:
        return "–"
    return f"{labels.number(low, places, signed=True)} to {labels.number(high, places, signed=True)}"


def part_name(part: Part) -> str:
    """Return a part's name as people write it, or what it measures."""
    name = part_label(part) or labels.metric(part.metric)
    measured = part.spec.metric if isinstance(part.spec, Contrast) else part.metric
    return name if measured == part.metric else f"{name}: {labels.metric(measured)}"


def raw_sides(part: Part) -> Part:
    """Return a part as it is shown: of a metric that has no better side, the arm in question minus its reference."""
    if not isinstance(part.spec, Contrast) or labels.entry(part.spec.metric).better is not None or sides_sign(part) > 0:
        return part
    return replace(
        part,
        estimate=-part.estimate,
        printed=-part.printed,
        ci95=turned(part.ci95, -1.0),
        ci95_blocks=turned(part.ci95_blocks, -1.0),
        deciding=turned(part.deciding, -1.0),
        mean_plus=part.mean_minus,
        mean_minus=part.mean_plus,
        n_plus=part.n_minus,
        n_minus=part.n_plus,
    )


def shown_parts(verdict: Verdict) -> list[tuple[Part, str]]:
    """Return a verdict's parts with what each is: the one that decides, one of its parts, or one beside it.

    Differences are positive as claimed, but `raw_sides` where neither side of a metric beside the claim is better.
    """
    parts: list[tuple[Part, str]] = [(part, "") for part in verdict.deciding]
    if verdict.contrast:
        parts += [(part, "part of it") for part in verdict.parts]
    return [*parts, *((shown, "beside") for shown in map(raw_sides, verdict.secondary))]


def equivalence_p(verdict: Verdict, part: Part) -> float:
    """Return the p of a part that its claim goes by: that of equivalence where "no difference" is claimed."""
    return min(1.0, 2 * part.within) if verdict.claim.kind == "equivalence" else part.p


def to_csv(verdicts: Sequence[Verdict]) -> str:
    """Return one row per part of every claim; a claim that was not tested has one row."""
    rows = []
    for verdict in verdicts:
        claim, can, look = verdict.claim, verdict.detectable, verdict.look
        row: list[object] = [verdict.study, claim.id, claim.text, verdict.outcome, int(verdict.negligible)]
        row += [int(verdict.is_primary), verdict.printed.outcome, _known(verdict.p), _known(verdict.level)]
        row += [verdict.step or "", verdict.tests or "", look.number, look.blocks, look.planned]
        row += [_known(value) for value in ((can.now, can.twice, can.hours) if can else (float("nan"),) * 3)]
        rows += [[*row, *_part_values(part, kind, verdict)] for part, kind in shown_parts(verdict)] or [row]
    return csv_text(CSV_HEADS, [[*row, *[""] * (len(CSV_HEADS) - len(row))] for row in rows])


def _part_values(part: Part, kind: str, verdict: Verdict) -> list[object]:
    measured = part.spec.metric if isinstance(part.spec, Contrast) else part.metric
    bounds = (*part.ci95, *part.ci95_blocks, *part.deciding)
    said = [part.label, int(not kind), part.outcome, measured, part.test_set, verdict.claim.unit]
    numbers = map(_known, (part.margin, part.estimate, *bounds, part.df, equivalence_p(verdict, part)))
    arms = [_known(part.mean_plus), _known(part.mean_minus), part.n_plus, part.n_minus]
    return [*said, *numbers, part.method, *arms, _known(part.printed), _known(part.probability), part.reason]


def _known(value: float) -> object:
    return "" if value != value else value


def _rows(verdicts: Sequence[Verdict]) -> list[list[str]]:
    return [
        [verdict.claim.id, verdict.claim.text, " ".join(sentences(verdict)), verdict.printed.outcome]
        for verdict in verdicts
    ]


def to_markdown(verdicts: Sequence[Verdict]) -> str:
    """Return a row per claim."""
    rows = [[*map(markdown, row)] for row in _rows(verdicts)]
    return markdown_table("What the study says about the paper’s claims", HEADS, rows, left=4)


def to_tex(verdicts: Sequence[Verdict], study: str) -> str:
    """Return a row per claim; the sentences are left to the page."""
    rows = [[tex(verdict.claim.id), tex(verdict.claim.text), tex(head(verdict))] for verdict in verdicts]
    title = "What the study says about the paper's claims"
    made = tex_table(title, f"{study}-verdicts", ("Claim", "", "Outcome"), rows, alignment="lp{6cm}p{5cm}")
    return f"{TEX_NEEDS}\n{made}"


def common_warnings(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the warnings that all tested verdicts of a study share, so that they are said once."""
    tested = [verdict.warnings for verdict in verdicts if verdict.outcome != NOT_TESTED and verdict.parts]
    return [text for text in tested[0] if all(text in warnings for warnings in tested)] if len(tested) > 1 else []
