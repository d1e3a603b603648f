"""The end of a run is told once, to an address or a command of the server's, by whatever drives it, and never at its cost."""

from __future__ import annotations

import json
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from standin import SETTINGS, StandIn

from appcore import paths
from appcore.config import build
from appcore.planning.plan import plan
from appcore.runner import driver, worker
from appcore.runner.lockstep import LocalJob
from appcore.storage.store import Store
from appcore.trackers import on_end

CONFIG = build(SETTINGS)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("APPCORE_SHARE", "1")
    store = Store(tmp_path / "runs.db")
    yield store
    store.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An address that keeps what it is told: `told.bodies`; it answers `told.answer` after `told.seconds`."""

    class Listener(BaseHTTPRequestHandler):
        bodies: ClassVar[list[tuple[str, Any]]] = []
        answer, seconds = 204, 0.0

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            Listener.bodies.append((f"{self.headers['Content-Type']} {self.path}", json.loads(body)))
            time.sleep(Listener.seconds)
            self.send_response(Listener.answer)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    Listener.bodies = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv(on_end.VARIABLE, f"http://127.0.0.1:{server.server_port}/hook?key=SECRET")
    yield Listener
    server.shutdown()
    server.server_close()
    thread.join()


def created(store: Store, **about: Any) -> str:
    run_id = store.create_run(CONFIG, plan_length=len(plan(CONFIG)), title="Ünïcode <b>**title**")
    store.update(run_id, **about) if about else None
    return run_id


def test_an_address_is_told_that_a_run_is_done_and_how_accurate_it_is(store: Store, told: Any) -> None:
    run_id = created(store)
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    on_end.wait()
    accuracy = float(store.megabatches(run_id)["test_accuracy"].iloc[-1])
    facts = {"run": run_id, "title": "Ünïcode <b>**title**", "status": "done", "accuracy": accuracy, "error": None}
    assert told.bodies == [("application/json /hook?key=SECRET", facts)]


def test_failed_and_stopped_runs_are_told_with_the_reason(store: Store, told: Any) -> None:
    def broken() -> None:
        raise OSError(28, "No space left on device")

    failed = created(store)
    assert driver.drive(store, failed, work=StandIn({(1, 0): broken})) == "failed"
    stopped = created(store)
    store.set_command(stopped, "stop")
    assert driver.drive(store, stopped, work=StandIn()) == "stopped"
    refused = created(store)
    paths.limits(store.folder).write_text("epochs = 1")  # while it waited
    LocalJob(store, [refused], StandIn()).advance()
    on_end.wait()
    found = {facts["run"]: facts for _, facts in told.bodies}
    assert len(told.bodies) == 3 and {run_id: facts["status"] for run_id, facts in found.items()} == {
        failed: "failed",
        stopped: "stopped",
        refused: "failed",
    }
    assert [found[run_id]["error"] for run_id in (failed, stopped)] == [store.get(failed)["error"], None]
    assert "limit epochs" in found[refused]["error"] and found[failed]["accuracy"] is None


def test_what_goes_on_later_is_not_told(store: Store, told: Any) -> None:
    """A run that its own process ends is resumed, by a person or a cluster; once it ends for good that is told."""
    run_id = created(store)
    driven = driver.steps(store, run_id, work=StandIn())
    next(driven)
    driven.close()
    assert store.get(run_id)["status"] == "stopped"
    store.update(run_id, command=None)
    driven = driver.steps(store, run_id, work=StandIn())
    next(driven)
    store.set_command(run_id, "preempt")
    assert [*driven][-1] == "stopped"
    on_end.wait()
    assert told.bodies == []
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    on_end.wait()
    assert [facts["status"] for _, facts in told.bodies] == ["done"]


@pytest.mark.parametrize(
    ("answer", "seconds", "words"),
    [(500, 0.0, "the address answered 500"), (302, 0.0, "answered 302"), (204, 1.0, "it took longer than 0.2 s")],
)
def test_an_address_that_fails_costs_the_run_nothing_and_is_said_once(
    store: Store, told: Any, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, answer: int, seconds: float, words: str
) -> None:
    told.answer, told.seconds = answer, seconds
    if seconds:
        monkeypatch.setattr(on_end, "SECONDS", 0.2)
    run_id = created(store)
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    on_end.wait()
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and run_id in said and words in said and "SECRET" not in said
    assert store.get(run_id)["notes"] == ["a note"] and len(told.bodies) == 1


def test_a_command_finds_it_on_its_standard_input(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    monkeypatch.setenv(on_end.VARIABLE, shlex.join([sys.executable, "-c", program, str(tmp_path / "with space")]))
    run_id = created(store)
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    on_end.wait()
    assert json.loads((tmp_path / "with space").read_text())["run"] == run_id


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sh -c 'sleep 30 & sleep 30'", "it took longer than 0.3 s"),
        ("sh -c 'exit 3'", "exit code 3"),
        ("/no/such/program --token SECRET", "No such file or directory"),
        ("sh -c 'unclosed", "ValueError"),
        ("http://[SECRET", "ValueError"),
        ("https://SECRET host/", "InvalidURL"),
    ],
)
def test_what_cannot_be_told_is_one_line_without_secrets(
    capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, command: str, words: str
) -> None:
    monkeypatch.setenv(on_end.VARIABLE, command)
    if "sleep" in command:
        monkeypatch.setattr(on_end, "SECONDS", 0.3)
    begun = time.monotonic()
    on_end.tell({"run": "20260101-000000-0000", "text": "x" * 1_000_000})  # more than a pipe holds
    on_end.wait()
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and words in said and "SECRET" not in said and time.monotonic() - begun < 20


def test_nobody_is_told_where_nobody_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(on_end.VARIABLE, " ")
    told: list[Any] = []
    monkeypatch.setattr(on_end, "tell", told.append)
    assert driver.drive(store, created(store), work=StandIn()) == "done" and told == []
    monkeypatch.setenv(on_end.VARIABLE, "true")
    assert driver.drive(store, created(store), work=StandIn()) == "done" and len(told) == 1


def test_a_worker_waits_until_it_has_told(store: Store, told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPCORE_STORE", str(store.url))
    told.seconds = 0.3
    run_id = created(store, config={**build(SETTINGS).model_dump(mode="json"), "arch": "gone"})
    assert worker.main([run_id]) == 1
    assert [(facts["run"], facts["status"]) for _, facts in told.bodies] == [(run_id, "failed")]
    assert not on_end._told_until
