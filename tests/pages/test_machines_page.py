"""The page Machines: what this machine has, how many runs train at once, what trains and what waits, and why. No browser."""

from __future__ import annotations

import re
import time

import fake_runs
import pytest
from test_pages import no_warm_up, opened, store, words  # noqa: F401

from appcore.runner import hardware
from appcore.runner.slots import Slot
from appcore.service import manager
from appcore.service.engine_nodes import EngineNodes
from appcore.storage import heartbeat
from appcore.storage.store import Store


@pytest.fixture(autouse=True)
def known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: 6)
    monkeypatch.setattr(hardware, "memory", lambda: 32_000_000_000)
    monkeypatch.setattr(hardware, "gpus", lambda: tuple(hardware.Gpu(str(number), "H200", 140 * 10**9) for number in range(2)))


def test_an_idle_machine_says_what_it_has() -> None:
    app = opened("machines")
    assert {metric.label: metric.value for metric in app.metric} == {"Cores": "6", "Main memory": "32 GB", "GPUs": "2 × H200"}
    assert words(app).count("Nothing.") == 2


def test_a_number_is_chosen_and_given_up(store: Store) -> None:  # noqa: F811
    app = opened("machines")
    assert app.number_input(key="workers").value is None and not app.number_input(key="workers").disabled
    app.number_input(key="workers").set_value(3).run()
    assert manager.shared().machine.most() == 3
    assert opened("machines").number_input(key="workers").value == 3
    app.number_input(key="workers").set_value(None).run()
    assert manager.shared().machine.most() is None


def test_a_number_given_at_the_start_is_shown_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPCORE_WORKERS", "5")
    app = opened("machines")
    assert (app.number_input(key="workers").value, app.number_input(key="workers").disabled) == (5, True)
    assert "when the program was started" in words(app)


def test_what_trains_and_what_waits_is_named(store: Store) -> None:  # noqa: F811
    title = "A **bold** run"
    mine = fake_runs.write(store, title=title, until=20, status="running")
    fake_runs.keep_alive(store, mine)
    here, there, waits = Slot("cpu"), Slot("cuda"), Slot("cpu")
    assert here.take(6, f"run {mine}", size=900_000_000) and there.take(1, "run 20200101-000000-abcd")
    assert not waits.take(1, "run 20200101-000000-beef")
    said = words(opened("machines"))
    for slot in (here, there, waits):
        slot.release()
    assert "6 cores · about 900 MB" in said and r"A \*\*bold\*\* run" in said
    assert "GPU 0, H200" in said and said.count("of somebody else, or of another store") == 2
    assert "in another program" in said


def test_other_machines_are_named_with_what_runs_there_and_one_that_does_not_answer(
    store: Store,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "WATCH_SECONDS", -1.0)  # as if each had been watched for long enough
    for host, quiet, status, launcher in (("n1", 1, "running", "ray"), ("n2", 25, "running", "slurm"), ("n3", 600, "running", "ray")):
        run_id = fake_runs.write(store, title=f"run of {host}", until=20, status=status)
        machine = {"host": host, "device": "cuda", "processor": 1.5, "cores": 16, "memory": 10**9, "memory_total": 64 * 10**9}
        progress = {**store.get(run_id)["progress"], "machine": machine}
        told = {"progress": progress, "launcher": launcher, "owner": "ada@example.org" if host == "n1" else ""}
        store.update(run_id, host=host, pid=4711, process_started=5.0, heartbeat=time.time() - quiet, **told)
    waits = fake_runs.write(store, title="run at an engine", until=0, status="queued")
    store.update(waits, host="n1", pid=815, process_started=5.0, heartbeat=time.time(), launcher="ray")
    dead, node = ({"host": "n8", "is_alive": False}, {"host": "n9", "is_alive": True, "cores": 8.0, "gpus": 1.0, "memory": 10**9})
    nodes = manager.shared().machine._nodes = EngineNodes(lambda: {"ray": [dead, node]})
    while not nodes.now()["nodes"]:
        time.sleep(0.01)
    said = words(opened("machines"))
    assert "**n1** &nbsp; :green-badge[:material/check_circle: Answers] &nbsp; :small[16 cores · 64 GB · 1 run" in said
    assert "1 run waits in a queue there" in said and "by ada" in said and "cuda · launcher ray · process 4711" in said
    assert re.search("No sign of life for [23]. s", said) and "counts as lost" in said
    assert "**n3** &nbsp; :red-badge" in said and "Does not answer" in said and "No sign of life for 10 min" in said
    assert "until the Ray cluster has room" in said and "process 815 on n1" in said
    assert "**n9** &nbsp; :green-badge[:material/check_circle: Alive] &nbsp; :small[8 cores · 1 GPU · 1 GB]" in said
    assert "**n8** &nbsp; :red-badge[:material/link_off: Dead]" in said


def test_a_machine_alone_has_no_list_of_others(store: Store) -> None:  # noqa: F811
    fake_runs.keep_alive(store, fake_runs.write(store, until=20, status="running"))
    assert "All machines" not in words(opened("machines"))
