"""What the tests of faults share: what is undisturbed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from augdistill.stages import names
from augdistill.store.runs import RunStore
from core import student_config, teacher_config
from faults.harness import job, timed


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs folder of a teacher, its outputs, a student and an evaluation, to copy; with the packed data."""
    outputs = tmp_path_factory.mktemp("taught")
    timed(job("teacher", teacher_config(outputs, "aug=cutmix")), outputs)
    timed(job("student", student_config(outputs, "aug=cutmix", "seed=9", "teacher_seed=0")), outputs)  # its outputs too
    (run,) = (run.path.name for run in RunStore(outputs).all("teacher"))
    timed(job("evaluation", names.evaluation_config(run, "digits", str(outputs))), outputs)
    return outputs


@pytest.fixture
def copied(taught: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return a fresh copy of the finished teacher's outputs folder."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(taught, tmp_path / name))

    return copy
