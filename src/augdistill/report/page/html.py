"""The report as one page: a template filled in, with styles, script and figures inside it."""

from itertools import groupby
from pathlib import Path
from typing import Any

from augdistill.base.files import write_atomic
from augdistill.base.text import capitalised, pluralise
from augdistill.claims.verdict import Verdict
from augdistill.report.building import Report, StudyReport
from augdistill.report.figures import Figure
from augdistill.report.figures.images import for_page, theme_css, variable
from augdistill.report.page.headline import question
from augdistill.report.sentences import sentences
from augdistill.report.tables import formats
from augdistill.report.tables import verdicts as verdict_tables
from augdistill.report.tables.layout import Column, Table
from augdistill.results import labels
from augdistill.results.cells import Cell
from augdistill.results.frame import ArmKey
from augdistill.results.study import LABELS
from augdistill.stats.decisions import NOT_TESTED

HERE = Path(__file__).parent
TEMPLATE, STYLES, SCRIPT = "page.html.jinja", "page.css", "page.js"
MAIN_FIGURE, SWEEP = "figure-effect", "figure-sweep-1"


def write_page(report: Report) -> Path:
    """Write index.html into the report's folder and return its path."""
    report.folder.mkdir(parents=True, exist_ok=True)
    path = report.folder / "index.html"
    write_atomic(path, render(report).encode())
    return path


def render(report: Report) -> str:
    """Return the page as HTML that needs nothing from elsewhere."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(drawings=drawings, groups=groups, starts=starts)
    environment.filters["capitalize_first"] = capitalised
    template = environment.get_template(TEMPLATE)
    tested = [verdict for verdict in report.verdicts if verdict.outcome != NOT_TESTED]
    return template.render(
        report=report,
        title=" + ".join(study.saved.name for study in report.studies),
        css=Markup((HERE / STYLES).read_text(encoding="utf-8") + theme_css()),
        script=Markup((HERE / SCRIPT).read_text(encoding="utf-8")),
        tested=tested,
        untested=[verdict for verdict in report.verdicts if verdict.outcome == NOT_TESTED],
        common=verdict_tables.common_warnings(report.verdicts),
        says=says,
        labels=labels,
        pluralise=pluralise,
        formats=formats,
        views=verdict_tables,
        question=question([study.saved for study in report.studies]),
        asks_claims=tested or any(asks_claims(study) for study in report.studies),
        of_paper=not any(study.saved.has_own_claims for study in report.studies),
        main_figure=main_figure,
        other_figures=other_figures,
        other_tables=other_tables,
        shifted=shifted,
        swatches={study.saved.name: swatches(study) for study in report.studies},
        anchors={study.saved.name: anchors(study) for study in report.studies},
        behind=behind,
    )


def asks_claims(study: StudyReport) -> bool:
    """Return whether a study has claims to judge, rather than factors or runs that no study planned."""
    return not study.saved.plan.adopted and not study.saved.design.factors


def drawings(drawn: Figure) -> list[tuple[str, Any]]:
    """Return (class, SVG) of each drawing of a figure."""
    from markupsafe import Markup

    return [(kind, Markup(svg)) for kind, svg in for_page(drawn)]


def says(verdict: Verdict) -> list[str]:
    """Return a verdict's sentences after the first, its outcome, which is the badge: one to show, others to fold."""
    return sentences(verdict)[1:]


def groups(columns: tuple[Column, ...]) -> list[tuple[str, int]]:
    """Return the headings of groups of columns with the number of columns below each; none if all are empty."""
    found = [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]
    return found if any(group for group, _ in found) else []


def starts(columns: tuple[Column, ...]) -> set[int]:
    """Return where groups of columns begin, none if there are no groups."""
    widths = [width for _, width in groups(columns)]
    return {sum(widths[:index]) for index in range(len(widths))}


def main_figure(study: StudyReport) -> Any:
    """Return the figure that stands beside the answer, None if there is none."""
    wanted = (SWEEP, MAIN_FIGURE) if study.saved.plan.adopted else (MAIN_FIGURE,)
    found = (drawn for end in wanted for drawn in study.figures if drawn.key.endswith(end))
    return next(found, None)


def other_figures(study: StudyReport) -> list[Any]:
    """Return all other figures but those under shift."""
    main = main_figure(study)
    return [drawn for drawn in study.figures if drawn is not main and not is_shifted(drawn)]


def other_tables(study: StudyReport) -> list[Table]:
    """Return the tables after the first but those under shift."""
    return [table for table in study.tables[1:] if not is_shifted(table)]


def shifted(study: StudyReport) -> tuple[list[Table], list[Figure]]:
    """Return the tables and the figures under shift."""
    return [table for table in study.tables if is_shifted(table)], [one for one in study.figures if is_shifted(one)]


def is_shifted(shown: Table | Figure) -> bool:
    """Return whether a table or figure is about corruptions, attacks or unknown images."""
    return "table-shift-" in shown.key or "figure-shift-" in shown.key


def swatches(study: StudyReport) -> dict[str, str]:
    """Return the colour of each strategy by the words that stand for it in tables, as a CSS variable."""
    names = [*study.saved.augs, LABELS]
    return {labels.strategy(name): f"var({variable(study.palette.colour(name))})" for name in names}


def anchors(study: StudyReport) -> dict[ArmKey, str]:
    """Return where on the page the runs of each arm are listed."""
    return {record.arm: record.anchor for record in study.provenance.arms}


def behind(cell: Cell) -> str:
    """Return the values behind a cell as the page's script reads them: "block.seed value, block.seed value"."""
    return ", ".join(f"{block}.{seed} {cell.shown(value)}" for (block, seed), value in cell.scored)
