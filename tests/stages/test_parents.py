"""What a student learns from is found by its config, and refused where it cannot teach."""

import pytest

from augdistill.base.errors import RunError
from augdistill.stages import parents
from augdistill.store.runs import RunStore
from core import student_config


def test_labels_need_no_teacher(tmp_path):
    config = student_config(tmp_path, "distillation.alpha=0")
    assert parents.with_parents(config, RunStore(tmp_path)) == (config, {})


def test_a_teacher_that_is_not_there_is_named_with_what_makes_it(tmp_path):
    with pytest.raises(RunError, match="make it with: augdistill train-teacher"):
        parents.with_teacher(student_config(tmp_path), RunStore(tmp_path))
    with pytest.raises(RunError, match="no run is called theirs"):
        parents.with_teacher(student_config(tmp_path, "distillation.teacher=theirs"), RunStore(tmp_path))
