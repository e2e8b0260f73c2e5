"""What tables and figures need of a study, by name, and what is said where it is not there."""

from collections.abc import Callable, Iterable

from augdistill.results.cells import Cells
from augdistill.results.study import SavedStudy

NEEDS: dict[str, tuple[Callable[[SavedStudy, Cells], bool], str]] = {
    "evaluations": (
        lambda saved, cells: cells.has("accuracy", saved.test_set),
        "no evaluated run is there yet",
    ),
    "human labels": (
        lambda saved, cells: any(cells.has("human_ce", where) for where in saved.test_sets),
        "no run was scored against human labels (CIFAR-10H)",
    ),
    "grids": (lambda saved, cells: saved.variants != [""] and not saved.design.factors, "the study has no grids"),
    "shift": (lambda saved, cells: bool(saved.shift_sets), "the study asks for nothing under shift"),
    "factors": (lambda saved, cells: bool(saved.design.factors), "the study has no factors"),
    "costs": (lambda saved, cells: bool(saved.costs), "no network was measured: study.costs=true measures them"),
    "histories": (
        lambda saved, cells: any(place.run and "history.csv" in place.run.manifest.files for place in saved.places),
        "no run’s history is there yet",
    ),
}


def lacking(needs: Iterable[str], saved: SavedStudy, cells: Cells) -> str:
    """Return why something that `needs` these cannot be made yet, nothing if it can."""
    return next((why for is_there, why in (NEEDS[name] for name in needs) if not is_there(saved, cells)), "")
