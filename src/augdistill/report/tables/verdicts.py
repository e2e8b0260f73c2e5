"""Verdicts as they are shown: words and numbers for the page, and as .csv (one row per part), .md and .tex."""

from collections.abc import Sequence

from augdistill.claims.parts import Part
from augdistill.claims.verdict import Verdict
from augdistill.report.tables.formats import csv_text, markdown, markdown_table, tex, tex_table
from augdistill.results import labels
from augdistill.stats.decisions import DESCRIPTIVE, MIXED, NEGLIGIBLE, NOT_TESTED, OPPOSITE, SUPPORTED

TONES = {SUPPORTED: "supported", OPPOSITE: "opposite", NEGLIGIBLE: "opposite", MIXED: "mixed", DESCRIPTIVE: "none"}
HEADS = ("Claim", "", "Verdict", "Why", "Printed numbers agree", "Margin", "Blocks needed")
CSV_HEADS = (
    *("study", "claim", "text", "verdict", "printed_agrees", "p", "p_holm", "level", "blocks_needed"),
    *("part", "decides", "metric", "test_set", "unit", "margin", "estimate", "ci95_low", "ci95_high", "deciding_low"),
    *("deciding_high", "hedges_g", "part_p", "n_plus", "n_minus", "crossed_low", "crossed_high", "reason"),
)


def word(verdict: Verdict) -> str:
    """Return the verdict's word, "negligible" added where it holds."""
    return f"{verdict.word}, negligible" if verdict.negligible else verdict.word


def tone(verdict: Verdict) -> str:
    """Return how the page colours a verdict."""
    return TONES.get(verdict.word, "open" if verdict.word != NOT_TESTED else "none")


def margin_text(verdict: Verdict) -> str:
    """Return the margin with its unit."""
    if verdict.claim.margin_unit == "share of base":
        return f"{100 * verdict.margin:g} % of the base"
    return f"{verdict.margin:g} {verdict.claim.unit}".strip()


def digits(verdict: Verdict) -> int:
    """Return the decimals of a verdict's estimates."""
    return 2 if verdict.claim.unit in ("pt", "rho") else 4


def needed_text(verdict: Verdict) -> str:
    return "–" if verdict.blocks_needed is None else str(verdict.blocks_needed)


def p_text(p: float) -> str:
    """Return a p-value with two digits, "–" if there is none."""
    return "–" if p != p else "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def interval_text(bounds: tuple[float, float], places: int) -> str:
    """Return "+0.10 to +0.90", "–" if there is no interval."""
    low, high = bounds
    if low != low:
        return "–"
    return f"{labels.number(low, places, signed=True)} to {labels.number(high, places, signed=True)}"


def part_name(part: Part) -> str:
    """Return a part's label, with the test set where there is one to tell apart."""
    return part.label or labels.metric(part.metric)


def to_csv(verdicts: Sequence[Verdict]) -> str:
    """Return one row per part of every claim; a claim that was not tested has one row."""
    rows = []
    for verdict in verdicts:
        claim = verdict.claim
        head: list[object] = [verdict.study, claim.id, claim.text, word(verdict), verdict.printed.word]
        head += [_known(verdict.p), _known(verdict.p_holm), _known(verdict.level), verdict.blocks_needed or ""]
        parts = [(part, 1) for part in verdict.parts] + [(part, 0) for part in verdict.beside]
        rows += [[*head, *_part_values(part, decides, claim.unit)] for part, decides in parts] or [head]
    return csv_text(CSV_HEADS, [[*row, *[""] * (len(CSV_HEADS) - len(row))] for row in rows])


def _part_values(part: Part, decides: int, unit: str) -> list[object]:
    crossed = (part.crossed.low, part.crossed.high) if part.crossed else (float("nan"), float("nan"))
    numbers = (part.margin, part.estimate, *part.ci95, *part.deciding, part.hedges_g[0], part.p)
    return [
        *(part.label, decides, part.metric, part.test_set, unit),
        *map(_known, numbers),
        *(part.n_plus, part.n_minus),
        *map(_known, crossed),
        part.reason,
    ]


def _known(value: float) -> object:
    return "" if value != value else value


def _rows(verdicts: Sequence[Verdict]) -> list[list[str]]:
    return [
        [
            *(verdict.claim.id, verdict.claim.text, word(verdict), verdict.line, verdict.printed.word),
            *(margin_text(verdict), needed_text(verdict)),
        ]
        for verdict in verdicts
    ]


def to_markdown(verdicts: Sequence[Verdict]) -> str:
    """Return a row per claim."""
    rows = [[*map(markdown, row)] for row in _rows(verdicts)]
    return markdown_table("Verdicts on the paper’s claims", HEADS, rows, left=5)


def to_tex(verdicts: Sequence[Verdict]) -> str:
    """Return a row per claim, for booktabs; the reasons are left to the page."""
    rows = [[*map(tex, row[:3]), *map(tex, row[4:])] for row in _rows(verdicts)]
    heads = [*HEADS[:3], *HEADS[4:]]
    return tex_table("Verdicts on the paper's claims", "verdicts", heads, rows, alignment="lp{6cm}llrr")
