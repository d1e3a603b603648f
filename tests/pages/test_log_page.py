"""A run's page says where it trains and shows what its worker printed; `python -m appcore log` prints it. No browser."""

from __future__ import annotations

import json

import fake_runs
import pytest
from test_pages import no_warm_up, opened, store, words  # noqa: F401

from appcore import paths
from appcore.cli.main import main
from appcore.recordings import catalog
from appcore.storage import heartbeat
from appcore.storage.store import Store

HOSTILE = "\x1b[31m[a](http://b)\x1b[0m **bold** :red[x] <script>"
MACHINE = {"host": "node-7", "device": "cuda", "processor": 1.5, "cores": 16, "memory": 10**9, "memory_total": 64 * 10**9}
GPU = {"load": 0.9, "memory": 3 * 10**9, "memory_total": 80 * 10**9}


def printed(store: Store, run_id: str, text: str) -> str:  # noqa: F811
    log = paths.worker_log(paths.run_folder(store.folder, run_id))
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
    return run_id


def test_a_failed_run_opens_with_the_end_of_its_log(store: Store) -> None:  # noqa: F811
    run_id = printed(store, fake_runs.write(store, until=20, status="failed"), "".join(f"line {n}\n" for n in range(100)) + HOSTILE)
    app = opened("run", run=run_id)
    (log,) = [one for one in app.expander if one.label == "Log"]
    assert log.proto.expanded
    shown = log.code[0].value.splitlines()
    assert len(shown) == 20 and shown[-1] == "[a](http://b) **bold** :red[x] <script>" and shown[0] == "line 81"
    assert "The last 20 lines" in log.caption[0].value


@pytest.mark.thorough
def test_a_run_that_is_well_has_it_closed_and_one_that_printed_nothing_has_none(store: Store) -> None:  # noqa: F811
    (log,) = [one for one in opened("run", run=printed(store, fake_runs.write(store), "a warning\n")).expander if one.label == "Log"]
    assert not log.proto.expanded and log.code[0].value == "a warning"
    for run_id in (fake_runs.write(store), printed(store, fake_runs.write(store), "")):
        assert "Log" not in [one.label for one in opened("run", run=run_id).expander]


@pytest.mark.thorough
def test_the_page_says_where_a_run_trains_and_what_it_takes_there(store: Store) -> None:  # noqa: F811
    run_id = fake_runs.write(store, until=20, status="running")
    progress = {**store.get(run_id)["progress"], "machine": {**MACHINE, "gpu": GPU}}
    fake_runs.keep_alive(store, run_id, launcher="ray", progress=progress)
    store.update(run_id, host="node-7", pid=4711)
    said = words(opened("run", run=run_id))
    assert "Trains on node-7, cuda, launcher ray, process 4711 · processor 150 % of 1600 % · memory 1 GB of 64 GB" in said
    assert "GPU 90 %, 3 GB of 80 GB" in said
    store.update(run_id, host="node-8")  # taken over, and has said nothing of that machine yet
    said = words(opened("run", run=run_id))
    assert "Trains on node-8, cpu, launcher ray, process 4711\n" in f"{said}\n" and "1600" not in said
    store.update(run_id, status="stopped", **heartbeat.me())  # by the queue of this program
    assert "Trained on node-7, cuda, launcher ray\n" in f"{words(opened('run', run=run_id))}\n"


@pytest.mark.thorough
def test_recorded_runs_and_those_of_before_say_nothing_of_a_machine(store: Store) -> None:  # noqa: F811
    name = next(iter(catalog.names()))
    fake_runs.record(store, name, seeds=1)
    store_rows = [fake_runs.write(store), catalog.run_id(name, catalog.recording(name).seeds[0])]
    for run_id in store_rows:
        assert "rained on" not in words(opened("run", run=run_id))


def test_the_command_prints_the_log(store: Store, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    run_id = printed(store, fake_runs.write(store), f"one\ttwo\n{HOSTILE}\n")
    assert main(["log", run_id]) == 0
    assert capsys.readouterr().out == "one     two\n[a](http://b) **bold** :red[x] <script>\n"
    assert main(["log", run_id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"].startswith("one ")
    assert main(["log", fake_runs.write(store)]) == 2
    assert "has no log here" in capsys.readouterr().err
