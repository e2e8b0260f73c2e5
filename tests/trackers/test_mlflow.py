"""What MLflow itself reads of a run: each epoch once, under the names of history.csv, its config and its end."""

from pathlib import Path
from typing import Any

import pytest

from conftest import need
from tracking.told import Tell

need("mlflow", "sqlalchemy", "alembic", reason="pip install 'augdistill[trackers]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # which are theirs


def recorded(folder: Path) -> tuple[Any, Any]:
    """Return MLflow's client of a database, and the one run in it."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("augdistill").experiment_id])
    return client, run


def metrics(folder: Path) -> dict[str, list[tuple[int, float]]]:
    client, run = recorded(folder)
    return {
        name: sorted((metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }


def test_mlflow_reads_each_epoch_once(told: Tell, tmp_path: Path) -> None:
    found = told("mlflow", metrics)
    _, run = recorded(tmp_path / "trackers")
    assert (run.info.run_name, run.info.status) == (found.run.path.name, "FINISHED")
    assert run.data.tags["augdistill.id"] == found.run.id
    assert run.data.params["optim.lr"] == str(found.run.config.optim.lr)
    assert run.data.params["student.name"] == "lenet"
    assert not (tmp_path / "mlruns").exists()
