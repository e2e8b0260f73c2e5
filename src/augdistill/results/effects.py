"""By how much a teacher's augmentation changes its students: differences from students of the base teacher."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from augdistill.results.cells import Cells, arm
from augdistill.results.study import SavedStudy
from augdistill.stats import contrasts as st

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


def effects(saved: SavedStudy, cells: Cells, variant: str = "") -> list[Effect]:
    """Return the effect of every strategy on every student within one cell of the grids, if both arms have runs."""
    found = []
    for student in saved.students:

        def blocks(strategy: str, student: str = student) -> list[float]:
            one = arm("student", student, strategy, variant=variant)
            return list(cells.blocks(one, "accuracy", saved.test_set).values())

        base = blocks(saved.base)
        for strategy in saved.augs:
            values = blocks(strategy)
            if strategy != saved.base and base and values:
                found.append(_effect(student, strategy, values, base))
    tested = [effect for effect in found if effect.is_tested]
    adjusted = dict(zip(map(id, tested), st.holm([effect.p for effect in tested]), strict=True)) if tested else {}
    return [replace(effect, p_holm=float(adjusted.get(id(effect), float("nan")))) for effect in found]


def _effect(student: str, strategy: str, values: Sequence[float], base: Sequence[float]) -> Effect:
    plus, minus = [[POINTS * value for value in block_means] for block_means in (values, base)]
    contrast = st.welch(plus, minus)
    low, high = (float(bound) for bound in st.interval(contrast))
    p = float(st.p_two_sided(contrast))
    return Effect(student, strategy, float(contrast.value), low, high, p, p, min(len(plus), len(minus)))
