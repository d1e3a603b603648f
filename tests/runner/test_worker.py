"""The worker process: honest exit codes, and SIGTERM and SIGHUP as a scheduler means them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import at_once
import pytest

from appcore import limits, paths
from appcore.runner import driver, signals, slots, worker
from appcore.storage import checkpoint
from appcore.storage.store import Store
from appcore.testing.launcher_suite import LONG, SHORT, add, wait

TRY_AGAIN = 75


@pytest.fixture
def store(any_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("APPCORE_STORE", any_address)
    monkeypatch.setenv("APPCORE_SHARE", "1")
    store = Store(any_address)
    yield store
    store.close()


def failing(store: Store) -> str:
    run_id = add(store)
    store.update(run_id, config={**store.get(run_id)["config"], "arch": "gone"})
    return run_id


def running_elsewhere(store: Store) -> str:
    run_id = add(store)
    store.update(run_id, status="running", host="elsewhere", heartbeat=time.time())
    return run_id


def asked_to_stop(store: Store) -> str:
    run_id = add(store)
    store.set_command(run_id, "stop")
    return run_id


def over_the_limits(store: Store) -> str:
    paths.limits(store.folder).write_text("epochs = 10")
    limits._read.cache_clear()
    run_id = add(store, LONG)
    store.update(run_id, status="stopped")
    return run_id


def without_room(store: Store) -> str:
    paths.limits(store.folder).write_text("queue = 0")
    limits._read.cache_clear()
    run_id = add(store)
    store.update(run_id, status="stopped")
    return run_id


def done(store: Store) -> str:
    run_id = add(store)
    assert driver.drive(store, run_id) == "done"
    return run_id


@pytest.mark.parametrize(
    ("make", "code", "status"),
    [
        (add, 0, "done"),
        (done, 0, "done"),
        (asked_to_stop, 0, "stopped"),
        (failing, 1, "failed"),
        (over_the_limits, 1, "stopped"),
        (lambda store: "20260101-000000-0000", 1, ""),
        (running_elsewhere, TRY_AGAIN, "running"),
        (without_room, TRY_AGAIN, "stopped"),
    ],
)
def test_the_exit_code_says_what_became_of_the_run(store: Store, make: Callable[[Store], str], code: int, status: str) -> None:
    store.runs()  # makes the folder
    run_id = make(store)
    assert worker.main([run_id]) == code
    if status:
        assert store.get(run_id)["status"] == status


def test_of_several_runs_the_one_to_be_tried_again_counts(store: Store) -> None:
    first, second, third = add(store), failing(store), running_elsewhere(store)
    assert worker.main([first, second]) == 1
    assert worker.main([first, second, third]) == TRY_AGAIN
    assert [store.get(run_id)["status"] for run_id in (first, second, third)] == ["done", "failed", "running"]


def test_a_store_that_is_not_reached_is_to_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "file" / "runs.db"))
    assert worker.main(["20260101-000000-0000"]) == TRY_AGAIN
    assert capsys.readouterr().err.count("\n") == 1


# ---- signals


@pytest.fixture
def begin(store: Store) -> Iterator[Callable[..., subprocess.Popen]]:
    begun: list[subprocess.Popen] = []

    def start(*run_ids: str, **options: Any) -> subprocess.Popen:
        begun.append(at_once.worker(*run_ids, **options))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("number", signals.SIGNALS)
def test_asked_to_end_it_saves_and_is_tried_again_with_the_same_bits(store: Store, begin: Callable, number: signal.Signals) -> None:
    settings = {**SHORT, "epochs": 300}
    whole, run_id = add(store, settings), add(store, settings)
    assert driver.drive(store, whole) == "done"
    process = begin(run_id, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))  # also where the tests run under nohup
    wait(lambda: store.get(run_id)["cursor"] > 5)
    process.send_signal(number)
    assert process.wait(60) == TRY_AGAIN
    row = store.get(run_id)
    assert row["status"] == "stopped"
    folder = paths.run_folder(store.folder, run_id)
    assert row["cursor"] - checkpoint.load(folder)[1]["cursor"] == 0  # all but the segment that was under way
    assert begin(run_id).wait(120) == 0
    assert store.get(run_id)["totals"]["weights_hash"] == store.get(whole)["totals"]["weights_hash"]
    assert store.epochs(run_id)["train_loss"].tolist() == store.epochs(whole)["train_loss"].tolist()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_under_nohup_a_closed_terminal_is_nothing(store: Store, begin: Callable) -> None:
    run_id = add(store, {**SHORT, "epochs": 100})
    process = begin(run_id, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait(lambda: store.get(run_id)["status"] == "running")
    process.send_signal(signal.SIGHUP)
    assert process.wait(120) == 0
    assert store.get(run_id)["status"] == "done"


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_asked_while_it_waits_for_its_turn_it_begins_nothing(store: Store, begin: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = add(store)
    monkeypatch.delenv("APPCORE_SHARE")
    with slots.turn("cpu", 10_000, "a test"):
        process = begin(run_id, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("waiting for a test")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == TRY_AGAIN
        process.stderr.close()
    row = store.get(run_id)
    assert (row["status"], row["command"], row["progress"]) == ("queued", None, None)
