"""Every table of the report. To add one, write its function and its line here."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from augdistill.report.needs import lacking
from augdistill.report.tables.costs import what_it_costs
from augdistill.report.tables.factors import factor_cells, factor_effects
from augdistill.report.tables.layout import Table
from augdistill.report.tables.more import calibration, fidelity, teachers, variants
from augdistill.report.tables.paper import image_sets, table_1, table_2, table_3, table_4, table_5, table_6
from augdistill.report.tables.shift import inherited, shifted_accuracy, under_attack, unknown_images
from augdistill.results import labels
from augdistill.results.cells import Cells
from augdistill.results.study import SavedStudy

__all__ = ["TABLES", "Table", "TableEntry", "make_table"]


@dataclass(frozen=True)
class TableEntry:
    """One line of the table of tables."""

    title: str
    """may hold {test_set}, the study's own; {sets} of images, all of them; and {first_set}"""
    make: Callable[[SavedStudy, Cells], Table | str]
    """gives the table, or says why there is none"""
    needs: tuple[str, ...] = ()
    """names in `report.needs.NEEDS`"""
    metrics: str = ""
    """how a metric's `stands_in` names it, if it lists metrics"""


def make_table(name: str, saved: SavedStudy, cells: Cells) -> Table | str:
    """Return the table under a name of TABLES, numbered and titled, or why there is none."""
    entry = TABLES[name]
    table = lacking(entry.needs, saved, cells) or entry.make(saved, cells)
    if isinstance(table, str):
        return table
    sets = [labels.test_set(where) for where in image_sets(saved, cells)]
    named = {"test_set": labels.test_set(saved.test_set), "sets": " and ".join(sets), "first_set": sets[0]}
    return replace(table, number=name if name.startswith("Table ") else "", title=entry.title.format(**named))


TABLES: dict[str, TableEntry] = {
    "Factors": TableEntry("What each factor changes on {test_set}", factor_effects, ("factors",)),
    "Table 1": TableEntry("Teachers and students on {sets}", table_1),
    "Table 2": TableEntry("Performance on the {test_set} test set", table_2),
    "Table 3": TableEntry("Class discrimination of the teachers", table_3),
    "Table 4": TableEntry("Class separability S_f", table_4),
    "Table 5": TableEntry("Teachers, and students that were not augmented themselves", table_5, metrics="table-5"),
    "Table 6": TableEntry("Students augmented while distilling", table_6, metrics="table-6"),
    "What the teachers offer": TableEntry("What the teachers offer", teachers, metrics="table-teachers"),
    "Calibration": TableEntry(
        "Calibration, before and after temperature scaling", calibration, metrics="table-calibration"
    ),
    "Fidelity": TableEntry("Fidelity of students to their teachers on {test_set}", fidelity, metrics="table-fidelity"),
    "Cells": TableEntry("What every cell of the design gave on {test_set}, %", factor_cells, ("factors",)),
    "Grids": TableEntry("Accuracy on {first_set} in every cell of the grids, %", variants, ("grids",)),
    "Costs": TableEntry("What it costs to run", what_it_costs, ("costs",)),
    "Under shift": TableEntry("Accuracy under natural shift and under corruptions", shifted_accuracy, ("shift",)),
    "Under attack": TableEntry("Accuracy under attack", under_attack, ("shift",)),
    "Unknown images": TableEntry("Unknown images told from known ones", unknown_images, ("shift",)),
    "Inherited": TableEntry("Does the student inherit it?", inherited, ("shift",)),
}
"""By name, in the order of the page; those of the paper have its number for a name."""
