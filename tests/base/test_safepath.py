"""The folder one stands in is no place that modules are imported from; tests/hostile starts workers in such folders."""

import os
import sys
from pathlib import Path

import pytest

import augdistill
from augdistill.base.safepath import leave_out_current_folder, start_safely

OWN = Path(augdistill.__file__).parent


@pytest.fixture(autouse=True)
def path_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONSAFEPATH", "")


def test_what_is_started_is_told_so() -> None:
    start_safely()
    assert os.environ["PYTHONSAFEPATH"] == "1"


def test_the_current_folder_leaves_the_path_however_it_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    others = [entry for entry in sys.path if entry and Path(entry) != tmp_path]
    sys.path[:] = ["", str(tmp_path), *others, f"{tmp_path}/"]
    leave_out_current_folder()
    assert sys.path == others
    assert os.environ["PYTHONSAFEPATH"] == "1"


def test_the_path_stays_where_the_package_itself_lies_in_it(monkeypatch) -> None:
    monkeypatch.chdir(OWN)
    before = list(sys.path)
    leave_out_current_folder()
    assert sys.path == before
