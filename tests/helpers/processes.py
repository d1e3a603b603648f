"""Faults of processes and threads, really made: a server killed, a trainer thread that dies, sources loaded anew, two apps at once.

Each function makes one in an empty folder, and returns how the run ended and what became of it; AssertionError where it is not well.
"""

from __future__ import annotations

import importlib
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import faults
from resources import SAME, resume, row

from appcore.runner import device_queue, driver
from appcore.service.manager import Manager
from appcore.storage.store import Store

LONG = {"epochs": 500}  # so long that it is not over before it is struck


def _wait(until: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def server_killed(folder: Path) -> str:
    run_id = faults.new_run(folder, "app", **LONG)

    def serve() -> int:
        manager = Manager(Store(folder / "runs.db"))
        manager.store.update(run_id, status="stopped")
        manager.resume(run_id)
        manager.wait(run_id)
        return 0

    server = faults.fork(serve)
    _wait(lambda: row(folder, run_id)["cursor"] > LONG["epochs"] + 5)  # there is a checkpoint
    os.kill(server, signal.SIGKILL)
    faults.code_of(server)
    listed = [found["status"] for found in Store(folder / "runs.db").runs()]
    assert listed == ["lost"], listed

    def serve_again() -> int:
        manager = Manager(Store(folder / "runs.db"))
        manager.resume(run_id)
        assert manager.wait(run_id, 60.0) == "done"
        manager.close()
        return 0

    assert faults.in_child(serve_again) == 0
    return f"the next server lists it as lost; {resume(folder, run_id, **LONG)}"


def two_apps(folder: Path) -> str:
    """Ten times: two processes resume one run at the same moment."""
    for number in range(10):
        place = folder / str(number)
        run_id = faults.half_run(place, "app")
        when = time.time() + 0.3

        def press(place: Path = place, run_id: str = run_id, when: float = when) -> int:
            manager = Manager(Store(place / "runs.db"))
            time.sleep(max(0.0, when - time.time()))
            refused = False
            try:
                manager.resume(run_id)
            except ValueError:
                refused = True
            assert manager.wait(run_id, 60.0) == "done"
            is_mine = row(place, run_id)["pid"] == os.getpid()
            manager.close()
            assert not (refused and is_mine)
            return 10 if is_mine else 0

        codes = [faults.code_of(child) for child in [faults.fork(press), faults.fork(press)]]
        assert sorted(codes) == [0, 10], codes
        resume(place, run_id)
    return f"one of the two has the run, each time; {SAME}"


def trainer_thread_struck(folder: Path) -> str:
    run_id = faults.new_run(folder, "app", **LONG)
    assert faults.in_child(lambda: _serve_and_strike(folder, run_id, "done")) == 0
    return f"it lives on, done; {resume(folder, run_id, **LONG).removeprefix('resumed, ')}"


def trainer_thread_dies(folder: Path) -> str:
    """The server's terminal is gone as well, so that what is printed on the way is one more error."""

    def mute() -> None:
        raise BrokenPipeError

    def serve() -> int:
        device_queue.traceback.print_exc = mute
        return _serve_and_strike(folder, run_id, "stopped")

    run_id = faults.new_run(folder, "app", **LONG)
    assert faults.in_child(serve) == 0
    return f"stopped; in a new thread {resume(folder, run_id, **LONG)}"


def _serve_and_strike(folder: Path, run_id: str, then: str) -> int:
    """Let the trainer thread exit between two steps of a run, which must `then` end so, and again when it was resumed."""
    manager = Manager(Store(folder / "runs.db"))
    manager.store.update(run_id, status="stopped")
    round_of, rounds = device_queue.Queue._round, itertools.count()

    def struck(queue: device_queue.Queue) -> None:
        if next(rounds) in (300, 600):
            raise SystemExit
        round_of(queue)

    device_queue.Queue._round = struck
    for status in (then, then, "done"):
        if manager.get(run_id)["status"] != "done":
            manager.resume(run_id)
        assert manager.wait(run_id, 60.0) == status, manager.get(run_id)
    assert next(rounds) > 600
    assert len(_threads("appcore-cpu")) == 1
    manager.close()
    _wait(lambda: not _threads("appcore-"), 5.0)
    return 0


def _threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]


def sources_loaded_anew(folder: Path) -> str:
    """What Streamlit does to the modules of an app when a source file was saved."""
    run_id = faults.new_run(folder, "app")

    def serve() -> int:
        store = Store(folder / "runs.db")
        statuses = driver.steps(store, run_id)
        for number, status in enumerate(statuses):
            if number == 4:
                _forget()
                assert importlib.import_module("appcore.runner.driver") is not driver
            if store.get(run_id)["cursor"] > 5:
                assert status == "running"
                statuses.close()
        assert store.get(run_id)["status"] == "stopped"
        _forget()
        again = importlib.import_module("appcore.runner.driver")
        assert again.drive(importlib.import_module("appcore.storage.store").Store(folder / "runs.db"), run_id) == "done"
        return 0

    assert faults.in_child(serve) == 0
    return f"goes on; stopped and, with the new sources, {resume(folder, run_id)}"


def _forget() -> None:
    for name in [name for name in sys.modules if name == "appcore" or name.startswith("appcore.")]:
        del sys.modules[name]


FAULTS: dict[str, Callable[[Path], str]] = {
    "server killed (SIGKILL), another one started": server_killed,
    "two apps on one store resume a run at the same time, 10 times": two_apps,
    "the trainer thread is told to exit, twice": trainer_thread_struck,
    "the trainer thread dies, twice": trainer_thread_dies,
    "sources loaded anew under a run, two classes of each name": sources_loaded_anew,
}
# What the tests of the parts make already: the row, the tests, and what is then known.
TESTS = {
    "worker process killed (SIGKILL, SIGSEGV)": (
        "tests/runner/test_launchers.py -k killed_within_an_epoch or crashed_worker",
        "lost, with the signal and the last words of the worker; resumed, the same bits; the next run begins",
    ),
    "the app ends while a worker process trains": (
        "tests/runner/test_launchers.py -k worker_ends_with_its_parent",
        "stopped; the worker process ends by itself",
    ),
    "Ctrl-C on a server with a run in a thread, in a process": (
        "tests/service/test_manager.py -k ended_by_ctrl_c",
        "stopped within 10 s; no process left",
    ),
    "the worker dies while the store is locked": (
        "tests/runner/test_launchers.py -k locked_store_does_not_swallow",
        "lost, with the signal, once the store is free",
    ),
    "the browser reloads, a second tab is open": (
        "tests/pages/test_browser.py -k start_to_stop_with_a_second_tab",
        "the run goes on; both tabs see it stop",
    ),
    "eight tabs on one run, Resume pressed in three of them at once": (
        "tests/pages/test_browser.py -k eight_tabs",
        "one run, each epoch once; all eight see it run and stop",
    ),
    "sources loaded anew under the app's manager": (
        "tests/service/test_manager.py -k survives_a_reload_of_the_sources",
        "the manager that there is goes on",
    ),
    "Start pressed six times at once": ("tests/service/test_manager.py -k start_pressed_twice", "one run"),
    "one run claimed by eight threads": ("tests/storage/test_store.py -k only_one_of_many_claims", "one has it, seven are told so"),
}
