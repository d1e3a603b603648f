"""Tests of every launcher: it ends runs with the same results, in lockstep, one job at a time, and obeys commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..config import build
from ..errors import InputError
from ..planning.plan import plan
from ..runner import driver
from ..runner.launcher import Launcher, check, is_elsewhere
from ..runner.slots import SLOTS_VARIABLE, WORKERS_VARIABLE, workers
from ..storage.store import Store
from .suite import Suite

SHORT = {"arch": "mlp", "dataset": "digits", "megabatches": 2, "epochs": 1, "limit_train": 200, "limit_test": 50, "device": "cpu"}
LONG = {**SHORT, "epochs": 10_000}
START_SECONDS = 120.0  # a worker process imports torch first, on a machine that may be busy
OBEY_SECONDS = 30.0  # commands are looked for ten times a second; the rest is for a busy machine


def add(store: Store, settings: dict[str, Any] = SHORT) -> str:
    """A new run that nobody has started; its id."""
    config = build(settings)
    return store.create_run(config, plan_length=len(plan(config)))


def wait(until: Callable[[], object], seconds: float = START_SECONDS) -> None:
    """Return as soon as `until` holds; AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def status(store: Store, run_id: str) -> str:
    """A run's status in the store."""
    return store.get(run_id)["status"]


def samples(store: Store, run_id: str) -> int:
    """Training images that a run has seen so far."""
    return (store.get(run_id)["progress"] or {}).get("samples_seen", 0)


class LauncherSuite(Suite):
    """Each test has a store of its own and a launcher that is closed in the end."""

    kind = "launchers"

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
        monkeypatch.setenv(SLOTS_VARIABLE, str(tmp_path / "slots"))  # or the runs would wait for other training programs on this machine
        monkeypatch.setenv(WORKERS_VARIABLE, "1")
        return Store(tmp_path / "appcore.db")

    @pytest.fixture
    def launcher(self, name: str, store: Store) -> Iterator[Launcher]:
        try:
            check(store, name)
        except InputError as error:
            pytest.skip(error.message)
        launcher = Launcher(store, name, most=workers)
        yield launcher
        launcher.close(20.0)

    def test_runs_end_as_when_driven_here_and_advance_in_lockstep(self, store: Store, launcher: Launcher) -> None:
        here = add(store)
        assert driver.drive(store, here) == "done"
        pair = [add(store, {**SHORT, "pruner": pruner}) for pruner in ("snip", "magnitude")]
        launcher.start(pair)
        assert all(launcher.alive(run_id) for run_id in pair)
        with pytest.raises(InputError, match="started already"):
            launcher.start(pair[:1])
        wait(lambda: all(status(store, run_id) == "done" for run_id in pair))
        wait(lambda: not any(launcher.alive(run_id) for run_id in pair), OBEY_SECONDS)
        assert store.get(pair[0])["totals"]["weights_hash"] == store.get(here)["totals"]["weights_hash"]
        assert store.get(pair[0])["hashes"]["order"] == store.get(pair[1])["hashes"]["order"]

    def test_a_paused_job_frees_the_queue_and_every_command_is_obeyed(self, store: Store, launcher: Launcher) -> None:
        first, second = add(store, LONG), add(store, LONG)
        launcher.start([first])
        launcher.start([second])
        wait(lambda: samples(store, first))
        assert [launcher.position(run_id) for run_id in (first, second, "other")] == [0, 1, None]
        assert status(store, second) == "queued"
        store.set_command(first, "pause")
        wait(lambda: status(store, first) == "paused", OBEY_SECONDS)
        stood = samples(store, first)
        wait(lambda: samples(store, second))
        assert samples(store, first) == stood
        store.set_command(first, "resume")
        wait(lambda: samples(store, first) > stood, OBEY_SECONDS)
        seen = samples(store, second)
        wait(lambda: samples(store, second) > seen, OBEY_SECONDS)  # a resumed run carries on next to the other
        for run_id in (first, second):
            store.set_command(run_id, "stop")
        wait(lambda: [status(store, run_id) for run_id in (first, second)] == ["stopped", "stopped"], OBEY_SECONDS)
        wait(lambda: not launcher.alive(first) and not launcher.alive(second), OBEY_SECONDS)

    def test_a_waiting_run_that_is_told_to_stop_never_begins(self, store: Store, launcher: Launcher) -> None:
        first, second, third = add(store, LONG), add(store), add(store)
        for run_ids in ([first], [second, third]):
            launcher.start(run_ids)
        store.set_command(second, "stop")
        launcher.sweep()
        assert status(store, second) == "stopped"
        assert [launcher.alive(second), launcher.alive(third)] == [False, True]
        store.set_command(first, "stop")
        wait(lambda: status(store, third) == "done")
        assert store.get(second)["progress"] is None

    def test_closing_stops_everything_resumably_but_what_trains_elsewhere(self, name: str, store: Store, launcher: Launcher) -> None:
        first, second = add(store, LONG), add(store)
        launcher.start([first])
        launcher.start([second])
        wait(lambda: status(store, first) == "running")
        launcher.close(START_SECONDS)
        if is_elsewhere(name):
            seen = samples(store, first)
            wait(lambda: samples(store, first) > seen, OBEY_SECONDS)
            store.set_command(first, "stop")
            wait(lambda: status(store, first) == "stopped", OBEY_SECONDS)
        assert [status(store, first), status(store, second)] == ["stopped", "stopped"]
        with pytest.raises(InputError, match="is ending"):
            launcher.start([first])
