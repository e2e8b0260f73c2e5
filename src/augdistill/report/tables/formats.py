"""Tables as files: .csv (one row per cell, every number in full), .md, and .tex for booktabs."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from augdistill.report.tables.layout import Column, Table
from augdistill.results import labels
from augdistill.results.cells import Cell

CSV_COLUMNS = ("mean", "sd", "n", "published", "difference", "best", "lost", "metric", "test_set")
TEX = {
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "−": "$-$",
    "±": r"$\pm$",
    "ρ": r"$\rho$",
    "α": r"$\alpha$",
    "×": r"$\times$",
    "–": "--",
    "’": "'",
    "“": "``",
    "”": "''",
}


def to_csv(table: Table) -> str:
    """Return one row per cell: the row's and column's headings, mean, s.d. and n over blocks, the paper's value."""
    if not table.columns:  # of texts alone
        return csv_text(table.row_titles, ([number_or_text(label) for label in row.labels] for row in table.rows))
    rows = [
        [*row.labels, column.group, column.label, *_values(cell)]
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell is not None
    ]
    return csv_text([*table.row_titles, "group", "column", *CSV_COLUMNS], rows)


def _values(cell: Cell) -> list[object]:
    numbers = (cell.mean, cell.sd, cell.n, cell.published, cell.difference)
    known = ("" if number != number else number for number in numbers)
    return [*known, int(cell.best), cell.lost, cell.metric, cell.test_set]


def to_markdown(table: Table) -> str:
    """Return a GitHub-flavoured table under its heading, with its notes below."""
    names = [f"{column.group}: {column.label}" if column.group else column.label for column in table.columns]
    rows = [
        [*map(markdown, row.labels), *(_bold(cell, markdown(cell_text(cell)), "**{}**") for cell in row.cells)]
        for row in table.rows
    ]
    left = len(table.row_titles)
    notes = _all_notes(table)
    return markdown_table(table.heading, [*table.row_titles, *names], rows, left=left, notes=notes)


def to_tex(table: Table) -> str:
    """Return a LaTeX table that needs the package booktabs, its notes as comments above it."""
    left = len(table.row_titles)
    groups = _tex_groups(table.columns, left) if any(column.group for column in table.columns) else []
    rows = [
        [*map(tex, row.labels), *(_bold(cell, tex(cell_text(cell)), r"\textbf{{{}}}") for cell in row.cells)]
        for row in table.rows
    ]
    heads = [*table.row_titles, *(column.label for column in table.columns)]
    alignment = "l" * left + "r" * len(table.columns)
    notes = _all_notes(table)
    return tex_table(table.title, table.key, heads, rows, alignment=alignment, notes=notes, groups=groups)


def _all_notes(table: Table) -> list[str]:
    return [*table.notes, *(f"Printed value, {remark}" for remark in table.remarks)]


def number_or_text(text: str) -> float | str:
    """Return text that is a number as that number."""
    try:
        return float(text.replace("−", "-"))
    except ValueError:
        return text


def csv_text(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([plain(value) for value in row] for row in rows)
    return text.getvalue()


def plain(value: object) -> object:
    """Return a cell of a CSV file; text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def markdown_table(
    heading: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int, notes: Sequence[str] = ()
) -> str:
    """Return a GitHub-flavoured table of escaped cells, the first `left` columns aligned left."""
    rules = ["---" if index < left else "---:" for index in range(len(heads))]
    lines = ["| " + " | ".join(line) + " |" for line in ([*map(markdown, heads)], rules, *rows)]
    return "\n".join([f"**{markdown(heading)}**", "", *lines, "", *(f"- {markdown(note)}" for note in notes), ""])


def tex_table(
    title: str,
    key: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    alignment: str,
    notes: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> str:
    """Return a booktabs table of escaped cells; `groups` are lines above the headings."""
    lines = [f"% {' '.join(note.split())}" for note in notes]  # one that broke a line would no longer be a comment
    lines += [r"\begin{table}", r"\centering", rf"\caption{{{tex(title)}}}", rf"\label{{tab:{key}}}"]
    lines += [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", *groups, _tex_row([*map(tex, heads)]), r"\midrule"]
    lines += [_tex_row(row) for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _tex_groups(columns: Sequence[Column], left: int) -> list[str]:
    """The row of groups' headings, and the rules below them."""
    heads, rules, start = [""] * left, [], left + 1
    for group, members in groupby(columns, key=lambda column: column.group):
        width = len(list(members))
        heads.append(rf"\multicolumn{{{width}}}{{c}}{{{tex(group)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [_tex_row(heads), "".join(rules)]


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def tex(text: str) -> str:
    """Return text with what is special to LaTeX escaped."""
    return "".join(TEX.get(mark, mark) for mark in " ".join(text.split()))


def markdown(text: str) -> str:
    """Return text with what would break a Markdown table escaped."""
    escaped = re.sub(r"([\\|`\[\]])", r"\\\1", text)  # no code, and neither links nor images
    return " ".join(escaped.replace("<", "&lt;").split())


def cell_text(cell: Cell | None) -> str:
    """Return a cell in one line: 0.852 ± 0.004 (5); paper 0.852 (+0.000); diverged 1/5."""
    if cell is None:
        return "–"
    value = f"{labels.number(cell.mean, cell.digits)}{spread_text(cell)}" if cell.n else ""
    paper = f"paper {labels.number(cell.published, cell.digits)} {difference_text(cell)}".strip()
    parts = [value, paper if cell.published == cell.published else "", cell.lost]
    return "; ".join(part for part in parts if part)


def spread_text(cell: Cell) -> str:
    """Return " ± s.d. (n)", the s.d. only where two blocks give one."""
    spread = f" ± {labels.number(cell.sd, cell.digits)}" if cell.n > 1 else ""
    return f"{spread} ({cell.n})"


def difference_text(cell: Cell) -> str:
    """Return "(+0.001)", our mean minus the printed value; nothing without both."""
    known = cell.difference == cell.difference
    return f"({labels.number(cell.difference, cell.digits, signed=True)})" if known else ""


def _bold(cell: Cell | None, text: str, pattern: str) -> str:
    return pattern.format(text) if cell is not None and cell.best and text else text
