"""Runs of 6a7533f, the last commit before the package was laid out in folders, still open, resume and import with their numbers."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch

from appcore import run as engine_run
from appcore.config import RunConfig
from appcore.paths import run_folder
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.service.manager import Manager
from appcore.storage import checkpoint
from appcore.storage.store import Store

ARCHIVE = Path(__file__).parents[1] / "data" / "store-of-6a7533f.tar.xz"
LOSS_DIGITS = 1e-4  # evaluation rounds otherwise today than it did then


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The archive, unpacked."""
    with tarfile.open(ARCHIVE) as file:
        file.extractall(tmp_path / "old", filter="data")
    return tmp_path / "old"


@pytest.fixture
def recorded(old: Path) -> dict[str, Any]:
    return json.loads((old / "recorded.json").read_text(encoding="utf-8"))


@pytest.fixture
def manager(old: Path) -> Iterator[Manager]:
    manager = Manager(Store(f"sqlite:///{old / 'store' / 'appcore.db'}"))
    yield manager
    manager.close()
    manager.store.close()


def check(manager: Manager, expected: dict[str, Any], bits: bool = True) -> None:
    """The numbers of a run that is done are the recorded ones; weights to the bit where they were computed by the same instructions."""
    found = manager.result(expected["run_id"])
    assert found["status"] == "done" and found["hashes"].items() >= expected["hashes"].items()  # that of the data came later
    assert len(found["megabatches"]) == len(expected["megabatches"])
    losses = manager.store.megabatches(expected["run_id"])["test_loss"]
    for row, loss, before in zip(found["megabatches"], losses, expected["megabatches"], strict=True):
        assert {name: row[name] for name in before if name != "test_loss"} == {n: v for n, v in before.items() if n != "test_loss"}
        assert loss == pytest.approx(before["test_loss"], rel=LOSS_DIGITS)
    if bits:
        assert found["totals"]["weights_hash"] == expected["weights_hash"]


def test_a_finished_run_is_shown(manager: Manager, recorded: dict[str, Any]) -> None:
    assert {row["run_id"]: row["status"] for row in manager.runs()} == {
        recorded["done"]["run_id"]: "done",
        recorded["stopped"]["run_id"]: "stopped",
    }
    check(manager, recorded["done"])


def test_its_settings_are_complete_and_name_the_same_experiment(manager: Manager) -> None:
    """Settings that came later stand at what the runs did, so that a run of today is a repeat of theirs."""
    for row in manager.runs():
        config = RunConfig(**row["config"])
        assert row["config"] == manager.get(row["run_id"])["config"] == config.model_dump(mode="json")
        assert config.init == "kaiming-fan-out" and config.fingerprint == row["fingerprint"]


def test_a_stopped_run_is_shown_and_goes_on_to_its_end(manager: Manager, recorded: dict[str, Any]) -> None:
    expected = recorded["stopped"]
    before = manager.result(expected["run_id"])
    assert [row["cer"] for row in before["megabatches"]] == [expected["megabatches"][0]["cer"]]
    assert manager.get(expected["run_id"])["cursor"] == expected["cursor"] < manager.get(expected["run_id"])["segments"]
    manager.resume(expected["run_id"], launcher="thread")
    assert manager.wait(expected["run_id"], timeout=120) == "done"
    assert not [note for note in manager.result(expected["run_id"])["notes"] if "not used" in note or "beginning" in note]
    then = (recorded["cpu_capability"], recorded["torch"])
    check(manager, expected, bits=then == (torch.backends.cpu.get_cpu_capability(), torch.__version__))


def test_a_bundle_is_imported_and_equals_its_run(old: Path, manager: Manager, recorded: dict[str, Any]) -> None:
    (bundle,) = (old / "bundle").glob("*.zip")
    other = Manager(Store(f"sqlite:///{old / 'other' / 'appcore.db'}"))
    try:
        run_id = other.import_bundle(bundle)
        assert run_id == recorded["done"]["run_id"]
        check(other, recorded["done"])
        for table in ("epochs", "prunes", "megabatches", "layers"):
            imported, migrated = (getattr(where.store, table)(run_id) for where in (other, manager))
            if "facts" in migrated:  # nothing was recorded: NULL in the column that was added, {} where it was imported
                migrated["facts"] = migrated["facts"].map(lambda facts: facts or {})
            pandas.testing.assert_frame_equal(imported, migrated)
    finally:
        other.close()
        other.store.close()


@pytest.mark.thorough
@pytest.mark.parametrize("values", [{"method": "app"}, {"method": "gmp"}])
def test_a_run_of_a_seed_goes_on_with_the_images_and_defaults_that_it_began_with(manager: Manager, values: dict[str, Any]) -> None:
    """As an earlier version left it: its settings lack what came with images drawn by the seed, its checkpoint the counts of that day."""
    settings = {"arch": "mlp", "limit_train": 120, "limit_test": 40, "megabatches": 2, "epochs": 3, "seed": 3, "batch_size": 16, **values}
    then = RunConfig(**settings, subset_seed=0, options={"prune_until": 1.0} if values["method"] == "gmp" else {})
    *_, expected = engine_run(then)
    store = manager.store
    run_id = store.create_run(then, plan_length=len(plan(then)))
    driven = driver.steps(store, run_id)
    while store.get(run_id)["cursor"] < len(plan(then)) // 2:
        next(driven)
    driven.close()
    row = store.get(run_id)
    left_out = ("subset_seed", "init", "options")
    older = {name: value for name, value in row["config"].items() if name not in left_out} | {"options": {}}
    store.update(run_id, config=older)
    tensors, facts, _ = checkpoint.load(run_folder(store.folder, run_id))
    cursor = facts.pop("cursor")
    facts = {name: value for name, value in facts.items() if name not in ("other_flops", "cumulative_parameters")} | {"cursor": cursor}
    checkpoint.save(run_folder(store.folder, run_id), cursor, tensors, facts, fingerprint=row["fingerprint"])
    manager.resume(run_id, launcher="thread")
    assert manager.wait(run_id, timeout=120) == "done"
    found = manager.result(run_id)
    assert found["totals"]["weights_hash"] == expected.weights_hash and found["totals"]["cer"] == expected.cer
    assert found["totals"]["train_flops_sparse"] == expected.train_flops_sparse and found["totals"]["total_flops_sparse"] is None
    assert RunConfig(**found["config"]) == then and then.fingerprint == row["fingerprint"]
    *_, today = engine_run(RunConfig(**settings))
    assert today.weights_hash != expected.weights_hash
