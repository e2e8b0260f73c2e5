"""TensorBoard: a folder of events for each run."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from augdistill.trackers import TrackedRun


class Events:
    """The events of one run."""

    def __init__(self, folder: Path, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.file = SummaryWriter(str(folder))
        config = json.dumps(dict(run.values), indent=1)
        self.file.add_text("config", f"```\n{config}\n```")

    def write(self, epoch: int, row: Mapping[str, float]) -> None:
        """Write the values of an epoch, each as a scalar of its own."""
        for name, value in row.items():
            self.file.add_scalar(name, value, epoch)
        self.file.flush()

    def close(self, status: str) -> None:
        """Write how the run ended, as text."""
        self.file.add_text("status", status)
        self.file.close()


def begin(folder: Path, run: TrackedRun) -> Events:
    """Return what writes a run's events, anew."""
    own = folder / "tensorboard" / run.name
    shutil.rmtree(own, ignore_errors=True)
    return Events(own, run)
