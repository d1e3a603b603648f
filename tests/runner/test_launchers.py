"""Threads and worker processes: what each does when something dies. What every launcher does is in appcore/testing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from standin import SETTINGS, StandIn

from appcore.runner import driver, hardware
from appcore.runner.launcher import Launcher
from appcore.runner.launchers.process import WorkerJob
from appcore.statuses import ENDED
from appcore.storage.store import Store, StoreError
from appcore.testing.launcher_suite import LONG, SHORT, add, samples, status, wait


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "appcore.db")


@pytest.fixture
def threads(store: Store) -> Iterator[Callable[[StandIn], Launcher]]:
    """Thread launchers with a stand-in for the engine."""
    made = []

    def make(work: StandIn) -> Launcher:
        made.append(Launcher(store, "thread", work=work))
        return made[-1]

    yield make
    for launcher in made:
        launcher.close(5.0)


# ---- threads


def trainers(before: set[threading.Thread]) -> set[threading.Thread]:
    """Trainer threads that began since `before`: other tests leave sleeping ones behind."""
    return {t for t in set(threading.enumerate()) - before if t.name.startswith("appcore-") and "heart" not in t.name}


def cpu_seconds(thread: threading.Thread) -> float:
    """Of one thread alone; others of this process may be busy."""
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="needs the clock of a thread")
def test_one_thread_serves_a_device_for_all_jobs_and_sleeps_between_them(store: Store, threads: Callable) -> None:
    before, found = set(threading.enumerate()), set()
    launcher = threads(StandIn())
    for _ in range(3):
        run_id = add(store, SETTINGS)
        launcher.start([run_id])
        wait(lambda run_id=run_id: status(store, run_id) == "done")
        found |= trainers(before)
    (thread,) = found
    spent = cpu_seconds(thread)
    time.sleep(0.5)
    assert cpu_seconds(thread) - spent < 0.1


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="needs the clock of a thread")
def test_paused_it_sleeps(store: Store, threads: Callable) -> None:
    before = set(threading.enumerate())
    run_id = add(store, {**SETTINGS, "epochs": 1000})
    threads(StandIn(step_seconds=0.001)).start([run_id])
    wait(lambda: samples(store, run_id))
    store.set_command(run_id, "pause")
    wait(lambda: status(store, run_id) == "paused")
    (thread,) = trainers(before)
    spent = cpu_seconds(thread)
    time.sleep(1.0)
    assert cpu_seconds(thread) - spent < 0.3


@pytest.mark.thorough
def test_partners_advance_event_by_event(store: Store, threads: Callable) -> None:
    work = StandIn(step_seconds=0.002)
    pair = [add(store, {**SETTINGS, "epochs": 50}) for _ in range(2)]
    threads(work).start(pair)
    apart = []
    wait(lambda: len(work.states) == 2)
    while any(status(store, run_id) not in ENDED for run_id in pair):
        apart.append(abs(work.states[0].samples_seen - work.states[1].samples_seen))
        time.sleep(0.005)
    assert max(apart) <= 10  # one step
    assert [status(store, run_id) for run_id in pair] == ["done", "done"]


def test_a_failing_run_takes_neither_its_partner_nor_the_thread_along(store: Store, threads: Callable) -> None:
    def trouble() -> None:
        raise SystemExit(3)

    work = StandIn()
    launcher = threads(work)
    good, bad = add(store, SETTINGS), add(store, SETTINGS)
    store.update(bad, config={**store.get(bad)["config"], "dataset": "gone"})
    launcher.start([bad, good])
    wait(lambda: status(store, good) == "done")
    assert status(store, bad) == "failed"
    work.at = {(2, 1): trouble}
    exits = add(store, SETTINGS)
    launcher.start([exits])
    wait(lambda: status(store, exits) == "stopped")
    work.at = {}
    last = add(store, SETTINGS)
    launcher.start([last])
    wait(lambda: status(store, last) == "done")


def test_a_run_deleted_under_way_or_held_elsewhere_is_dropped(store: Store, threads: Callable) -> None:
    launcher = threads(StandIn(step_seconds=0.002))
    gone, held, last = (add(store, SETTINGS) for _ in range(3))
    store.update(held, status="running", host="elsewhere", heartbeat=time.time())
    launcher.start([gone])
    wait(lambda: status(store, gone) == "running")
    with sqlite3.connect(store.url.removeprefix("sqlite:///")) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("DELETE FROM runs WHERE run_id = ?", (gone,))
    launcher.start([held])
    launcher.start([last])
    wait(lambda: status(store, last) == "done")
    assert status(store, held) == "running"


@pytest.mark.thorough
def test_queued_and_paused_runs_have_a_heartbeat(store: Store, threads: Callable) -> None:
    launcher = threads(StandIn(step_seconds=0.01))
    first, second, third = (add(store, {**SETTINGS, "epochs": 1000}) for _ in range(3))
    for run_id in (first, second, third):
        launcher.start([run_id])
    wait(lambda: samples(store, first))
    store.set_command(first, "pause")
    wait(lambda: samples(store, second))
    before = [store.get(run_id)["heartbeat"] for run_id in (first, third)]
    wait(lambda: all(store.get(run_id)["heartbeat"] > then for run_id, then in zip((first, third), before)))


def test_the_device_names_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware.device_of("cuda") == "cuda"
    assert hardware.device_of("auto") in ("cpu", "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert hardware.device_of("auto") == "cpu"


# ---- worker processes


def kill_worker(store: Store, run_id: str, kill: signal.Signals) -> dict:
    """The row of a run after its worker process died."""
    os.kill(store.get(run_id)["pid"], kill)
    wait(lambda: status(store, run_id) == "lost" and store.get(run_id)["error"])
    row = store.get(run_id)
    assert kill.name in row["error"]
    assert "resume" in row["error"]
    return row


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_killed_within_an_epoch_and_resumed_elsewhere_it_gives_the_same_bits(store: Store) -> None:
    settings = {**SHORT, "epochs": 300}  # so long that it cannot be over before the kill, which comes late on a busy machine
    whole, run_id = add(store, settings), add(store, settings)
    assert driver.drive(store, whole) == "done"
    launcher = Launcher(store, "process")
    launcher.start([run_id])
    wait(lambda: store.get(run_id)["cursor"] > 305)  # within the second megabatch: there is a checkpoint of the first
    kill_worker(store, run_id, signal.SIGKILL)
    wait(lambda: not launcher.alive(run_id))
    assert driver.drive(store, run_id) == "done"
    assert store.get(run_id)["totals"]["weights_hash"] == store.get(whole)["totals"]["weights_hash"]
    assert store.epochs(run_id)["train_loss"].tolist() == store.epochs(whole)["train_loss"].tolist()
    launcher.close()


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_crashed_worker_leaves_its_last_words(store: Store) -> None:
    launcher, run_id, waiting = Launcher(store, "process"), add(store, LONG), add(store, LONG)
    launcher.start([run_id])
    launcher.start([waiting])
    wait(lambda: status(store, run_id) == "running")
    row = kill_worker(store, run_id, signal.SIGSEGV)
    assert "Fatal Python error: Segmentation fault" in row["traceback"]
    wait(lambda: status(store, waiting) == "running")
    launcher.close(10.0)


@pytest.mark.thorough
def test_a_locked_store_does_not_swallow_why_a_worker_died(store: Store, tmp_path: Path) -> None:
    run_id, hasty = add(store, LONG), Store(tmp_path / "appcore.db", busy_seconds=0.1)
    job = WorkerJob(hasty, [run_id])
    other = sqlite3.connect(tmp_path / "appcore.db")
    try:
        wait(lambda: status(store, run_id) == "running")
        other.execute("BEGIN IMMEDIATE")  # the worker's death can be read but not written
        job._worker.process.kill()
        job._worker.process.wait()
        with pytest.raises(StoreError, match="is locked"):
            job.advance()
        assert job.run_ids == [run_id]  # still to be accounted for
        other.rollback()
        assert not job.advance()
    finally:
        job._worker.process.kill()
        other.close()
    row = store.get(run_id)
    assert (row["status"], "SIGKILL" in row["error"]) == ("lost", True)


_PARENT = """
import sys, time
from appcore.runner.launcher import Launcher
from appcore.storage.store import Store
Launcher(Store(sys.argv[1]), "process").start([sys.argv[2]])
time.sleep(600)
"""


@pytest.mark.slow
def test_a_worker_ends_with_its_parent_and_the_run_can_be_resumed(store: Store) -> None:
    run_id = add(store, LONG)
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, store.url, run_id])
    try:
        wait(lambda: status(store, run_id) == "running")
        worker = psutil.Process(store.get(run_id)["pid"])
        assert worker.pid != parent.pid
    finally:
        parent.kill()
        parent.wait()
    wait(lambda: not worker.is_running())  # it may have been importing torch
    assert status(store, run_id) == "stopped"


def test_a_stop_that_comes_while_a_pause_is_obeyed_is_not_lost(store: Store, threads: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher, whole = threads(StandIn(step_seconds=0.01)), Store.update_all
    busy, waits = (add(store, {**SETTINGS, "epochs": 1000}) for _ in range(2))
    launcher.start([busy], [waits])
    wait(lambda: status(store, busy) == "running")

    def slow(store: Store, run_ids: list[str], *rest: object, **columns: object) -> None:
        monkeypatch.setattr(Store, "update_all", whole)
        store.set_command(waits, "stop")  # from another process, in between
        whole(store, run_ids, *rest, **columns)

    monkeypatch.setattr(Store, "update_all", slow)
    store.set_command(waits, "pause")
    launcher.sweep()
    assert (status(store, waits), store.command(waits)) == ("queued", "stop")
    launcher.sweep()
    assert status(store, waits) == "stopped"
