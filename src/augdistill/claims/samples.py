"""From the rows of results to block means: which runs make up an arm, which are lost, which blocks belong together."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import pandas as pd

from augdistill.base.arrays import Floats
from augdistill.base.status import KEPT
from augdistill.claims.arms import Arm
from augdistill.claims.expansion import Contrast
from augdistill.claims.schema import Claims

KEY = ["role", "model", "teacher_aug", "student_aug", "variant"]
LOST = ("diverged", "collapsed")
MOST_LOST = 0.2
"""With a larger share of an arm's runs lost, what is left no longer stands for the arm."""

Predictions = Callable[[str, str], "np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None"]
"""(run, test set) -> whether each image is classified correctly, bool [N]; None if there are no predictions"""
Unit = tuple[int, int]
"""block and student seed"""


@dataclass(frozen=True)
class Sample:
    """Block means of two arms, [n] and [m]; of the same blocks if `pairs`. `reason` says why they cannot be tested."""

    plus: Floats
    minus: Floats
    pairs: bool
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loss:
    """Runs of one arm that diverged or collapsed, in words and as a share of its runs."""

    text: str
    share: float


@dataclass(frozen=True)
class Responses:
    """Block means [arms, blocks] of all arms of one model, NaN where one lacks a block, and a contrast's weights."""

    values: Floats
    weights: Floats


class UntestableError(Exception):
    """What keeps a part from being tested, in words."""


class Runs:
    """Results of one study, by arm; empty cells and infinite values count as missing."""

    def __init__(self, results: pd.DataFrame) -> None:
        self.cells: dict[tuple[Arm, str, str], dict[Unit, dict[str, float]]] = {}
        self.status: dict[Arm, dict[tuple[int, int, str], str]] = {}
        self.precision: dict[Arm, set[str]] = {}
        self.evaluated: dict[tuple[Arm, str, str], set[Unit]] = {}
        filled = results.reindex(columns=KEY, fill_value="").fillna("").astype(str)
        arms = [Arm(*key) for key in zip(*(filled[name] for name in KEY), strict=True)]
        columns = ("block", "student_seed", "metric", "test_set", "status", "run", "precision")
        values = results["value"].astype(float).tolist()
        for arm, value, *fields in zip(arms, values, *(results[name].tolist() for name in columns), strict=True):
            block, seed, metric, test_set, status, run, precision = fields
            self.status.setdefault(arm, {})[block, seed, run] = status
            if isinstance(precision, str):  # an evaluation says in which one it was made
                self.evaluated.setdefault((arm, metric, test_set), set()).add((block, seed))
            if status in KEPT and math.isfinite(value):
                self.cells.setdefault((arm, metric, test_set), {}).setdefault((block, seed), {})[run] = value
                self.precision.setdefault(arm, set()).add(str(precision))

    def like(self, arm: Arm) -> list[Arm]:
        """Return the arms of the results that an arm stands for: those of any model, if it leaves the model open."""
        return [found for found in self.status if arm in (found, replace(found, model=""))]

    def teachers(self, arm: Arm) -> list[Arm]:
        """Return the teacher of a student: in a cell of a grid that of the cell, where it changes the teacher."""
        named = [like for like in self.like(Arm("teacher", teacher_aug=arm.teacher_aug)) if not like.variant]
        others = [each for each in self.status if (each.role, each.teacher_aug) == ("teacher", arm.teacher_aug)]
        own = [each for each in others if each.variant and each.changed <= arm.changed]
        return [max(own, key=lambda each: len(each.changed))] if own else named

    def runs(self, arm: Arm, metric: str, test_set: str) -> dict[Unit, dict[str, float]]:
        """Return run -> value by block and student seed, of an arm's finished runs."""
        found: dict[Unit, dict[str, float]] = {}
        for each in self.like(arm):
            for place, runs in self.cells.get((each, metric, test_set), {}).items():
                found[place] = {**found.get(place, {}), **runs}
        return found

    def values(self, arm: Arm, metric: str, test_set: str) -> dict[Unit, float]:
        """Return an arm's values by block and student seed; UntestableError if two runs share those."""
        found = self.runs(arm, metric, test_set)
        if any(len(runs) > 1 for runs in found.values()):
            raise UntestableError(f"several runs of {describe(arm)} share a block and seed")
        return {place: value for place, runs in found.items() for value in runs.values()}

    def losses(self, arm: Arm) -> list[Loss]:
        """Return what an arm, and the teacher of its students, lost to divergence and collapse."""
        teacher = [Arm("teacher", teacher_aug=arm.teacher_aug)] if arm.role == "student" else []
        if arm.variant and teacher:
            teacher = self.teachers(arm)
        found = []
        for each in (arm, *teacher):
            status = [word for like in self.like(each) for word in self.status[like].values() if word != "missing"]
            counts = {word: status.count(word) for word in LOST if word in status}
            if counts:
                words = " and ".join(f"{count} {word}" for word, count in counts.items())
                found.append(
                    Loss(f"{words} of {len(status)} runs: {describe(each)}", sum(counts.values()) / len(status))
                )
        return found

    def precisions(self, arm: Arm) -> set[str]:
        """Return the precisions of an arm's finished runs."""
        return set().union(*(self.precision.get(like, set()) for like in self.like(arm)))


