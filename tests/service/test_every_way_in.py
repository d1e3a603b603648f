"""Limits hold on every way in: a run that is over them can be looked at, and is started by nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from standin import SETTINGS, StandIn

from appcore import limits, paths
from appcore.config import build
from appcore.errors import InputError, NoRoomError, OverLimitError
from appcore.planning.plan import plan
from appcore.runner import driver, worker
from appcore.runner.admission import Room
from appcore.runner.lockstep import LocalJob
from appcore.service.manager import Manager
from appcore.storage.store import Store
from appcore.transfer import bundle_import
from appcore.transfer.backup import backup, restore
from appcore.transfer.bundle_export import export

HUGE = {**SETTINGS, "epochs": 1000}
SAYS = r"this run has 3,000 epochs, and this server allows 10 \(limit epochs\)"


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    yield store
    store.close()


@pytest.fixture
def work() -> StandIn:
    return StandIn(step_seconds=0.002)


@pytest.fixture
def manager(store: Store, work: StandIn) -> Iterator[Manager]:
    manager = Manager(store, work=work)
    yield manager
    manager.close()


def allow(store: Store, text: str) -> None:
    store.folder.mkdir(parents=True, exist_ok=True)
    paths.limits(store.folder).write_text(text, encoding="utf-8")
    limits._read.cache_clear()


def stopped(store: Store, settings: dict[str, Any]) -> str:
    """A run that was stopped before it began."""
    config = build(settings)
    run_id = store.create_run(config, plan_length=len(plan(config)))
    store.update(run_id, status="stopped")
    return run_id


def imported(manager: Manager, tmp_path: Path) -> str:
    other = Store(tmp_path / "other" / "appcore.db")
    bundle = export(other, stopped(other, HUGE), tmp_path / "exported")[-1]
    return manager.import_bundle(bundle)


def restored(manager: Manager, tmp_path: Path) -> str:
    other = Store(tmp_path / "other" / "appcore.db")
    run_id = stopped(other, HUGE)
    other.update(run_id, status="running")  # it is lost when it is back
    backup(other, tmp_path / "backup.zip")
    restore(manager.store, tmp_path / "backup.zip")
    assert manager.get(run_id)["status"] == "lost"
    return run_id


def older(manager: Manager, tmp_path: Path) -> str:
    """One that is older than the limit."""
    return stopped(manager.store, HUGE)


@pytest.mark.thorough
@pytest.mark.parametrize("come", [imported, restored, older])
def test_a_run_over_the_limits_is_looked_at_and_started_by_nobody(
    manager: Manager, work: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, come: Callable[[Manager, Path], str]
) -> None:
    store = manager.store
    run_id = come(manager, tmp_path)
    allow(store, "epochs = 10\nimages = 1000")
    before = store.get(run_id)
    monkeypatch.setenv("APPCORE_STORE", store.url)
    ways: list[Callable[[], Any]] = [
        lambda: manager.resume(run_id),
        lambda: manager.resume(run_id, launcher="process"),
        lambda: driver.drive(store, run_id, work=work),
        lambda: next(driver.steps(store, run_id, work=work)),
    ]
    for way in ways:
        with pytest.raises(OverLimitError, match=SAYS) as refused:
            way()
        assert "\n" not in refused.value.message
        assert store.get(run_id) == before
    assert not LocalJob(store, [run_id], work).advance()
    assert worker.main([run_id]) == 1
    assert store.get(run_id) == before
    assert not work.states
    assert manager.result(run_id)["status"] == before["status"]


def test_new_runs_are_refused_by_form_command_line_and_ablation(manager: Manager, work: StandIn) -> None:
    allow(manager.store, "epochs = 10")
    with pytest.raises(OverLimitError, match=SAYS):
        manager.start([SETTINGS, HUGE])
    sweep = manager.ablations.create("", SETTINGS, {"epochs": [1, 1000]})
    for _ in range(2):
        with pytest.raises(OverLimitError, match=SAYS):
            manager.ablations.run_missing(sweep)
    assert manager.runs() == []
    assert not work.states
    assert [cell["run"] for cell in manager.ablations.board(sweep)["cells"]] == [None, None]  # it can be looked at
    allow(manager.store, "epochs = 3000")
    assert len(manager.ablations.run_missing(sweep)["started"]) == 2


@pytest.mark.thorough
def test_an_ablation_with_runs_over_the_limits_is_not_tried_again(manager: Manager) -> None:
    sweep = manager.ablations.create("", SETTINGS, {"epochs": [1, 4]})
    run_ids = manager.ablations.run_missing(sweep)["started"]
    assert [manager.wait(run_id, 60) for run_id in run_ids] == ["done", "done"]
    manager.store.update(run_ids[1], status="failed")
    manager.delete(run_ids[0])
    allow(manager.store, "epochs = 11")
    with pytest.raises(OverLimitError, match="limit epochs"):
        manager.resume(run_ids[1])
    assert manager.get(run_ids[1])["status"] == "failed"
    assert len(manager.ablations.run_missing(sweep)["started"]) == 1


def test_a_run_that_waits_while_the_limit_falls_is_not_begun(manager: Manager, work: StandIn) -> None:
    (going,), (waits,) = manager.start([{**SETTINGS, "epochs": 1000}]), manager.start([HUGE])
    deadline = time.monotonic() + 60
    while manager.get(going)["status"] != "running" and time.monotonic() < deadline:
        time.sleep(0.01)
    allow(manager.store, "epochs = 10")
    manager.stop(going)
    assert manager.wait(waits, 60) == "failed"
    assert "limit epochs" in manager.get(waits)["error"]
    assert len(work.states) == 1


def test_what_if_asks_nothing_of_data_that_is_forbidden(manager: Manager, tmp_path: Path) -> None:
    allow(manager.store, f'epochs = 10\nimage_folders = ["{tmp_path / "allowed"}"]')
    with pytest.raises(OverLimitError, match="limit epochs"):
        manager.scores(HUGE, None, "snip")
    with pytest.raises(OverLimitError, match="limit image_folders"):
        manager.scores({**SETTINGS, "dataset": f"images:{tmp_path / 'others'}"}, None, "snip")
    assert manager.scores(SETTINGS, None, "snip")["state"] in ("waiting", "scoring", "ready")
    run_id = stopped(manager.store, {**SETTINGS, "dataset": f"images:{tmp_path / 'others'}"})
    folder = paths.run_folder(manager.store.folder, run_id)
    folder.mkdir()
    paths.manifest(folder, 3).write_text("{}")
    with pytest.raises(OverLimitError, match="limit image_folders"):
        manager.scores(None, run_id, "snip")


def test_a_mistake_in_the_file_stops_resumes_too(manager: Manager, work: StandIn) -> None:
    run_id = stopped(manager.store, SETTINGS)
    allow(manager.store, "epoch = 10")
    for way in (lambda: manager.resume(run_id), lambda: driver.drive(manager.store, run_id, work=work)):
        with pytest.raises(InputError, match=r"epoch: .*known"):
            way()
    assert manager.get(run_id)["status"] == "stopped"


def test_the_queue_is_counted_by_whose_run_it_is_for_workers_too(manager: Manager, work: StandIn) -> None:
    ada, admin = manager.of("ada"), manager.of("root", sees_all=True)
    first, second = (stopped(manager.store.of("ada"), {**SETTINGS, "epochs": 1000}) for _ in range(2))
    allow(manager.store, "runs_per_user = 1")
    ada.resume(first)
    for way in (lambda: admin.resume(second), lambda: driver.drive(manager.store, second, work=work)):
        with pytest.raises(NoRoomError, match="limit runs_per_user"):
            way()
    assert ada.get(second)["status"] == "stopped"
    admin.start([SETTINGS])  # the admin's own


def test_a_run_that_cannot_start_again_stays_as_it_was(manager: Manager) -> None:
    gone = stopped(manager.store, SETTINGS)
    manager.store.update(gone, config={**manager.get(gone)["config"], "arch": "gone"}, status="failed", error="it broke")
    before = manager.get(gone)
    with pytest.raises(InputError, match="gone"):
        manager.resume(gone)
    assert manager.get(gone) == before


def test_disk_is_counted_again_in_the_step_that_imports(manager: Manager, tmp_path: Path) -> None:
    other = Store(tmp_path / "other" / "appcore.db")
    first, second = (export(other, stopped(other, {**SETTINGS, "seed": seed}), tmp_path / "exported")[-1] for seed in (0, 1))
    allow(manager.store, "disk_megabytes_per_user = 1")
    room = Room(manager.store, "")  # measured before another import of the same user has come
    run_id = manager.import_bundle(first)
    (paths.run_folder(manager.store.folder, run_id) / "checkpoint-000000009.safetensors").write_bytes(b"x" * 3 * 2**20)
    with pytest.raises(InputError, match="limit disk_megabytes_per_user"):
        bundle_import.import_bundle(manager.store, second, admit=room.check_disk)
    assert len(manager.runs()) == 1
