"""A saved study that the tests here change."""

import shutil
from pathlib import Path

import pytest

import saved_studies


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The outputs folder of a synthetic study of ten stages; tests work on copies."""
    outputs = tmp_path_factory.mktemp("made") / "outputs"
    saved_studies.write_study(outputs, "study=tiny")
    return outputs


@pytest.fixture
def outputs(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "outputs")
    return tmp_path / "outputs"
