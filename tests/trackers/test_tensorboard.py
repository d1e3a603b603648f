"""Event files, read back by TensorBoard's own reader."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from standin import SETTINGS, StandIn

from appcore.config import build
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.runner.engine_port import Engine
from appcore.storage.store import Store
from appcore.trackers import sink

reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def curves(folder: Path) -> Any:
    found = reader.EventAccumulator(str(folder), size_guidance={reader.SCALARS: 0})
    found.Reload()
    return found


def test_a_real_run_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sink.VARIABLE, "tensorboard")
    config = build({"arch": "mlp", "dataset": "digits", "megabatches": 2, "epochs": 2, "limit_train": 200, "limit_test": 100})
    with closing(Store(tmp_path / "runs.db")) as store:
        run_id = store.create_run(config, plan_length=len(plan(config)))
        assert driver.drive(store, run_id, work=Engine()) == "done"
        found = curves(store.folder / "tensorboard" / run_id)
        epochs, tests, layers = store.epochs(run_id), store.megabatches(run_id), store.layers(run_id)
    assert [point.value for point in found.Scalars("epoch/val_accuracy")] == pytest.approx(epochs["val_accuracy"].tolist(), rel=1e-6)
    assert [point.step for point in found.Scalars("epoch/val_accuracy")] == epochs["samples_seen"].tolist()
    assert [point.value for point in found.Scalars("megabatch/test_accuracy")] == pytest.approx(tests["test_accuracy"].tolist(), rel=1e-6)
    names = {tag.removeprefix("kept/") for tag in found.Tags()["scalars"] if tag.startswith("kept/")}
    assert names == set(layers["layer"])


def test_what_is_done_again_after_a_kill_stands_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is interrupted in the second epoch of the second megabatch; its checkpoint is of the end of the first."""
    monkeypatch.setenv(sink.VARIABLE, f"tensorboard:{tmp_path / 'logs'}")

    def interrupt() -> None:
        raise KeyboardInterrupt

    config = build(SETTINGS)
    with closing(Store(tmp_path / "runs.db")) as store:
        run_id = store.create_run(config, plan_length=len(plan(config)))
        with pytest.raises(KeyboardInterrupt):
            driver.drive(store, run_id, work=StandIn({(6, 2): interrupt}))
        assert driver.drive(store, run_id, work=StandIn()) == "done"
        epochs = store.epochs(run_id)
    found = curves(tmp_path / "logs" / run_id)
    assert [point.step for point in found.Scalars("epoch/train_loss")] == epochs["samples_seen"].tolist()
    assert [point.value for point in found.Scalars("epoch/train_loss")] == pytest.approx(epochs["train_loss"].tolist(), rel=1e-6)
    everything = reader.EventAccumulator(str(tmp_path / "logs" / run_id), size_guidance={reader.SCALARS: 0}, purge_orphaned_data=False)
    everything.Reload()
    assert len(everything.Scalars("epoch/train_loss")) == len(epochs) + 1  # told twice, shown once
