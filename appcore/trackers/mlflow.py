"""MLflow: a run of the experiment "pruning-lab", in a database of its own or at MLFLOW_TRACKING_URI. `mlflow ui` shows them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXPERIMENT = "pruning-lab"
_TAG = "pruning_lab.run"  # the run's id here; MLflow gives another
_MOST = 250  # characters of a setting
_AT_ONCE = 900  # numbers; the server takes a thousand


class MLflow:
    """A run at MLflow. One that goes on goes on there too; what was told of later steps before a kill stands twice."""

    def __init__(self, address: str, run_id: str, settings: Mapping[str, Any]):
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is told to anybody who was not named
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=address)
        known = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = known.experiment_id if known else self._client.create_experiment(EXPERIMENT)
        before = self._client.search_runs([experiment], f"tags.`{_TAG}` = '{run_id}'")
        if before:
            self._run = before[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
        else:
            self._run = self._client.create_run(experiment, run_name=run_id, tags={_TAG: run_id}).info.run_id
            for name, value in settings.items():
                self._client.log_param(self._run, name, str(value)[:_MOST])

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """A point on the curve of each number."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        points = [Metric(name, value, now, step) for name, value in numbers.items()]
        for start in range(0, len(points), _AT_ONCE):
            self._client.log_batch(self._run, metrics=points[start : start + _AT_ONCE])

    def close(self) -> None:
        """The run has ended here; how, its page says."""
        self._client.set_terminated(self._run)


def opened(folder: Path, run_id: str, settings: Mapping[str, Any], first: int) -> MLflow:
    """The run in `folder`/mlflow.db, unless MLFLOW_TRACKING_URI names a server."""
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("wb") as file:  # a new database gets its tables from one process, not from all that begin at one moment
            fcntl.flock(file, fcntl.LOCK_EX)
            return MLflow(f"sqlite:///{folder / 'mlflow.db'}", run_id, settings)
    return MLflow(address, run_id, settings)
