"""What TensorBoard itself reads of a run: each epoch once, under the names of history.csv."""

from pathlib import Path

import pytest

from conftest import need
from tracking.told import Tell

need("tensorboard", reason="pip install 'augdistill[trackers]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # which are theirs


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = (folder / "tensorboard").iterdir()
    read = EventAccumulator(str(run))
    read.Reload()
    return {name: [(event.step, event.value) for event in read.Scalars(name)] for name in read.Tags()["scalars"]}


def test_tensorboard_reads_each_epoch_once(told: Tell, tmp_path: Path) -> None:
    found = told("tensorboard", scalars)
    assert [path.name for path in (tmp_path / "trackers" / "tensorboard").iterdir()] == [found.run.path.name]
