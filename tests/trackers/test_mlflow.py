"""Runs at MLflow, read back by its own client."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from standin import SETTINGS, StandIn

from appcore.config import build
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage.store import Store
from appcore.trackers import sink

mlflow = pytest.importorskip("mlflow")


@pytest.mark.thorough
def test_a_run_that_was_stopped_is_one_run_with_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sink.VARIABLE, "mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = build(SETTINGS)
    with closing(Store(tmp_path / "runs.db")) as store:
        run_id = store.create_run(config, plan_length=len(plan(config)))
        steps = driver.steps(store, run_id, work=StandIn())
        for _ in steps:
            if len(store.megabatches(run_id)):
                break
        steps.close()
        assert driver.drive(store, run_id, work=StandIn()) == "done"
        epochs, run = store.epochs(run_id), store.get(run_id)
    assert not [note for note in run["notes"] or [] if "told no more" in note]
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("pruning-lab").experiment_id])
    assert found.info.run_name == run_id and found.data.params["arch"] == "mlp" and found.info.status == "FINISHED"
    told = {point.step: point.value for point in client.get_metric_history(found.info.run_id, "epoch/train_loss")}
    assert sorted(told) == epochs["samples_seen"].tolist()
    assert [told[step] for step in sorted(told)] == pytest.approx(epochs["train_loss"].tolist())
