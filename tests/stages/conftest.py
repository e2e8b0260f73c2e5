"""Runs that several tests of stages only look at."""

from pathlib import Path

import pytest

from augdistill.stages import student, teacher
from augdistill.store.runs import Run
from core import student_config, teacher_config


@pytest.fixture(scope="session")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A tiny teacher and a student on labels alone, on digits; evaluations may be added to their outputs folder."""
    outputs: Path = tmp_path_factory.mktemp("subjects")
    words = ("dataset.validation=0", "optim.epochs=4")
    labels_only = student_config(outputs, *words, "teacher_optim.epochs=1", "distillation.alpha=0")
    return {"teacher": teacher.run(teacher_config(outputs, *words)), "control": student.run(labels_only)}
