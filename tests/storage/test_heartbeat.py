"""Whose run it is, by what is seen to move: clocks that are hours ahead or behind keep nobody alive, and kill nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import at_once
import psutil
import pytest
from sqlalchemy import update
from standin import SETTINGS, StandIn

from appcore import limits, paths
from appcore.config import build
from appcore.errors import InputError
from appcore.planning.plan import plan
from appcore.service.manager import Manager
from appcore.storage import heartbeat
from appcore.storage.heartbeat import Sightings
from appcore.storage.schema import runs
from appcore.storage.store import Store

HOUR = 3600.0
OFFSETS = [-365 * 24 * HOUR, -5 * HOUR, -2 * heartbeat.LOST_SECONDS, 2 * heartbeat.LOST_SECONDS, 5 * HOUR, 365 * 24 * HOUR]
ELSEWHERE = {"host": "elsewhere", "pid": 1, "process_started": 7.0}


@pytest.fixture(autouse=True)
def short_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "WATCH_SECONDS", 0.5)  # the hearts below beat twenty times a second


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    yield store
    store.close()


@pytest.fixture
def manager(store: Store) -> Iterator[Manager]:
    manager = Manager(store, work=StandIn(step_seconds=0.002))
    yield manager
    manager.close()


def add(store: Store, **columns: Any) -> str:
    config = build({**SETTINGS, "epochs": 1000})
    run_id = store.create_run(config, plan_length=len(plan(config)))
    store.update(run_id, status="running", **{**ELSEWHERE, **columns})
    return run_id


@contextmanager
def beating(store: Store, run_id: str, offset: float) -> Iterator[None]:
    """The heart of a living process elsewhere, whose clock differs from ours."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(0.05):
            with store._database.write() as connection:
                connection.execute(update(runs).where(runs.c.run_id == run_id).values(heartbeat=time.time() + offset))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# ---- elsewhere


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_living_process_with_another_clock_keeps_its_run(manager: Manager, store: Store, offset: float) -> None:
    run_id = add(store, heartbeat=time.time() + offset)
    with beating(store, run_id, offset):
        with pytest.raises(InputError, match="is running"):
            manager.delete(run_id)
        assert store.get(run_id)["status"] == store.runs()[0]["status"] == store.revision()[0][2] == "running"
        assert store.active().total() == 1
        manager.resume(run_id)  # only sent to it
        assert store.command(run_id) == "resume"
        manager.stop(run_id)
        row = store.get(run_id)
        assert (row["status"], row["command"], row["host"]) == ("running", "stop", "elsewhere")


@pytest.mark.slow
@pytest.mark.parametrize("offset", OFFSETS)
def test_a_dead_process_with_another_clock_keeps_nothing(manager: Manager, store: Store, offset: float) -> None:
    store.folder.mkdir(parents=True, exist_ok=True)
    paths.limits(store.folder).write_text("queue = 1")
    limits._read.cache_clear()
    asked, deleted, resumed = (add(store, heartbeat=time.time() + offset) for _ in range(3))
    manager.stop(asked)
    row = store.get(asked)
    assert (row["status"], row["command"]) == ("stopped", None)  # answered by whoever looks
    assert manager.wait(asked, 1.0) == "stopped"
    manager.delete(deleted)
    manager.resume(resumed)  # the dead ones take no room in the queue
    assert heartbeat.is_mine(store.get(resumed))
    assert {row["run_id"] for row in store.runs()} == {asked, resumed}


def test_what_a_process_asks_first_it_has_watched_before_it_acts(store: Store, any_address: str) -> None:
    run_id = add(store, heartbeat=time.time() + 5 * HOUR)
    other = Store(any_address)
    assert other.get(run_id)["status"] == "lost"  # a first look has a clock's word alone
    with beating(store, run_id, 5 * HOUR):
        other.settle()
        assert other.get(run_id)["status"] == "running"
    other.close()


@pytest.mark.thorough
def test_the_heart_of_a_living_run_stops(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "LOST_SECONDS", 1.0)
    run_id = add(store, heartbeat=time.time() + 5 * HOUR)
    with beating(store, run_id, 5 * HOUR):
        store.settle()
        assert store.get(run_id)["status"] == "running"
    deadline = time.monotonic() + 30
    while store.get(run_id)["status"] == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert store.get(run_id)["status"] == "lost"


# ---- here


def test_a_reused_pid_is_another_process_whatever_the_clocks_say(manager: Manager, store: Store) -> None:
    for beat in (time.time(), time.time() + 5 * HOUR, time.time() - 5 * HOUR):
        run_id = add(store, **{**heartbeat.of(os.getppid()), "process_started": 1.5}, heartbeat=beat)
        assert store.get(run_id)["status"] == "lost"
        manager.stop(run_id)
        assert store.get(run_id)["status"] == "stopped"
        manager.delete(run_id)


