"""Synthetic studies whose results are read."""

import pytest

import saved_studies
from augdistill.results.study import SavedStudy


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedStudy:
    """Two blocks of five strategies and two students, of which some runs were lost."""
    lost = {"lenet-cutmix-s1": "diverged", "alexnet-small-mixup-s0": "collapsed", "lenet-labels-s0": "missing"}
    words = ("study=quickstart", "study.blocks=2", "study.students_per_teacher=1", "study.corruptions=[]")
    return saved_studies.write_study(tmp_path_factory.mktemp("results"), *words, statuses=lost)


@pytest.fixture(scope="session")
def controls(tmp_path_factory: pytest.TempPathFactory) -> SavedStudy:
    """A study with grids, some of whose cells share their runs."""
    return saved_studies.write_controls(tmp_path_factory.mktemp("controls"))
