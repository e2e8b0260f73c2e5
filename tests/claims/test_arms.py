"""Arms as files of claims have them: what is not written, what a binding fills in, what a cell changes."""

import pytest
from pydantic import TypeAdapter, ValidationError

from augdistill.claims.arms import Arm, WrittenArm, WrittenQuantity

ARM, QUANTITY = TypeAdapter(WrittenArm), TypeAdapter(WrittenQuantity)


def test_what_is_not_written_is_that_of_the_role() -> None:
    assert ARM.validate_python({"role": "student"}).student_aug == "baseline"
    assert ARM.validate_python({"role": "teacher", "student_aug": "mixup"}).student_aug == ""
    assert ARM.validate_python({"role": "control", "model": "lenet"}).teacher_aug == "labels"


def test_a_binding_fills_in_names_everywhere() -> None:
    arm = Arm("student", "$m", "$a", variant="distillation.temperature=$t,optim.lr=0.1")
    filled = arm.filled({"m": "lenet", "a": "mixup", "t": "4"})
    assert filled == Arm("student", "lenet", "mixup", variant="distillation.temperature=4,optim.lr=0.1")
    assert filled.changed == {"distillation.temperature=4", "optim.lr=0.1"}
    assert Arm("student").changed == frozenset()


def test_a_quantity_is_a_metric_beside_the_columns_of_its_arm() -> None:
    found = QUANTITY.validate_python({"metric": "ece", "role": "teacher", "model": "resnet18"})
    assert (found.metric, found.arm) == ("ece", Arm("teacher", "resnet18"))


@pytest.mark.parametrize("wrong", [{"role": "pupil"}, {"role": "student", "aug": "mixup"}, {}])
def test_what_is_no_arm_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        ARM.validate_python(wrong)
