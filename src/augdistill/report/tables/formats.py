"""Tables as files: .csv (one row per cell, every number in full), .md, and .tex for booktabs."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from augdistill.report.tables.layout import Column, Table
from augdistill.results import labels
from augdistill.results.cells import Cell

CSV_COLUMNS = ("mean", "sd", "n", "published", "difference", "unit", "best", "below", "lost", "metric", "test_set")
TEX_NEEDS = r"% needs \usepackage{booktabs,graphicx,xcolor}"
TEX_WIDTH, TEX_FITS = 80, 120  # letters in the text of a page, and what can be made to fit it and still be read
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
    "‖": r"$\Vert$",
    "²": "$^2$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "“": "``",
    "”": "''",
}


def to_csv(table: Table) -> str:
    """Return one row per cell: headings, mean, s.d. and n over blocks, the paper's value, in the unit of the page."""
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
    mean, sd, published, difference = (
        "" if number != number else cell.scale * number
        for number in (cell.mean, cell.sd, cell.published, cell.difference)
    )
    unit = "%" if cell.scale == 100 else labels.entry(cell.metric).unit
    marks = int(cell.best), int(cell.below)
    return [mean, sd, cell.n, published, difference, unit, *marks, cell.lost, cell.metric, cell.test_set]


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


def to_tex(table: Table, study: str) -> str:
    """Return LaTeX tables as wide as a page at most: one, or several of some columns each, the notes below the last."""
    left, label = len(table.row_titles), f"{study}-{table.key.removeprefix(f'{study}-')}"
    made = []
    chunks = _pages(table)
    for number, chunk in enumerate(chunks):
        columns = [table.columns[i] for i in chunk]
        groups = _tex_groups(columns, left) if any(column.group for column in columns) else []
        rows = [[*map(tex, row.labels), *(_tex_cell(row.cells[i]) for i in chunk)] for row in table.rows]
        heads = [*table.row_titles, *(column.label for column in columns)]
        is_last = number == len(chunks) - 1
        notes = [*([table.grey] if table.grey else []), *_all_notes(table)] if is_last else []
        title = table.title if number == 0 else f"{table.title}, continued"
        key = label if number == 0 else f"{label}-{number + 1}"
        alignment = "l" * left + "r" * len(columns)
        wide = _width(table, chunk) > TEX_WIDTH
        made.append(tex_table(title, key, heads, rows, alignment=alignment, notes=notes, groups=groups, wide=wide))
    return f"{TEX_NEEDS}\n" + "\n".join(made)


def _pages(table: Table) -> list[list[int]]:
    """The columns of each of the tables that one is split into, groups of columns kept together where they fit."""
    groups = [[i for i, _ in members] for _, members in groupby(enumerate(table.columns), key=lambda one: one[1].group)]
    pieces = [
        piece for group in groups for piece in ([group] if _width(table, group) <= TEX_FITS else map(_alone, group))
    ]
    pages: list[list[int]] = []
    for piece in pieces:
        if pages and _width(table, [*pages[-1], *piece]) <= TEX_FITS:
            pages[-1] = [*pages[-1], *piece]
        else:
            pages.append(piece)
    return pages or [[]]  # of a table whose columns are all words


def _alone(index: int) -> list[int]:
    return [index]


def _width(table: Table, columns: Sequence[int]) -> int:
    """How many letters a table of some columns is wide, with two between them."""
    names = [max(map(len, each)) for each in zip(table.row_titles, *(row.labels for row in table.rows), strict=True)]
    cells = [max(len(table.columns[i].label), *(len(cell_text(row.cells[i])) for row in table.rows)) for i in columns]
    return sum(names) + sum(cells) + 2 * (len(names) + len(cells) - 1)


def _tex_cell(cell: Cell | None) -> str:
    text = _bold(cell, tex(cell_text(cell)), r"\textbf{{{}}}")
    return rf"\textcolor{{gray}}{{{text}}}" if cell is not None and cell.below else text


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
    wide: bool = False,
) -> str:
    """Return a booktabs table of escaped cells, made as wide as the page if it is `wide`; notes stand below it.

    `groups` are lines above the headings.
    """
    lines = [r"\begin{table}[p]", r"\centering\footnotesize", rf"\caption{{{tex(title)}}}", rf"\label{{tab:{key}}}"]
    opening = r"\resizebox{\textwidth}{!}{" if wide else ""
    lines += [
        rf"{opening}\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        *groups,
        _tex_row([*map(tex, heads)]),
        r"\midrule",
    ]
    lines += [*map(_tex_row, rows), r"\bottomrule", r"\end{tabular}" + ("}" if wide else "")]
    if notes:
        lines.append(rf"\par\smallskip\parbox{{\textwidth}}{{\footnotesize {' '.join(map(tex, notes))}}}")
    return "\n".join([*lines, r"\end{table}", ""])


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
    """Return a cell in one line: 85.2 ± 0.4 (5); paper 85.2 (+0.0); diverged 1/5."""
    if cell is None:
        return "–"
    value = f"{cell.shown(cell.mean)}{spread_text(cell)}" if cell.n else ""
    paper = f"paper {cell.shown(cell.published)} {difference_text(cell)}".strip()
    parts = [value, paper if cell.published == cell.published else "", cell.lost]
    return "; ".join(part for part in parts if part)


def spread_text(cell: Cell) -> str:
    """Return " ± s.d. (n)", the s.d. only where two blocks give one."""
    spread = f" ± {cell.shown(cell.sd)}" if cell.n > 1 else ""
    return f"{spread} ({cell.n})"


def difference_text(cell: Cell) -> str:
    """Return "(+0.1)", our mean minus the printed value; nothing without both."""
    known = cell.difference == cell.difference
    return f"({cell.shown(cell.difference, signed=True)})" if known else ""


def _bold(cell: Cell | None, text: str, pattern: str) -> str:
    return pattern.format(text) if cell is not None and cell.best and text else text