def test_a_living_process_here_whose_clock_was_set_back_keeps_its_run_until_it_is_silent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = add(store, **heartbeat.of(os.getppid()), heartbeat=time.time() + 5 * HOUR)
    assert store.get(run_id)["status"] == "running"
    monkeypatch.setattr(heartbeat, "LOST_SECONDS", 0.2)
    time.sleep(0.3)
    assert store.get(run_id)["status"] == "lost"


def test_a_zombie_and_a_process_that_is_not_there_are_gone(store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        owner = heartbeat.of(process.pid)
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        run_id = add(store, **owner, heartbeat=time.time() + HOUR)
        assert store.get(run_id)["status"] == "lost"
    assert store.get(run_id)["status"] == "lost"


def test_the_start_of_a_process_does_not_move_with_the_clock() -> None:
    """In seconds since the machine's start, which has to be before the process's own."""
    if not sys.platform.startswith("linux"):
        pytest.skip("elsewhere the system notes the time of day")
    assert 0.0 <= heartbeat.me()["process_started"] < time.clock_gettime(time.CLOCK_BOOTTIME)
    assert heartbeat.of(os.getpid()) == heartbeat.me()


# ---- the sightings


class _Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now = 1000.0
        monkeypatch.setattr(heartbeat, "time", SimpleNamespace(monotonic=lambda: self.now, time=time.time))


def row(beat: float, **columns: Any) -> dict[str, Any]:
    return {"run_id": "a", "heartbeat": beat, **ELSEWHERE, **columns}


def test_only_a_heartbeat_that_follows_its_own_proves_life(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen, far = _Clock(monkeypatch), Sightings(), time.time() + 5 * HOUR
    assert seen.judge(row(far)) == "unsure"
    clock.now += 2.0
    assert seen.judge(row(far + 2.0)) == "alive"  # it moved as time went by
    assert seen.judge(row(far + 9 * HOUR)) == "unsure"  # a leap is no beat
    assert seen.judge(row(far + 9 * HOUR + 1, pid=2)) == "unsure"  # another owner
    clock.now += 2.0
    assert seen.judge(row(far + 9 * HOUR + 3, pid=2)) == "alive"
    assert seen.judge(row(far, pid=2)) == "unsure"  # back in time
    clock.now += heartbeat.WATCH_SECONDS + 0.1
    assert seen.judge(row(far, pid=2)) == "gone"
    clock.now += 1.0
    assert seen.judge(row(far + 1.0, pid=2)) == "alive"  # it had been slow


def test_after_a_long_look_away_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen, far = _Clock(monkeypatch), Sightings(), time.time() - 5 * HOUR
    seen.judge(row(far))
    clock.now += HOUR
    assert seen.judge(row(far + HOUR - 2)) == "unsure"


def test_a_clock_that_is_nearly_right_is_believed_until_it_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen, beat = _Clock(monkeypatch), Sightings(), time.time() + 50
    assert seen.judge(row(beat)) == "alive"
    clock.now += heartbeat.LOST_SECONDS + 1
    assert seen.judge(row(beat)) == "gone"


def test_what_was_let_go_is_gone_at_once() -> None:
    assert [Sightings().judge(row(beat)) for beat in (0.0, None)] == ["gone", "gone"]


# ---- a whole process with a clock of its own


@pytest.mark.slow
@pytest.mark.parametrize("hours", ["5", "-5"])
def test_a_process_whose_clock_is_hours_off_is_stopped_and_the_run_goes_on_here(
    manager: Manager, store: Store, any_address: str, monkeypatch: pytest.MonkeyPatch, hours: str
) -> None:
    monkeypatch.setattr(heartbeat, "WATCH_SECONDS", 2.5 * heartbeat.BEAT_SECONDS)
    config = build({**SETTINGS, "epochs": 3000})
    run_id = store.create_run(config, plan_length=len(plan(config)))
    process = at_once.program("_drive", any_address, run_id, hours, "elsewhere")
    try:
        deadline = time.monotonic() + 60
        while store.get(run_id)["host"] != "elsewhere" or not store.get(run_id)["cursor"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        store.settle()
        assert store.get(run_id)["status"] == "running"
        manager.stop(run_id)
        assert manager.wait(run_id, 60.0) == "stopped"
        assert process.communicate()[0] == '"stopped"\n'
        manager.resume(run_id)
        deadline = time.monotonic() + 60
        while store.get(run_id)["status"] != "running":
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate()
