"""From the rows of results to block means: which runs make up an arm, which are lost, which blocks belong together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from augdistill.report.claims import Arm
from augdistill.report.statistics import Floats

KEY = ["role", "model", "teacher_aug", "student_aug"]
UNIT = ["block", "student_seed"]
LOST = ("diverged", "collapsed")
MOST_LOST = 0.2
"""With a larger share of an arm's runs lost, what is left no longer stands for the arm."""


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


class Runs:
    """Results of one study, by arm."""

    def __init__(self, results: pd.DataFrame) -> None:
        filled = results.assign(**{name: results[name].fillna("").astype(str) for name in KEY})
        self.arms: dict[tuple[str, ...], pd.DataFrame] = {
            tuple(str(part) for part in key): rows for key, rows in filled.groupby(KEY, sort=False)
        }
        self.none = filled.iloc[:0]

    def of(self, arm: Arm) -> pd.DataFrame:
        """Return the rows of an arm, of every metric and test set; of any model if the arm leaves it open."""

        def fits(key: tuple[str, ...]) -> bool:
            same_students = key[3] == arm.student_aug and key[2] == arm.teacher_aug
            return same_students and key[0] == arm.role and arm.model in ("", key[1])

        found = [rows for key, rows in self.arms.items() if fits(key)]
        return pd.concat(found) if found else self.none

    def values(self, arm: Arm, metric: str, test_set: str) -> "pd.Series[float]":
        """Return the values of an arm's finished runs by block and student seed; ValueError if two runs share those."""
        rows = self.of(arm)
        rows = rows[(rows["metric"] == metric) & (rows["test_set"] == test_set) & (rows["status"] == "finished")]
        rows = rows.dropna(subset=["value"])
        rows = rows[np.isfinite(rows["value"].astype(float))].drop_duplicates([*UNIT, "run"])
        if rows.duplicated(UNIT).any():
            raise ValueError(f"several runs of {describe(arm)} share a block and seed")
        return rows.set_index(UNIT)["value"].astype(float)

    def losses(self, arm: Arm) -> list["Loss"]:
        """Return what an arm, and the teacher of its students, lost to divergence and collapse."""
        teacher = [Arm("teacher", teacher_aug=arm.teacher_aug)] if arm.role == "student" else []
        found = []
        for each in (arm, *teacher):
            runs = self.of(each).drop_duplicates([*UNIT, "run"])
            runs = runs[runs["status"] != "missing"]
            counts = {status: int((runs["status"] == status).sum()) for status in LOST}
            words = " and ".join(f"{count} {status}" for status, count in counts.items() if count)
            if words:
                text = f"{words} of {len(runs)} runs: {describe(each)}"
                found.append(Loss(text, sum(counts.values()) / len(runs)))
        return found

    def precisions(self, arm: Arm) -> set[str]:
        """Return the precisions of an arm's finished runs."""
        rows = self.of(arm)
        return {str(value) for value in rows.loc[rows["status"] == "finished", "precision"].dropna().unique()}


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
    arms = {(arm, where): None for pair in pairs for arm, where in zip(pair, (runs, other), strict=True)}
    warnings = [warning for arm, where in arms for warning in where.losses(arm)]
    too_many = next((warning.text for warning in warnings if warning.share > MOST_LOST), "")
    if too_many:
        return _empty(f"{too_many}; what is left does not stand for the arm")
    try:
        found = [
            _means(runs.values(plus, metric, test_set), other.values(minus, metric, test_set), pairing)
            for plus, minus in pairs
        ]
    except ValueError as error:
        return _empty(str(error))
    for pair, means in zip(pairs, found, strict=True):
        for arm, values in zip(pair, means, strict=True):
            if values.empty:
                return _empty(f"no {metric} on {test_set} of {describe(arm)}")
    a, b = (pd.concat(side, axis=1, join="inner").mean(axis=1) * scale for side in zip(*found, strict=True))
    if pairing != "none":
        both = a.index.intersection(b.index)
        a, b = a[both], b[both]
    reason = (
        "" if min(len(a), len(b)) >= 2 else f"fewer than 2 blocks ({len(a)} and {len(b)}); a test needs their scatter"
    )
    plus_means, minus_means = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return Sample(
        plus_means,
        minus_means,
        pairing != "none",
        reason,
        tuple(dict.fromkeys(f"{w.text}; left out" for w in warnings)),
    )


def block_means(values: "pd.Series[float]") -> "pd.Series[float]":
    """Return the mean over the students of each block, for values by block and student seed: the unit of analysis."""
    return values.groupby(level="block").mean()


def main_arms(results: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a study's main arms: those outside its grids, where there are grids."""
    return results[results["variant"].fillna("") == ""] if "variant" in results else results


def describe(arm: Arm) -> str:
    """Return an arm in words: student lenet of mixup."""
    words = [arm.role, *([arm.model] if arm.model else [])]
    words += ["of" if arm.role == "student" else "with", arm.teacher_aug] if arm.role != "control" else ["on labels"]
    if arm.student_aug not in ("", "baseline"):
        words += ["itself with", arm.student_aug]
    return " ".join(words)


def _means(a: "pd.Series[float]", b: "pd.Series[float]", pairing: str) -> tuple["pd.Series[float]", "pd.Series[float]"]:
    if pairing == "student-seed" and a.size and b.size:
        both = a.index.intersection(b.index)
        a, b = a[both], b[both]
    return block_means(a), block_means(b)


def _empty(reason: str) -> Sample:
    return Sample(np.empty(0), np.empty(0), False, reason)