def sample(
    runs: Runs,
    pairs: Sequence[tuple[Arm, Arm]],
    metric: str,
    test_set: str,
    pairing: str = "none",
    scale: float = 1.0,
    *,
    minus_runs: Runs | None = None,
) -> Sample:
    """Return the block means of arm plus and arm minus, averaged over several pairs of arms within each block.

    pairing: "none", "own-teacher" (block means of the same blocks) or "student-seed" (only seeds that both arms have).
    Values are multiplied by `scale`. A block that some pair of arms lacks is left out of an average. The minus arms are
    looked up in `minus_runs`, by default in `runs` too.
    """
    other = minus_runs or runs
    losses = [loss for a, b in pairs for loss in (*runs.losses(a), *other.losses(b))]
    too_many = next((loss.text for loss in losses if loss.share > MOST_LOST), "")
    if too_many:
        return _empty(f"{too_many}; what is left does not stand for the arm")
    try:
        means = [_pair(runs, a, other, b, metric, test_set, pairing) for a, b in pairs]
    except UntestableError as error:
        return _empty(str(error))
    plus, minus = ([found[side] for found in means] for side in (0, 1))
    together = pairing != "none"
    a_blocks, b_blocks = _common(plus + minus if together else plus), _common(plus + minus if together else minus)
    reason = ""
    if min(len(a_blocks), len(b_blocks)) < 2:
        reason = f"fewer than 2 blocks ({len(a_blocks)} and {len(b_blocks)}); a test needs their scatter"
    warnings = tuple(dict.fromkeys(f"{loss.text}; left out" for loss in losses))
    return Sample(scale * _averaged(plus, a_blocks), scale * _averaged(minus, b_blocks), together, reason, warnings)


def responses(
    runs: Runs, pairs: Sequence[tuple[Arm, Arm]], metric: str, test_set: str, scale: float = 1.0
) -> Responses:
    """Return the block means of every arm of the pairs' roles and models, and the weights of the pairs' mean contrast.

    Where the pairs have several models, these are averaged within arm and block; a block that one of them lacks is
    missing. Arms outside the contrast that lost too many runs are left out. Raises UntestableError for one inside.
    """
    inside = [arm for pair in pairs for arm in pair]
    models = list(dict.fromkeys(arm.model for arm in inside))
    roles = {arm.role for arm in inside}
    cells = {arm.variant for arm in inside}
    every = [arm for arm in runs.status if arm.variant in cells]
    like = {found for arm in every for found in (arm, replace(arm, model="")) if found.model in models}
    keys = dict.fromkeys(replace(arm, model="") for arm in (*inside, *sorted(like, key=str)) if arm.role in roles)
    weights = dict.fromkeys(keys, 0.0)
    for plus, minus in pairs:
        weights[replace(plus, model="")] += 1 / len(pairs)
        weights[replace(minus, model="")] -= 1 / len(pairs)
    means = {key: _response(runs, key, models, metric, test_set, weights[key] != 0) for key in keys}
    rows = {key: found for key, found in means.items() if found}
    blocks = sorted({block for found in rows.values() for block in found})
    table = np.array([[found.get(block, np.nan) for block in blocks] for found in rows.values()], dtype=np.float64)
    return Responses(scale * table, np.array([weights[key] for key in rows], dtype=np.float64))


