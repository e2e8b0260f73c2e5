"""By how much a teacher's augmentation changes its students: differences from students of the base teacher."""

from collections.abc import Sequence
from dataclasses import dataclass

from augdistill.report import statistics as st
from augdistill.report.cells import Cells
from augdistill.report.layout import arm
from augdistill.report.saved import SavedStudy

POINTS = 100.0


@dataclass(frozen=True)
class Effect:
    """Accuracy of students of `strategy` minus that of students of the base, in percentage points.

    The 95 % interval and the two-sided p are Welch's over block means; NaN without two blocks in both arms. `p_holm` is
    adjusted over all effects of the study.
    """

    student: str
    strategy: str
    value: float
    low: float
    high: float
    p: float
    p_holm: float
    blocks: int

    @property
    def is_tested(self) -> bool:
        return self.p == self.p


def effects(saved: SavedStudy, cells: Cells) -> list[Effect]:
    """Return the effect of every strategy on every student, as far as both arms have runs."""
    found = []
    for student in saved.students:
        base = list(cells.blocks(arm("student", student, saved.base), "accuracy", saved.test_set).values())
        for strategy in saved.augs:
            values = list(cells.blocks(arm("student", student, strategy), "accuracy", saved.test_set).values())
            if strategy != saved.base and base and values:
                found.append(_effect(student, strategy, values, base))
    tested = [effect for effect in found if effect.is_tested]
    adjusted = dict(zip(map(id, tested), st.holm([effect.p for effect in tested]), strict=True)) if tested else {}
    return [_with_holm(effect, float(adjusted.get(id(effect), float("nan")))) for effect in found]


def _effect(student: str, strategy: str, values: Sequence[float], base: Sequence[float]) -> Effect:
    plus, minus = [[POINTS * value for value in block_means] for block_means in (values, base)]
    contrast = st.welch(plus, minus)
    low, high = (float(bound) for bound in st.interval(contrast))
    p = float(st.p_two_sided(contrast))
    return Effect(student, strategy, float(contrast.value), low, high, p, p, min(len(plus), len(minus)))


def _with_holm(effect: Effect, p_holm: float) -> Effect:
    return Effect(**{**vars(effect), "p_holm": p_holm})
