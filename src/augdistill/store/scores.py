"""metrics.json as it is read: numbers that may be infinite or undefined, arrays where they were computed."""

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from augdistill.base.model import Label, Record, UntilFirst


def as_numbers(value: Any) -> Any:
    """Return what metrics.Scores.to_json wrote as numbers: null is NaN, "inf" infinite; ValueError for others."""
    if isinstance(value, dict):
        return {key: as_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_numbers(item) for item in value]
    if value is None or value in ("inf", "-inf"):
        return math.nan if value is None else float(value)
    if isinstance(value, int | float) and not abs(value) <= 1e300:
        raise ValueError("too large a number")
    return value + 0.0 if isinstance(value, float) else value  # a -0 that was written is a 0


class Numbers(Record):
    """Arrays that hold what was written, infinite and undefined numbers too."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=True)


Number = int | float  # as it was written: a count stays one
Vector = Annotated[list[Number], UntilFirst(), BeforeValidator(as_numbers)]
Matrix = Annotated[list[Annotated[list[Number], UntilFirst()]], UntilFirst(), BeforeValidator(as_numbers)]


class Reliability(Numbers):
    """The bins of a reliability diagram."""

    __pydantic_extra__: dict[str, Vector]
    edges: Vector
    counts: Vector
    confidence: Vector
    accuracy: Vector


class SavedArrays(Numbers):
    """The arrays of scores, each only where it was computed."""

    __pydantic_extra__: dict[str, Annotated[Any, BeforeValidator(as_numbers)]]
    reliability: Reliability | None = None
    scaling_temperatures: Vector | None = None
    class_accuracy: Vector | None = None
    confusion: Matrix | None = None
    class_means: Matrix | None = None
    human_class_means: Matrix | None = None
    human_kl_matrix: Matrix | None = None


class SavedScores(Numbers):
    """A run's metrics.json, as metrics.Scores.to_json wrote it."""

    scaling: str
    scalars: dict[Label, Annotated[float, BeforeValidator(as_numbers)]]
    arrays: SavedArrays
