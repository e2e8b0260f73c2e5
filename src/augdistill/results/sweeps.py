"""What students reach over the values of a grid's keys: one key as a line, two as a map."""

from collections.abc import Mapping
from dataclasses import dataclass

from augdistill.results.cells import Cell, Cells, arm
from augdistill.results.frame import values_of
from augdistill.results.models import Value, flat
from augdistill.results.study import LABELS, SavedStudy

FACTOR = "optim.lr_factor"  # multiplies a rate: 1 in the main arm
FEWEST = {1: 2, 2: 4}  # keys -> points that are worth drawing


@dataclass(frozen=True)
class Sweep:
    """Accuracies of one student's model over numeric values: strategy -> values of the keys -> cell."""

    student: str
    keys: tuple[str, ...]
    points: Mapping[str, Mapping[tuple[float, ...], Cell]]

    def values(self, index: int) -> list[float]:
        """Return the values of one key, from small to large."""
        return sorted({place[index] for found in self.points.values() for place in found})


def number(value: Value) -> float | None:
    """Return a value as a number, None for one that is none."""
    try:
        return None if isinstance(value, bool) or value is None else float(value)
    except ValueError:
        return None


def main_values(saved: SavedStudy, student: str) -> dict[str, Value]:
    """Return the values of a student's model in the main arm, by dotted key; {} where it has no run there."""
    arms = (place for place in saved.places if place.role == "student" and place.model == student and not place.variant)
    first = next(arms, None)
    return {} if first is None else {FACTOR: 1.0, **flat(first.config)}


def sweeps(saved: SavedStudy, cells: Cells) -> list[Sweep]:
    """Return the sweeps over one or two numeric keys of a study's grids, for each student's model."""
    grids = dict.fromkeys(tuple(values_of(name)) for name in saved.variants if name)
    found = [sweep(saved, cells, student, keys) for student in saved.students for keys in grids]
    return [one for one in found if one is not None]


def sweep(saved: SavedStudy, cells: Cells, student: str, keys: tuple[str, ...]) -> Sweep | None:
    """Return the sweep over the first two keys that vary, the others as in the main arm; None where it is too small."""
    main = main_values(saved, student)
    named = {name: values_of(name) for name in saved.variants if tuple(values_of(name)) == keys}
    places = {name: {key: number(value) for key, value in values.items()} for name, values in named.items()}
    own = {key: number(main.get(key)) for key in keys}
    if None not in own.values():
        places[""] = own
    varying = tuple(key for key in keys if len({place[key] for place in places.values()}) > 1)
    shown, rest = varying[:2], varying[2:]
    places = {name: place for name, place in places.items() if all(place[key] == own[key] for key in rest)}
    points: dict[str, dict[tuple[float, ...], Cell]] = {}
    for aug in (*saved.augs, LABELS):
        for name, place in places.items():
            at = [place[key] for key in shown]
            cell = cells.get(arm("student", student, aug, variant=name), "accuracy", saved.test_set)
            if cell is not None and cell.n and None not in at:
                points.setdefault(aug, {})[tuple(value for value in at if value is not None)] = cell
    known = {at for found in points.values() for at in found}
    return Sweep(student, shown, points) if shown and len(known) >= FEWEST[len(shown)] else None


def best(found: list[Sweep]) -> tuple[Sweep, str, tuple[float, ...], Cell] | None:
    """Return the sweep, strategy, values and cell of the highest mean accuracy of distilled students."""
    every = [
        (one, aug, at, cell)
        for one in found
        for aug, points in one.points.items()
        if aug != LABELS
        for at, cell in points.items()
    ]
    return max(every, key=lambda each: each[3].mean, default=None)
