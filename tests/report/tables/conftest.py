"""A synthetic study of the paper's shape, in which runs were lost."""

from pathlib import Path

import pytest

import saved_studies
from augdistill.results.study import SavedStudy

LOST = {
    "lenet-cutmix-s0": "diverged",
    "lenet-cutmix-s1": "collapsed",
    "student-cifar10-alexnet-mixup-s2": "missing",
    "alexnet-cutout-s3": "unevaluated",
}


@pytest.fixture(scope="session")
def paper(data: Path, tmp_path_factory: pytest.TempPathFactory) -> SavedStudy:
    """Two blocks of two students per teacher."""
    words = ("study.blocks=2", "study.students_per_teacher=2")
    return saved_studies.write_study_on(data, tmp_path_factory.mktemp("tables"), "paper", *words, statuses=LOST)
