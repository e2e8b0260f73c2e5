"""The arms that claims compare, and the quantities that they correlate, as they are written in a file of claims."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict

ROLES = ("teacher", "student", "control")
BASELINE = "baseline"
NAMED = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Written:
    """What people write: every key known; a number may stand for text, as that of a claim does."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False
    )


def is_role(role: str) -> str:
    """Return one of the roles; ValueError for another word."""
    if role not in ROLES:
        raise ValueError(f"it must be one of {', '.join(ROLES)}")
    return role


@dataclass(frozen=True)
class Arm(Written):
    """The runs compared: values of the columns of the results; an empty model or teacher_aug leaves the column open.

    `variant` is the cell of a grid, "distillation.temperature=20"; "" is the main arm.
    """

    role: Annotated[str, AfterValidator(is_role)]
    model: str = ""
    teacher_aug: str = ""
    student_aug: str = ""
    variant: str = ""

    def filled(self, binding: Mapping[str, str]) -> "Arm":
        """Return the arm with every $name replaced by its value."""
        return Arm(*(NAMED.sub(lambda name: binding[name[1]], value) for value in vars(self).values()))

    @property
    def changed(self) -> frozenset[str]:
        """What its cell changes, each "key=value"."""
        return frozenset(re.split(r",(?=[\w.-]+=)", self.variant)) - {""}


def completed(arm: Arm) -> Arm:
    """Return an arm with what is not written: controls are taught by labels, students have no strategy of their own."""
    teacher_aug = "labels" if arm.role == "control" else arm.teacher_aug
    return replace(
        arm, teacher_aug=teacher_aug, student_aug="" if arm.role == "teacher" else arm.student_aug or BASELINE
    )


WrittenArm = Annotated[Arm, AfterValidator(completed)]


@dataclass(frozen=True)
class Quantity(Written):
    """One variable of a rank correlation: a metric of an arm, over the strategies of its teacher."""

    metric: str
    arm: WrittenArm


def with_arm(value: Any) -> Any:
    """Return a quantity, of which the arm's columns are written beside the metric, with the arm apart."""
    if not isinstance(value, Mapping) or "metric" not in value:
        return value
    return {"metric": value["metric"], "arm": {key: value[key] for key in value if key != "metric"}}


WrittenQuantity = Annotated[Quantity, BeforeValidator(with_arm)]
