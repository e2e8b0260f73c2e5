"""Weights & Biases, offline: a folder for each run, which its own `wandb sync` sends where somebody wants that."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from augdistill.trackers import TrackedRun

PROJECT = "augdistill"
DIGITS = 16  # of an identity, in the name of a run


class Offline:
    """One run, offline."""

    def __init__(self, folder: Path, run: TrackedRun) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # nothing is sent anywhere
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project=PROJECT,
            dir=folder,
            id=f"{run.id[:DIGITS]}-{time.time_ns():x}",  # one that it knew before in this process it may mix up
            name=run.name,
            job_type=run.kind,
            config=dict(run.values),
            mode="offline",
            reinit="create_new",  # of the students of a bank all are open at once
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )

    def write(self, epoch: int, row: Mapping[str, float]) -> None:
        """Write the values of an epoch; wandb puts them into its file in blocks, the last when the run ends."""
        self.run.log(dict(row), step=epoch, commit=True)

    def close(self, status: str) -> None:
        """Write how the run ended."""
        self.run.summary["status"] = status
        self.run.finish(exit_code=int(status != "finished"))


def begin(folder: Path, run: TrackedRun) -> Offline:
    """Return what writes a run, anew."""
    for old in (folder / "wandb" / "wandb").glob(f"offline-run-*-{run.id[:DIGITS]}-*"):
        shutil.rmtree(old, ignore_errors=True)
    return Offline(folder / "wandb", run)
