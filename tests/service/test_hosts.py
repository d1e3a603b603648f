"""Which machines drive runs of a store, whether they answer, and what engines say of theirs."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import fake_runs
import pytest

from appcore.service import engine_nodes
from appcore.service.engine_nodes import EngineNodes
from appcore.service.machine import Machine
from appcore.storage import heartbeat
from appcore.storage.store import Store

HERE = heartbeat.me()["host"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


def on(store: Store, host: str, quiet: float = 0.0, **columns: Any) -> str:
    """A run that a process of another machine drives, as its rows say."""
    run_id = fake_runs.write(store, until=4, status=columns.pop("status", "running"), megabatches=2, epochs=1)
    store.update(run_id, host=host, pid=4711, process_started=5.0, heartbeat=time.time() - quiet, **columns)
    return run_id


def found(store: Store, name: str = "hosts") -> Any:
    return Machine(store, nodes=EngineNodes(dict)).others()[name]


def test_each_host_is_named_with_its_runs_and_its_last_sign_of_life(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "WATCH_SECONDS", -1.0)  # as if each had been watched for long enough
    fresh, late, gone = on(store, "a"), on(store, "b", quiet=30), on(store, "c", quiet=600)
    on(store, "d", quiet=2 * 86_400)
    mine = fake_runs.keep_alive(store, fake_runs.write(store, until=4, status="running", megabatches=2, epochs=1))
    dead_here = on(store, HERE)  # no such process: this machine answers all the same
    hosts = found(store)
    assert [(host["host"], host["state"], [run["run_id"] for run in host["runs"]]) for host in hosts] == [
        (HERE, "answers", [mine]),
        ("a", "answers", [fresh]),
        ("b", "quiet", [late]),
        ("c", "gone", [gone]),
    ]
    assert [host["quiet"] for host in hosts] == pytest.approx([0, 0, 30, 600], abs=12)
    assert hosts[3]["runs"][0]["status"] == "lost" == store.get(dead_here)["status"]


def test_a_clock_that_differs_is_watched_before_a_host_is_given_up_and_one_that_moves_answers(store: Store) -> None:
    run_id = on(store, "a", quiet=3600)
    assert [host["state"] for host in found(store)] == ["watched"]
    store.update(run_id, heartbeat=time.time() - 3598)  # its next heartbeat
    (host,) = found(store)
    assert host["state"] == "answers" and host["quiet"] < 12


def test_what_waits_is_counted_where_it_waits_and_named_at_engines(store: Store) -> None:
    on(store, "a")
    kept, queued = on(store, "a", status="queued", launcher="ray"), on(store, "a", status="queued", launcher="process")
    (host,) = found(store)
    assert (len(host["runs"]), host["waiting"]) == (1, 2)
    assert [run["run_id"] for run in found(store, "at_engines")] == [kept] != [queued]


def test_runs_of_others_are_counted_and_not_named(store: Store) -> None:
    ada, ben = store.of("ada"), store.of("ben")
    hers = on(ada, "a", title="hers")
    on(ben, "a", title="his")
    (host,) = found(ada)
    assert ([run["run_id"] for run in host["runs"]], host["others"]) == ([hers], 1)
    assert "his" not in str(found(ada)) and "ben" not in str(found(ada))
    (host,) = found(store.of("", sees_all=True))
    assert ([run["owner"] for run in host["runs"]], host["others"]) == (["ada", "ben"], 0)


def test_a_driver_says_what_it_takes_of_its_machine_and_bundles_do_not(tmp_path: Path, store: Store) -> None:
    from standin import SETTINGS, StandIn

    from appcore.config import build
    from appcore.planning.plan import plan
    from appcore.runner import driver
    from appcore.transfer import bundle_record

    config = build(SETTINGS)
    run_id = store.create_run(config, plan_length=len(plan(config)))
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    said = store.get(run_id)["progress"]["machine"]
    assert (said["host"], said["device"]) == (HERE, "cpu") and said["cores"] >= 1 and 0 < said["memory"] < said["memory_total"]
    assert HERE not in bundle_record.describe(store, run_id)[0]


def test_an_engine_that_does_not_answer_holds_up_nobody_and_is_asked_once() -> None:
    go_on, asked = threading.Event(), []

    def ask() -> dict[str, list[dict[str, Any]]]:
        asked.append(time.monotonic())
        go_on.wait(10)
        return {"ray": [{"host": "a"}]}

    nodes = EngineNodes(ask, fresh=0.0)
    begun = time.monotonic()
    assert all(nodes.now() == {"nodes": {}, "silent": 0.0} for _ in range(20)) and time.monotonic() - begun < 1
    nodes._asked -= 30
    assert nodes.now()["silent"] > 29 and len(asked) == 1
    go_on.set()
    while not (now := nodes.now())["nodes"]:
        time.sleep(0.01)
    assert now == {"nodes": {"ray": [{"host": "a"}]}, "silent": 0.0}


def test_nobody_is_connected_to_an_engine_by_asking() -> None:
    assert engine_nodes.ask() == {}
