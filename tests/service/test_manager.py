"""The manager: plain data in and out, refusals before anything is written, one run for two presses, one manager for a process."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ctrl_c
import pytest
from standin import SETTINGS, StandIn

from appcore.errors import InputError
from appcore.runner import hardware
from appcore.service import manager as module
from appcore.service.manager import Manager, shared
from appcore.storage.store import Store

LONG = {**SETTINGS, "epochs": 1000}


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


def wait_for(manager: Manager, run_id: str, status: str, seconds: float = 60.0) -> float:
    """Seconds until the run has a status."""
    start = time.monotonic()
    while manager.get(run_id)["status"] != status:
        assert time.monotonic() - start < seconds, (manager.get(run_id), status)
        time.sleep(0.01)
    return time.monotonic() - start


def is_plain(value: Any) -> bool:
    return json.loads(json.dumps(value)) == value


@pytest.mark.thorough
def test_runs_started_together_are_one_group_and_end(manager: Manager) -> None:
    pair = manager.start([{**SETTINGS, "pruner": "snip"}, {**SETTINGS, "pruner": "magnitude"}], titles=["one", "two"])
    alone = manager.start([SETTINGS])
    assert all(manager.wait(run_id, timeout=20) == "done" for run_id in pair + alone)
    rows = [manager.get(run_id) for run_id in pair + alone]
    assert [row["title"] for row in rows] == ["one", "two", "APP · SNIP, MLP, Digits"]
    assert rows[0]["group_id"] == rows[1]["group_id"] != ""
    assert rows[2]["group_id"] == ""
    assert [row["run_id"] for row in manager.runs()] == alone + pair[::-1]
    assert all(is_plain(value) for value in (*rows, manager.runs(), manager.result(pair[0])))
    assert manager.result(pair[0])["status"] == "done"


@pytest.mark.parametrize(
    ("configs", "options", "field"),
    [
        ([SETTINGS, {**SETTINGS, "arch": "nonsense"}], {}, "arch"),
        ([SETTINGS, {**SETTINGS, "megabatches": 101}], {}, "megabatches"),  # refused by the data, after the settings
        ([{**SETTINGS, "colour": 1}], {}, "colour"),
        ([SETTINGS], {"launcher": "rocket"}, "launcher"),
        ([], {}, ""),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_written(
    manager: Manager, store: Store, configs: list, options: dict, field: str
) -> None:
    with pytest.raises(InputError) as refused:
        manager.start(configs, **options)
    assert refused.value.field == field
    assert not store.folder.exists()


def test_start_pressed_twice_is_one_run(manager: Manager) -> None:
    started: list = []
    threads = [threading.Thread(target=lambda: started.append(manager.start([SETTINGS], token="form-1"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({tuple(run_ids) for run_ids in started}) == 1
    assert manager.start([SETTINGS], token="form-2") != started[0]
    assert len(manager.runs()) == 2


def test_pause_resume_and_stop_answer_at_once(manager: Manager, work: StandIn) -> None:
    (run_id,) = manager.start([LONG])
    wait_for(manager, run_id, "running")
    manager.pause(run_id)
    assert wait_for(manager, run_id, "paused") < 5.0
    manager.pause(run_id)
    manager.resume(run_id)
    assert wait_for(manager, run_id, "running") < 5.0
    assert manager.wait(run_id, timeout=0.05) is None
    manager.stop(run_id)
    assert wait_for(manager, run_id, "stopped") < 5.0
    manager.stop(run_id)  # nothing to do is no error
    assert manager.wait(run_id) == "stopped"
    with pytest.raises(InputError, match="is stopped"):
        manager.pause(run_id)
    assert len(work.states) == 1


@pytest.mark.thorough
def test_a_stopped_or_failed_run_goes_on_from_its_checkpoint(manager: Manager, work: StandIn) -> None:
    (whole,) = manager.start([SETTINGS])
    assert manager.wait(whole, timeout=20) == "done"
    with pytest.raises(InputError, match="is done"):
        manager.resume(whole)

    def trouble() -> None:
        raise ValueError("trouble")

    work.at = {(9, 2): trouble}
    (run_id,) = manager.start([SETTINGS])
    assert manager.wait(run_id, timeout=20) == "failed"
    assert manager.get(run_id)["error"] == "trouble"
    work.at = {}
    manager.resume(run_id[:-1] if run_id[:-1] != whole[:-1] else run_id)
    assert manager.wait(run_id, timeout=20) == "done"
    assert manager.get(run_id)["totals"]["weights_hash"] == manager.get(whole)["totals"]["weights_hash"]


def test_stopped_and_resumed_without_a_breath_it_goes_on(manager: Manager) -> None:
    (run_id,) = manager.start([LONG])
    for _ in range(3):
        wait_for(manager, run_id, "running")
        manager.stop(run_id)
        wait_for(manager, run_id, "stopped")
        manager.resume(run_id)
        manager.resume(run_id)  # pressed twice
    wait_for(manager, run_id, "running")


def test_a_lost_run_is_resumed_and_one_that_lives_elsewhere_is_only_told(manager: Manager, store: Store) -> None:
    (run_id,) = manager.start([LONG])
    wait_for(manager, run_id, "running")
    manager.stop(run_id)
    wait_for(manager, run_id, "stopped")
    store.update(run_id, status="running", host="elsewhere", pid=1, heartbeat=time.time())
    manager.stop(run_id)
    assert store.command(run_id) == "stop"
    store.update(run_id, heartbeat=0.0)
    assert manager.get(run_id)["status"] == "stopped"  # as it was told to
    store.update(run_id, command=None)
    assert manager.get(run_id)["status"] == "lost"
    manager.stop(run_id)
    manager.resume(run_id)
    wait_for(manager, run_id, "running")
    assert manager.get(run_id)["pid"] == os.getpid()


def test_the_queue_is_told(manager: Manager) -> None:
    run_ids = [manager.start([LONG])[0] for _ in range(3)]
    wait_for(manager, run_ids[0], "running")
    assert [manager.queue_position(run_id) for run_id in (*run_ids, "other")] == [0, 1, 2, None]
    manager.stop(run_ids[1])
    assert manager.get(run_ids[1])["status"] == "stopped"
    assert manager.queue_position(run_ids[2]) == 1


def test_a_run_is_deleted_only_when_it_has_ended(manager: Manager, store: Store) -> None:
    (run_id,) = manager.start([LONG])
    wait_for(manager, run_id, "running")
    with pytest.raises(InputError, match="stop it"):
        manager.delete(run_id)
    manager.stop(run_id)
    wait_for(manager, run_id, "stopped")
    manager.delete(run_id)
    assert manager.runs() == []
    assert not (store.folder / run_id).exists()


def test_estimates_are_remembered_and_cannot_be_spoilt(manager: Manager, work: StandIn) -> None:
    first = manager.estimate(SETTINGS)
    first["samples"] = "spoilt"
    samples = work.total_samples(work.config(SETTINGS))
    at_once = hardware.cores()  # of steps of one thread
    assert manager.estimate(dict(SETTINGS)) == {"samples": samples, "seconds": 1.0, "slots": 1, "at_once": at_once}
    assert manager.estimate({**SETTINGS, "epochs": 3})["samples"] != manager.estimate(SETTINGS)["samples"]
    with pytest.raises(InputError):
        manager.estimate({**SETTINGS, "epochs": 0})


@pytest.mark.parametrize("columns", [{"config": {**SETTINGS, "arch": "gone"}}, {"totals": None}, {"totals": {"seconds": 1.0}}])
def test_an_earlier_run_that_tells_nothing_spoils_no_estimate(manager: Manager, store: Store, columns: dict) -> None:
    (run_id,) = manager.start([SETTINGS])
    assert manager.wait(run_id, 10) == "done"
    store.update(run_id, **columns)
    assert manager.estimate(SETTINGS)["seconds"] == 1.0


@pytest.mark.alone
def test_closing_leaves_stopped_runs_and_takes_little_time(manager: Manager) -> None:
    running, waiting = (manager.start([LONG])[0] for _ in range(2))
    wait_for(manager, running, "running")
    start = time.monotonic()
    manager.close()
    assert time.monotonic() - start < 2.5
    assert [manager.get(run_id)["status"] for run_id in (running, waiting)] == ["stopped", "stopped"]


# ---- one for each process


def test_the_shared_manager_survives_a_reload_of_the_sources() -> None:
    first = shared()
    packages = {name: sys.modules.pop(name) for name in list(sys.modules) if name == "appcore" or name.startswith("appcore.")}
    try:
        again = importlib.import_module("appcore.service.manager")
        assert again is not module
        assert again.shared() is first
        with pytest.raises(ValueError, match="no run") as refused:  # pages catch what both copies have in common
            again.shared().get("nonsense")
        assert refused.value.message
    finally:
        for name in [name for name in sys.modules if name == "appcore" or name.startswith("appcore.")]:
            del sys.modules[name]
        sys.modules.update(packages)


def test_threads_that_ask_at_once_get_one_and_each_store_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(shared())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "other.db"))
    assert shared() is not found[0]


_SERVER = """
import sys, time
from appcore.service.manager import shared
settings = {"arch": "mlp", "dataset": "digits", "megabatches": 2, "epochs": 10000, "limit_train": 200}
(run_id,) = shared().start([settings], launcher=sys.argv[1])
while not (shared().get(run_id)["progress"] or {}).get("samples_seen"):
    time.sleep(0.02)
try:
    print(run_id, flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    pass
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("launcher", ["thread", "process"])
def test_a_server_ended_by_ctrl_c_leaves_resumable_runs_and_no_process(tmp_path: Path, launcher: str) -> None:
    store = Store()
    server = subprocess.Popen([sys.executable, "-c", _SERVER, launcher], stdout=subprocess.PIPE, text=True, preexec_fn=ctrl_c.obey)
    run_id = server.stdout.readline().strip()
    start = time.monotonic()
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=20)
    assert time.monotonic() - start < 10
    assert server.returncode == 0
    deadline = time.monotonic() + 10
    while (status := store.get(run_id)["status"]) == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert status == "stopped"
