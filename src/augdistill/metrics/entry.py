"""What a metric's entry in the table says: everything that scores, tables, figures and commands ask of a metric."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from augdistill.metrics.scores import Predictions

Need = Literal["labels", "embeddings", "human", "teacher", "draws", "outputs", "external"]

LABELS: frozenset[Need] = frozenset({"labels"})
EMBEDDINGS: frozenset[Need] = LABELS | {"embeddings"}
HUMAN: frozenset[Need] = LABELS | {"human"}
TEACHER: frozenset[Need] = LABELS | {"teacher"}
DRAWS: frozenset[Need] = TEACHER | {"draws"}
EXTERNAL: frozenset[Need] = LABELS | {"external"}
HUMAN_EXTERNAL: frozenset[Need] = HUMAN | EXTERNAL


@dataclass(frozen=True)
class Metric:
    """One entry of the table of metrics; `METRICS` has its name."""

    label: str
    """what it is called in tables and figures"""
    unit: Literal["share", "nats", "count", ""]
    """a share is from 0 to 1"""
    better: Literal["higher", "lower"] | None
    """None where neither is, or where that is the question"""
    compute: Callable[[Predictions], float]
    needs: frozenset[Need] = LABELS
    """what it is computed from: labels, penultimate "embeddings", "human" labels, the "teacher"'s logits for the same
    images; "draws", means of its probabilities over groups of a student's training images; "outputs" of a teacher on
    the training set; "external" probabilities, which may hold zeros"""
    stands_in: tuple[str, ...] = ()
    """tables and figures of the report that list it, by key: table-5, table-6, table-teachers, table-calibration,
    table-fidelity, figure-properties; their columns and panels are in the order of METRICS"""
    heading: str = ""
    """the head of its column in what `augdistill evaluate` prints; without one it has none there"""
    digits: int = 3
    """decimals in tables; one more on test sets where models differ in the fourth, if a side is better"""
    percent: bool = False
    """whether tables, figures and contrasts show it in percent and percentage points"""
    temperature: int | None = None
    """of a family that differs in a temperature alone, its own: a report shows the one at the study's temperature"""
    published: str = ""
    """what the paper's printed numbers call it, if that is not its name"""
