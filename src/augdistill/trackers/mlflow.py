"""MLflow: one database of all runs, in the experiment "augdistill"."""

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from augdistill.base.locks import held
from augdistill.trackers import TrackedRun

EXPERIMENT = "augdistill"
LONGEST = 6000  # characters of a value of a parameter
MOST = 100  # parameters at once
ENDS = {"finished": "FINISHED", "stopped": "KILLED"}


class Recorded:
    """One run in the database."""

    def __init__(self, folder: Path, run: TrackedRun) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is sent anywhere
        from mlflow import MlflowClient
        from mlflow.entities import Param

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder, "mlflow", "the database of mlflow"):  # two would make it at once
            self.client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
            known = self.client.get_experiment_by_name(EXPERIMENT)
            where = (folder / "mlflow-artifacts").as_uri()
            experiment = known.experiment_id if known else self.client.create_experiment(EXPERIMENT, where)
        for old in self.client.search_runs([experiment], f"tags.`augdistill.id` = '{run.id}'"):
            self.client.delete_run(old.info.run_id)
        tags = {"augdistill.id": run.id, "augdistill.kind": run.kind}
        self.id = self.client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in run.values.items()}
        values = [Param(key, text[:LONGEST]) for key, text in texts.items()]
        for first in range(0, len(values), MOST):
            self.client.log_batch(self.id, params=values[first : first + MOST])

    def write(self, epoch: int, row: Mapping[str, float]) -> None:
        """Write the values of an epoch."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self.client.log_batch(self.id, [Metric(name, value, now, epoch) for name, value in row.items()])

    def close(self, status: str) -> None:
        """Write how the run ended, in MLflow's words and in a tag in ours."""
        self.client.set_tag(self.id, "augdistill.status", status)
        self.client.set_terminated(self.id, ENDS.get(status, "FAILED"))


def begin(folder: Path, run: TrackedRun) -> Recorded:
    """Return what writes a run into the database, anew."""
    return Recorded(folder, run)
