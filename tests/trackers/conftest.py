"""A tracker is told of a run in a folder of its own."""

from functools import partial
from pathlib import Path

import pytest

from tracking.told import Tell, train


@pytest.fixture
def told(tmp_path: Path) -> Tell:
    """Train a student, told to the tracker NAME, and compare what `read` finds with its history."""
    return partial(train, outputs=tmp_path)
