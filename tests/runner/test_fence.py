"""A driver that was suspended, given up and replaced writes nothing when it wakes up: no row, no file, no beat."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import at_once
import pytest
from standin import SETTINGS, StandIn

from appcore import paths
from appcore.config import build
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.runner.launcher import Launcher
from appcore.storage import heartbeat
from appcore.storage.store import Store, TakenOverError

CONFIG = build({**SETTINGS, "epochs": 40})


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    yield store
    store.close()


def add(store: Store) -> str:
    return store.create_run(CONFIG, plan_length=len(plan(CONFIG)))


def everything(store: Store, run_id: str) -> dict[str, Any]:
    """All rows, and all files with their contents."""
    tables = [getattr(store, name)(run_id).to_json() for name in ("epochs", "megabatches", "prunes", "layers")]
    folder = paths.run_folder(store.folder, run_id)
    return {"row": store.get(run_id), "tables": tables, "files": {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}}


def steps(store: Store, run_id: str, count: int) -> Iterator[str]:
    driven = driver.steps(store, run_id, work=StandIn())
    for _ in itertools.islice(driven, count):
        pass
    return driven


# ---- within one process: each claim has a fence of its own


@pytest.mark.slow
@pytest.mark.parametrize("events", [1, 5, 30, 170, 200])
@pytest.mark.parametrize("then", ["go on", "close"])
def test_a_driver_that_was_replaced_writes_nothing(store: Store, events: int, then: str) -> None:
    run_id = add(store)
    slept = steps(store, run_id, events)
    assert driver.drive(store, run_id, work=StandIn()) == "done"  # by another claim, of the same process
    before = everything(store, run_id)
    if then == "close":
        slept.close()
    else:
        assert set(slept) <= {"running", "lost"}
    assert everything(store, run_id) == before


def test_a_driver_that_fails_after_it_was_replaced_writes_nothing(store: Store, capsys: pytest.CaptureFixture) -> None:
    run_id, work = add(store), StandIn(step_seconds=0.001)
    slept = driver.steps(store, run_id, work=work)
    for _ in range(5):
        next(slept)
    replaced = steps(store, run_id, 5)
    before = everything(store, run_id)

    def trouble() -> None:
        raise ValueError("trouble")

    work.at = {(1, step): trouble for step in range(4)}
    assert [*slept][-1] in ("failed", "lost")
    assert everything(store, run_id) == before
    assert "not stored" not in capsys.readouterr().err
    replaced.close()


@pytest.mark.parametrize(
    "write",
    [
        lambda store, run_id, fence: store.write(run_id, fence=fence, title="mine"),
        lambda store, run_id, fence: store.rewind(run_id, 0, fence=fence),
        lambda store, run_id, fence: store.take_command(run_id, fence),
        lambda store, run_id, fence: store.check_held(run_id, fence),
    ],
)
def test_each_way_of_writing_is_fenced(store: Store, write: Callable[[Store, str, str], Any]) -> None:
    run_id = add(store)
    fence = store.claim(run_id, ("queued",), status="running")["fence"]
    write(store, run_id, fence)
    store.set_command(run_id, "pause")
    assert store.claim(run_id, ("running",))["fence"] != fence
    before = everything(store, run_id)
    with pytest.raises(TakenOverError, match="was taken over by process"):
        write(store, run_id, fence)
    assert everything(store, run_id) == before


def test_a_beat_is_for_runs_that_are_ours(store: Store) -> None:
    mine, other = add(store), add(store)
    store.update(other, host="elsewhere", heartbeat=5.0)
    for wrong in (5.0, None, time.time() + 3600):  # a clock that was set back
        store.update(mine, heartbeat=wrong)
        store.beat([mine, other])
        assert store.get(other)["heartbeat"] == 5.0
        assert abs(store.get(mine)["heartbeat"] - time.time()) < 60


def test_a_run_that_was_written_just_now_needs_no_beat(store: Store) -> None:
    run_id = add(store)
    store.update(run_id, heartbeat=time.time())
    before = store.get(run_id)["heartbeat"]
    store.beat([run_id])
    assert store.get(run_id)["heartbeat"] == before
    store.update(run_id, heartbeat=before - 2)
    store.beat([run_id])
    assert store.get(run_id)["heartbeat"] >= before


def test_the_death_of_a_worker_is_not_told_of_a_run_that_another_has(store: Store) -> None:
    run_id, worker = add(store), {**heartbeat.me(), "pid": 2**22 + 1}
    store.update(run_id, **worker, status="running")
    store.update(run_id, host="elsewhere")
    store.forfeit(run_id, worker, status="lost")
    assert store.get(run_id)["status"] == "running"
    store.update(run_id, host=worker["host"])
    store.forfeit(run_id, worker, status="lost", error="it died")
    assert store.get(run_id)["error"] == "it died"


def test_a_queue_that_slept_begins_nothing_that_another_has(store: Store) -> None:
    work = StandIn(step_seconds=0.002)
    launcher = Launcher(store, "thread", work=work)
    first, waits = add(store), add(store)
    launcher.start([first], [waits])
    deadline = time.monotonic() + 60
    while store.get(first)["status"] != "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    store.claim(waits, ("queued",))  # it was lost, and is queued elsewhere now
    store.update(waits, host="elsewhere", heartbeat=time.time())
    before = store.get(waits)
    store.set_command(first, "stop")
    while launcher.alive(waits):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    launcher.close()
    assert store.get(waits) == before
    assert len(work.states) == 1


# ---- a process that is really suspended


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_suspended_process_that_wakes_up_writes_nothing(store: Store, any_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = add(store)
    process = at_once.program("_drive", any_address, run_id, "0", "")
    try:
        deadline = time.monotonic() + 60
        while store.get(run_id)["cursor"] < 5:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGSTOP)
        monkeypatch.setattr(heartbeat, "LOST_SECONDS", 0.5)  # not a minute
        while store.get(run_id)["status"] != "lost":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        driven = steps(store, run_id, 60)
        driven.close()
        before = everything(store, run_id)
        assert before["row"]["status"] == "stopped"
        os.kill(process.pid, signal.SIGCONT)
        assert json.loads(process.communicate(timeout=60)[0]) == "lost"
        assert everything(store, run_id) == before
    finally:
        process.kill()
        process.communicate()


def test_newer_checkpoints_stay(tmp_path: Path) -> None:
    import torch

    from appcore.storage import checkpoint

    for cursor in (8, 16, 24, 10):
        checkpoint.save(tmp_path, cursor, {"w": torch.ones(1)}, {})
    assert [int(path.stem[-9:]) for path in paths.manifests(tmp_path)] == [24, 16, 10]
    checkpoint.save(tmp_path, 32, {"w": torch.ones(1)}, {})
    assert [int(path.stem[-9:]) for path in paths.manifests(tmp_path)] == [32, 24]
    assert len(list(tmp_path.iterdir())) == 4
