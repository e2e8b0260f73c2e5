"""One number of a table: the mean over blocks of an arm, what of it was lost, and what the paper prints there."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from augdistill.base.status import KEPT
from augdistill.claims.arms import Arm
from augdistill.claims.comparison import not_significantly_below_best
from augdistill.claims.printed import load_published
from augdistill.claims.samples import KEY, Runs, Unit, block_means
from augdistill.metrics import METRICS
from augdistill.results import labels
from augdistill.results.frame import ArmKey, shared_arms
from augdistill.results.study import SavedStudy

NAN = float("nan")
PAPERS_TEMPERATURE, PAPERS_ALPHA = 20.0, 0.5
PRINTED_TEST_SETS = {"cifar10h": "cifar10-test"}


@dataclass(frozen=True)
class Cell:
    """The block means of one arm and metric, in the metric's own unit."""

    metric: str
    test_set: str
    values: tuple[float, ...]
    """one for each block that has one: the mean over its students"""
    lost: str = ""
    """what is not in `values`, of all runs planned: "diverged 1/5, missing 2/5" """
    published: float = NAN
    published_note: str = ""
    best: bool = False
    """whether it is the best of those it is compared with"""
    below: bool = False
    """whether it is significantly below the best of those"""
    arm: ArmKey | None = None
    scored: tuple[tuple[Unit, float], ...] = ()
    """what is in `values`, run by run"""

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        return fmean(self.values) if self.values else NAN

    @property
    def sd(self) -> float:
        return stdev(self.values) if len(self.values) > 1 else NAN

    @property
    def difference(self) -> float:
        """Mean minus published value."""
        return self.mean - self.published

    @property
    def digits(self) -> int:
        return labels.digits(self.metric, self.test_set)

    @property
    def scale(self) -> int:
        """By what values are multiplied where they are shown."""
        return labels.scale(self.metric)

    def shown(self, value: float, *, signed: bool = False) -> str:
        """Return a value of the cell's as tables show it: accuracies in percent."""
        return labels.number(self.scale * value, self.digits, signed=signed)


class Cells:
    """Every cell of a study, by arm, metric and test set; an arm whose runs are another's has the other's cells."""

    def __init__(self, saved: SavedStudy) -> None:
        read = Runs(saved.results)
        runs = {_key(arm, metric, test_set): found for (arm, metric, test_set), found in read.cells.items()}
        self.scored = {key: {unit: [*of.values()][-1] for unit, of in found.items()} for key, found in runs.items()}
        self.values = {key: block_means(values) for key, values in self.scored.items()}
        self.evaluated = {_key(*where): units for where, units in read.evaluated.items()}
        self.planned: dict[ArmKey, list[tuple[Unit, str]]] = {}
        for place in saved.places:
            self.planned.setdefault(place.arm, []).append(((place.block, place.student_seed), place.status))
        self.printed = Printed()
        self.prints_students = distils_as_the_paper(saved)
        self.shared = shared_arms(saved.plan)

    def get(self, arm: ArmKey, metric: str, test_set: str, table: str = "") -> Cell | None:
        """Return a cell, with what `table` of the paper prints there; None if the study plans no such run."""
        arm = self.shared.get(arm, arm)
        if arm not in self.planned:
            return None
        key = (*arm, test_set, metric)
        values = self.values.get(key, {})
        is_comparable = arm[0] != "student" or self.prints_students
        published, note = self.printed.get(table, arm, metric, test_set) if is_comparable else (NAN, "")
        scored = tuple(self.scored.get(key, {}).items())
        lost = self._lost(arm, key)
        return Cell(metric, test_set, tuple(values.values()), lost, published, note, arm=arm, scored=scored)

    def blocks(self, arm: ArmKey, metric: str, test_set: str) -> dict[int, float]:
        """Return block -> block mean, by block."""
        return self.values.get((*self.shared.get(arm, arm), test_set, metric), {})

    def has(self, metric: str, test_set: str, role: str = "") -> bool:
        """Say whether any run of the role has this metric on this test set."""
        return any(key[5:] == (test_set, metric) and role in ("", key[0]) for key in self.values)

    def _lost(self, arm: ArmKey, key: tuple[str, ...]) -> str:
        scored, evaluated = self.scored.get(key, {}), self.evaluated.get(key, set())
        counts: Counter[str] = Counter()
        for unit, status in self.planned[arm]:
            if unit not in scored:
                word = "undefined" if unit in evaluated else "not evaluated"
                counts[word if status in KEPT else status] += 1
        return ", ".join(f"{word} {count}/{len(self.planned[arm])}" for word, count in sorted(counts.items()))


def distils_as_the_paper(saved: SavedStudy) -> bool:
    """Return whether a study's students, but for its grids, learn at the paper's T and alpha."""
    how = saved.design.distillation
    return (how.temperature, how.alpha) == (PAPERS_TEMPERATURE, PAPERS_ALPHA)


class Printed:
    """The paper's numbers, by the names that results have here."""

    def __init__(self) -> None:
        columns = ["table", "role", "model", "teacher_aug", "student_aug", "test_set", "metric"]
        rows = load_published()
        self.numbers = {
            tuple(row[name] for name in columns): (float(row["value"]), str(row["note"]))
            for row in rows.to_dict("records")
        }

    def get(self, table: str, arm: ArmKey, metric: str, test_set: str) -> tuple[float, str]:
        """Return the number that a table of the paper prints, and a note about it; NaN if it prints none."""
        role, model, teacher_aug, student_aug, variant = arm
        if variant:
            return NAN, ""
        where = PRINTED_TEST_SETS.get(test_set, test_set)
        published = METRICS[metric].published if metric in METRICS else ""
        key = (table, role, model, teacher_aug, student_aug, where, published or metric)
        return self.numbers.get(key, (NAN, ""))


def mark_best(cells: Mapping[int, Cell | None]) -> dict[int, Cell | None]:
    """Return the cells of one column with the best mean marked, and what is significantly below it.

    Without two blocks nothing can be tested. A metric without a better side, and a lone cell, get no mark.
    """
    found = {key: cell for key, cell in cells.items() if cell is not None and cell.n}
    if len(found) < 2:
        return dict(cells)
    side = labels.entry(next(iter(found.values())).metric).better
    if side is None:
        return dict(cells)
    sign = 1 if side == "higher" else -1
    oriented = {str(key): [sign * value for value in cell.values] for key, cell in found.items()}
    top = max(fmean(values) for values in oriented.values())
    best = {int(key) for key, values in oriented.items() if math.isclose(fmean(values), top, rel_tol=1e-12)}
    below = found.keys() - {int(key) for key in not_significantly_below_best(oriented)} - best
    return {key: replace(cell, best=key in best, below=key in below) if cell else None for key, cell in cells.items()}


def is_testable(cells: Iterable[Cell]) -> bool:
    """Say whether at least two cells have the two blocks that a test needs."""
    return sum(cell.n > 1 for cell in cells) > 1


def _key(arm: Arm, metric: str, test_set: str) -> tuple[str, ...]:
    return (*(getattr(arm, name) for name in KEY), test_set, metric)


def arm(role: str, model: str, teacher_aug: str, student_aug: str = "baseline", variant: str = "") -> ArmKey:
    """Return an arm; of the strategy "labels" a student is the control, and a teacher has no strategy of its own."""
    if role == "teacher":
        return ("teacher", model, teacher_aug, "", variant)
    return ("control" if teacher_aug == "labels" else "student", model, teacher_aug, student_aug, variant)
