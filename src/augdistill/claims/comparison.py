"""Any contrast of two arms that a reader asks for, and which cells of a table are as good as its best."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from augdistill.base.errors import ConfigError
from augdistill.claims.arms import Arm
from augdistill.claims.parts import Part, contrast_part
from augdistill.claims.samples import KEY, Runs, main_arms, sample
from augdistill.stats import contrasts as st

COLUMNS = (*KEY, "precision")
CLASS_PREFIX = "class_accuracy["


@dataclass(frozen=True)
class Comparison:
    """Arm a minus arm b in the metric's units, overall and for each class, with the classes' p adjusted by Holm."""

    a: Arm
    b: Arm
    overall: Part
    classes: tuple[Part, ...]
    p_holm: tuple[float, ...]


def compare(
    results: pd.DataFrame,
    a: Mapping[str, str],
    b: Mapping[str, str],
    metric: str,
    test_set: str,
    paired: bool | None = None,
) -> Comparison:
    """Return arm a minus arm b, and the same for each class where results hold metrics class_accuracy[NAME].

    a, b: column -> value, of role, model, teacher_aug, student_aug, variant, precision; a column left open must have
    one value. Pairs are runs of the same student seed, or a teacher and its students of the same block; by default
    where that is structural (`pairing`). Raises ConfigError for an unknown column, no rows, or more than one arm.
    """
    first, second = _rows(results, a, "--a"), _rows(results, b, "--b")
    arms = _arm(first, "--a"), _arm(second, "--b")
    how = pairing(*arms, force=paired)
    runs, other = Runs(first), Runs(second)

    def part(name: str, label: str) -> Part:
        found = sample(runs, [arms], name, test_set, how, minus_runs=other)
        return contrast_part(found, label, name, test_set)

    names = sorted({name for name in set(results["metric"]) if name.startswith(CLASS_PREFIX)})
    classes = tuple(part(name, name[len(CLASS_PREFIX) : -1]) for name in names) if metric == "accuracy" else ()
    adjusted = tuple(float(p) for p in st.holm([found.p for found in classes])) if classes else ()
    return Comparison(*arms, part(metric, ""), classes, adjusted)


def pairing(a: Arm, b: Arm, *, force: bool | None = None) -> str:
    """Return how two arms' runs belong together: "student-seed", "own-teacher" or "none".

    By default only what is structural: students of the same teachers by student seed, a teacher with its own students
    by block. A control shares nothing with a student but a seed.
    """
    roles = {a.role, b.role}
    how = "own-teacher" if "teacher" in roles else "student-seed"
    if force is not None:
        return how if force else "none"
    if "control" in roles:
        return "none"
    return how if roles != {"teacher"} and a.teacher_aug == b.teacher_aug else "none"


def not_significantly_below_best(arms: Mapping[str, ArrayLike], alpha: float = 0.05) -> set[str]:
    """Return the arms that are not significantly below the one with the highest mean; that one is among them.

    arms: block means [n] by name, oriented so that higher is better. One-sided Welch of the best against every other
    arm, Holm over the column. An arm whose distance to the best cannot be tested (fewer than two blocks in either, or
    no scatter at all) is not shown to be below and stays. Arms without blocks are left out.
    """
    values = {name: np.asarray(found, dtype=np.float64) for name, found in arms.items()}
    values = {name: found for name, found in values.items() if found.size}
    if not values:
        return set()
    best = max(values, key=lambda name: float(values[name].mean()))
    others = [name for name in values if name != best]
    adjusted = st.holm([float(st.p_above(st.welch(values[best], values[name]))) for name in others])
    return set(values) - {name for name, p in zip(others, adjusted, strict=True) if p <= alpha}


def _rows(results: pd.DataFrame, where: Mapping[str, str], option: str) -> pd.DataFrame:
    columns = [name for name in COLUMNS if name in results]
    rows = results.assign(**{name: results[name].fillna("").astype(str) for name in columns})
    rows = rows if "variant" in where else main_arms(rows)
    for name, value in where.items():
        if name not in columns:
            raise ConfigError(f"{option}: no column {name!r}; columns are {', '.join(columns)}")
        known = sorted({found for found in rows[name] if found})
        rows = rows[rows[name] == value]
        if rows.empty:
            raise ConfigError(f"{option}: no run has {name}={value}; there are {', '.join(known)}")
    return rows


def _arm(rows: pd.DataFrame, option: str) -> Arm:
    """The one arm of the rows."""
    rows = rows.reindex(columns=KEY, fill_value="").fillna("")
    for name in KEY:
        found = sorted(set(rows[name]))
        if len(found) > 1:
            raise ConfigError(f"{option} names more than one arm: {name} is {', '.join(found)}; add {name}={found[0]}")
    return Arm(*(str(rows[name].iloc[0]) for name in KEY))