def _response(
    runs: Runs, key: Arm, models: Sequence[str], metric: str, test_set: str, is_inside: bool
) -> dict[int, float]:
    """An arm's block means over several models; none for an arm outside the contrast that cannot stand for itself."""
    arms = [replace(key, model=model) for model in models]
    lost = any(loss.share > MOST_LOST for arm in arms for loss in runs.losses(arm))
    try:
        means = [block_means(runs.values(arm, metric, test_set)) for arm in arms]
    except UntestableError:
        if is_inside:
            raise
        return {}
    if (lost and not is_inside) or not all(means):
        return {}
    return {block: fmean(found[block] for found in means) for block in _common(means)}


def correctness(runs: Runs, spec: Contrast, side: int, predictions: Predictions) -> Floats | None:
    """Return correctness [blocks, N] of one side of a contrast, the mean over its arms and students within each block.

    None if any run has no predictions, or arms lack each other's blocks.
    """
    arms = list(dict.fromkeys(pair[side] for pair in spec.pairs))
    tables = [_correct(runs, arm, spec, predictions) for arm in arms]
    if any(table is None for table in tables) or len({table.shape for table in tables if table is not None}) != 1:
        return None
    return np.asarray(np.mean([table for table in tables if table is not None], axis=0))


def _correct(runs: Runs, arm: Arm, spec: Contrast, predictions: Predictions) -> Floats | None:
    """An arm's correctness [blocks, N], or None if any run has no predictions."""
    blocks: dict[int, list[Floats]] = {}
    for (block, _), found in sorted(runs.runs(arm, spec.metric, spec.test_set).items()):
        for run in found:
            correct = predictions(run, spec.test_set)
            if correct is None:
                return None
            blocks.setdefault(block, []).append(np.asarray(correct, dtype=np.float64))
    return np.array([np.mean(students, axis=0) for students in blocks.values()]) if blocks else None


def block_means(values: Mapping[Unit, float]) -> dict[int, float]:
    """Return the mean over the students of each block, the unit of analysis, for values by block and student seed."""
    blocks = sorted({block for block, _ in values})
    return {block: fmean(value for (place, _), value in values.items() if place == block) for block in blocks}


def main_arms(results: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a study's main arms: those outside its grids, where there are grids."""
    return results[results["variant"].fillna("") == ""] if "variant" in results else results


def arms_named(results: pd.DataFrame, claims: Claims) -> pd.DataFrame:
    """Return the rows of a study's main arms, and those of the cells that claims name, with what teaches them."""
    cells = [arm for claim in claims.claims for arm in map(in_cell, claim.variants) if arm.variant]
    if not cells or "variant" not in results:
        return main_arms(results)
    parts = {name: in_cell(name).changed for name in set(results["variant"].fillna(""))}
    kept = [name for name, own in parts.items() if not name or any(own <= cell.changed for cell in cells)]
    return results[results["variant"].fillna("").isin(kept)]


def in_cell(variant: str) -> Arm:
    """Return a student's arm of a cell."""
    return Arm("student", variant=variant)


def describe(arm: Arm) -> str:
    """Return an arm in words: student lenet of mixup."""
    words = [arm.role, *([arm.model] if arm.model else [])]
    words += ["of" if arm.role == "student" else "with", arm.teacher_aug] if arm.role != "control" else ["on labels"]
    if arm.student_aug not in ("", "baseline"):
        words += ["itself with", arm.student_aug]
    return " ".join(words) + (f" ({arm.variant})" if arm.variant else "")


def _pair(
    runs: Runs, plus: Arm, other: Runs, minus: Arm, metric: str, test_set: str, pairing: str
) -> tuple[dict[int, float], dict[int, float]]:
    """Block means of two arms. Raises UntestableError if one has none, or has two runs in one place."""
    a, b = runs.values(plus, metric, test_set), other.values(minus, metric, test_set)
    for arm, values in ((plus, a), (minus, b)):
        if not values:
            raise UntestableError(f"no {metric} on {test_set} of {describe(arm)}")
    if pairing == "student-seed":
        a, b = {place: a[place] for place in a if place in b}, {place: b[place] for place in b if place in a}
    return block_means(a), block_means(b)


def _common(means: list[dict[int, float]]) -> list[int]:
    return sorted(set.intersection(*(set(found) for found in means)))


def _averaged(means: list[dict[int, float]], blocks: list[int]) -> Floats:
    return np.array([fmean(found[block] for found in means) for block in blocks], dtype=np.float64)


def _empty(reason: str) -> Sample:
    return Sample(np.empty(0), np.empty(0), False, reason)
