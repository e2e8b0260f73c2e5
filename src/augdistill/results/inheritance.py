"""What students keep of what a strategy does to their teachers: a contrast of theirs beside the teachers' own."""

from collections.abc import Sequence
from dataclasses import dataclass

from augdistill.results import labels
from augdistill.results.cells import Cells, arm
from augdistill.results.study import SavedStudy
from augdistill.stats import contrasts as st

NAN = float("nan")


@dataclass(frozen=True)
class Change:
    """A strategy's mean minus the base's over blocks, in the metric's shown unit; its 95 % interval is Welch's."""

    value: float = NAN
    low: float = NAN
    high: float = NAN

    @property
    def is_clear(self) -> bool:
        """Whether the interval has no 0 in it."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Inherited:
    """What a strategy changes in teachers and in their students, of one metric on one set of images."""

    strategy: str
    student: str
    metric: str
    test_set: str
    of_teacher: Change
    of_student: Change

    @property
    def share(self) -> float:
        """What of the teachers' change their students have; NaN where the teachers' own is not clear."""
        return self.of_student.value / self.of_teacher.value if self.of_teacher.is_clear else NAN


def inheritance(saved: SavedStudy, cells: Cells, metric: str, test_set: str) -> list[Inherited]:
    """Return the changes of every strategy but the base, for each student."""
    found = []
    for student in saved.students:
        for strategy in (name for name in saved.augs if name != saved.base):
            of_teacher, of_student = (
                change(
                    blocks(cells, role, model, strategy, metric, test_set),
                    blocks(cells, role, model, saved.base, metric, test_set),
                    labels.scale(metric),
                )
                for role, model in (("teacher", saved.teacher), ("student", student))
            )
            if of_student.value == of_student.value:
                found.append(Inherited(strategy, student, metric, test_set, of_teacher, of_student))
    return found


def blocks(cells: Cells, role: str, model: str, strategy: str, metric: str, test_set: str) -> list[float]:
    """Return the block means of an arm."""
    return list(cells.blocks(arm(role, model, strategy), metric, test_set).values())


def change(plus: Sequence[float], minus: Sequence[float], scale: float) -> Change:
    """Return the difference of two arms' means; without two blocks in each it has no interval."""
    if not plus or not minus:
        return Change()
    contrast = st.welch([scale * value for value in plus], [scale * value for value in minus])
    low, high = (float(bound) for bound in st.interval(contrast))
    return Change(float(contrast.value), low, high)


def questions(saved: SavedStudy, cells: Cells) -> list[tuple[str, str]]:
    """Return (metric, set) of what a study asks under shift: accuracy, accuracy under attack, AUROC of MSP."""
    known = ("accuracy", "robust_accuracy", "auroc_msp")
    return [(metric, where) for where in saved.shift_sets for metric in known if cells.has(metric, where)]
