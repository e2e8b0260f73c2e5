"""A real study to report on, and data in the publishers' formats for synthetic ones."""

import shutil
from pathlib import Path

import pytest

import saved_studies
from augdistill.report.command import write_report


@pytest.fixture(scope="session")
def tiny(tiny_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the outputs of a real study; what is written into it is its report alone."""
    folder = tmp_path_factory.mktemp("report") / "outputs"
    shutil.copytree(tiny_study, folder)
    shutil.rmtree(folder / "studies" / "tiny" / "report", ignore_errors=True)
    return folder


@pytest.fixture(scope="session")
def tiny_report(tiny: Path) -> Path:
    """The folder of its report."""
    page, answers = write_report(["tiny"], tiny)
    assert len(answers) == 1
    return page.parent


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small datasets, in the publishers' formats."""
    return saved_studies.write_data(tmp_path_factory.mktemp("data"))
