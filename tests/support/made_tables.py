"""Tables of a study, and their cells by the words that stand over them."""

from augdistill.report.tables import make_table
from augdistill.report.tables.layout import Table
from augdistill.results.cells import Cell, Cells
from augdistill.results.study import SavedStudy


def made(saved: SavedStudy, name: str) -> Table:
    """Return a table that can be made."""
    table = make_table(name, saved, Cells(saved))
    assert isinstance(table, Table), table
    return table


def cell_of(table: Table, row: tuple[str, ...], group: str, column: str) -> Cell | None:
    """Return the one cell at a row's and a column's headings."""
    (index,) = [i for i, found in enumerate(table.columns) if (found.group, found.label) == (group, column)]
    (cell,) = [found.cells[index] for found in table.rows if found.labels == row]
    return cell
