"""What a table is: rows of cells under grouped columns, each column's best marked."""

from collections.abc import Sequence
from dataclasses import dataclass

from augdistill.results.cells import Cell, Cells, is_testable, mark_best
from augdistill.results.frame import ArmKey

Wanted = tuple[ArmKey, str, str] | None
"""The arm, metric and test set of a cell; None where there can be none."""


@dataclass(frozen=True)
class Column:
    """A column's heading, and that of the group of columns it stands in."""

    group: str
    label: str


@dataclass(frozen=True)
class Row:
    """A row's headings and cells, None where the study plans no run."""

    labels: tuple[str, ...]
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Table:
    """One table of the report; `key` is its files' name, `number` the paper's, empty for our own.

    Number and title come from its line in TABLES.
    """

    key: str
    row_titles: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    """on printed values that contradict others"""
    number: str = ""
    title: str = ""
    grey: str = ""
    """what a grey cell is, if there is one"""

    @property
    def heading(self) -> str:
        return f"{self.number}. {self.title}" if self.number else self.title


@dataclass(frozen=True)
class Line:
    """A row as it is asked for; cells are compared with those of the same `peers`, down a column."""

    labels: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    peers: str = ""


def build(
    key: str,
    row_titles: Sequence[str],
    columns: Sequence[Column],
    lines: Sequence[Line],
    cells: Cells,
    *,
    printed: str = "",
    notes: Sequence[str] = (),
    along_rows: bool = False,
) -> Table | str:
    """Return a table without its empty columns and rows, or why there is none: no number in it at all.

    `printed` is the table of the paper whose numbers stand beside ours. The best is marked among a column's peers, or
    `along_rows` among a row's cells of one group of columns.
    """
    found = [[cells.get(*want, printed) if want else None for want in line.wanted] for line in lines]
    kept = [i for i in range(len(columns)) if any(row[i] is not None for row in found)]
    if not any(cell.n for row in found for cell in row if cell):
        return "no run that it is made of is there yet"
    shown = tuple(columns[i] for i in kept)
    found = [[row[i] for i in kept] for row in found]
    if along_rows:
        marked = [_marked(row, [column.group for column in shown]) for row in found]
    else:
        peers = [line.peers for line in lines]
        marked = [
            list(row)
            for row in zip(*(_marked(list(column), peers) for column in zip(*found, strict=True)), strict=True)
        ]
    rows = tuple(
        Row(line.labels, tuple(row))
        for line, row in zip(lines, marked, strict=True)
        if any(cell is not None for cell in row)
    )
    compared = "row" if along_rows else "column"
    all_notes = (*_reading(rows, compared), *notes)
    is_grey = any(cell.below for row in rows for cell in row.cells if cell)
    grey = f"Grey: significantly below the best of its {compared} (one-sided Welch tests, Holm over it, 5 %)."
    return Table(key, tuple(row_titles), shown, rows, all_notes, _remarks(rows, shown), grey=grey if is_grey else "")


def _marked(cells: list[Cell | None], peers: Sequence[str]) -> list[Cell | None]:
    """Cells with the best of each group of peers marked."""
    marked = list(cells)
    for name in dict.fromkeys(peers):
        group = {i: cell for i, cell in enumerate(cells) if peers[i] == name}
        for i, cell in mark_best(group).items():
            marked[i] = cell
    return marked


def _reading(rows: Sequence[Row], compared: str) -> list[str]:
    """How the numbers of a table are to be read; the best is that of its row or column."""
    cells = [cell for row in rows for cell in row.cells if cell]
    notes = ["Mean ± s.d. over blocks (number of blocks); a block's value is the mean over its students."]
    if any(cell.best for cell in cells):
        untested = "" if is_testable(cells) else "; with fewer than two blocks nothing can be tested"
        notes.append(f"Bold: the best mean of its {compared}{untested}.")
    if any(cell.published == cell.published for cell in cells):
        notes.append("“Paper”: the printed value in the same unit, one run per cell; in brackets our mean minus it.")
    return notes


def _remarks(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[str, ...]:
    """What is noted of the printed values in a table."""
    return tuple(
        f"{', '.join(row.labels)}, {column.group}, {column.label}, {cell.published:g}: {cell.published_note}."
        for row in rows
        for column, cell in zip(columns, row.cells, strict=True)
        if cell and cell.published_note
    )
