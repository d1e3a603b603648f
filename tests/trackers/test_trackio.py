"""Runs at trackio, read back by its own reader."""

from __future__ import annotations

from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from standin import SETTINGS, StandIn

from appcore.config import build
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage.store import Store
from appcore.trackers import sink
from appcore.trackers import trackio as tracker


@pytest.mark.skipif(find_spec("trackio") is None, reason="needs trackio; importing it here would fix its folder")
@pytest.mark.thorough
def test_two_runs_side_by_side_one_of_them_stopped_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(sink.VARIABLE, "trackio")
    for name in ("TRACKIO_DIR", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody")
    monkeypatch.setattr("huggingface_hub.whoami", lambda **_: pytest.fail("the Hub was asked"))
    config = build(SETTINGS)
    with closing(Store(tmp_path / "runs.db")) as store:
        run_id, other = (store.create_run(config, plan_length=len(plan(config))) for _ in range(2))
        steps = driver.steps(store, run_id, work=StandIn())
        while not len(store.megabatches(run_id)):
            next(steps)
        assert driver.drive(store, other, work=StandIn()) == "done"
        steps.close()
        assert driver.drive(store, run_id, work=StandIn()) == "done"
        assert not [note for run in store.runs() for note in run["notes"] or [] if "told no more" in note]
        curves = {one: store.epochs(one) for one in (run_id, other)}
    assert capsys.readouterr().out == ""

    from trackio import Api
    from trackio.sqlite_storage import SQLiteStorage

    assert (tmp_path / "trackio" / "pruning-lab.db").exists()
    found = {run.name: run for run in Api().runs(tracker.PROJECT)}
    assert set(found) == {run_id, other} and found[run_id].config["arch"] == "mlp" and found[run_id].config["_Username"] is None
    for one, epochs in curves.items():
        rows = SQLiteStorage.get_logs(tracker.PROJECT, one, run_id=found[one].id)
        told = {row["step"]: row["epoch/train_loss"] for row in rows if "epoch/train_loss" in row}
        assert sorted(told) == epochs["samples_seen"].tolist()
        assert [told[step] for step in sorted(told)] == pytest.approx(epochs["train_loss"].tolist())

    with pytest.raises(RuntimeError, match="this process keeps its runs in"):
        tracker.opened(tmp_path / "elsewhere", "x", {}, 0)
