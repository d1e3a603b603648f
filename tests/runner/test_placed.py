"""Runs that an engine places elsewhere: by a command, by submitit's local stand-in for Slurm, on a Ray cluster of two local nodes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import local_ray
import psutil
import pytest

from appcore import paths, plugins
from appcore.config import build
from appcore.errors import InputError
from appcore.planning.plan import plan
from appcore.runner import driver, placed
from appcore.runner.device_queue import Queue
from appcore.runner.launcher import Launcher, check
from appcore.runner.placed import Ended, PlacedJob
from appcore.runner.worker import PREEMPTED, TRY_AGAIN
from appcore.statuses import OVER
from appcore.storage.store import Store
from appcore.testing.launcher_suite import LONG, SHORT, START_SECONDS, LauncherSuite, add, samples, status, wait


@pytest.mark.slow
class TestByCommand(LauncherSuite):
    names = ("command",)

    @pytest.fixture(autouse=True)
    def template(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("APPCORE_COMMAND", "sh -c {command}")


@pytest.mark.slow
class TestOnRay(LauncherSuite):
    names = ("ray",)

    @pytest.fixture(autouse=True)
    def use(self, cluster: object) -> None:
        pass


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    pytest.importorskip("ray", reason="needs the package ray: pip install ray submitit")
    with local_ray.cluster(2) as started:
        yield started


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "appcore.db")


def raylet_of(cluster: object, pid: int) -> object:
    """The node of a cluster that a worker process belongs to."""
    parent = psutil.Process(pid).ppid()
    return next(node for node in cluster.list_all_nodes() if any(p.process.pid == parent for p in node.all_processes.get("raylet", [])))


@pytest.mark.slow
def test_a_node_and_the_keeper_die_and_every_run_ends_with_the_same_bits(cluster: object, store: Store) -> None:
    settings = {**SHORT, "epochs": 200}
    whole = add(store, settings)
    assert driver.drive(store, whole) == "done"
    launcher = Launcher(store, "ray")
    config = build(settings)
    run_ids = [store.create_run(config, plan_length=len(plan(config)), launcher="ray") for _ in range(3)]
    launcher.start(*([run_id] for run_id in run_ids))
    wait(lambda: [status(store, run_id) for run_id in run_ids].count("running") == 2)
    launcher.close()  # the program ends
    struck, other = (run_id for run_id in run_ids if status(store, run_id) == "running")
    store.set_command(other, "pause")
    wait(lambda: status(store, other) == "paused")  # it has not ended when the keeper dies, and its worker with it
    worker = store.get(other)["pid"]
    wait(lambda: store.get(struck)["cursor"] > 205)  # there is a checkpoint of the first megabatch
    keeper = next(store.get(run_id)["pid"] for run_id in run_ids if status(store, run_id) == "queued")
    cluster.remove_node(raylet_of(cluster, store.get(struck)["pid"]), allow_graceful=False)
    wait(lambda: any(note.startswith("started again") for note in store.get(struck)["notes"] or []))
    with suppress(ProcessLookupError):  # it may have been on that node
        os.kill(keeper, signal.SIGKILL)
    wait(lambda: status(store, other) == "paused" and store.get(other)["pid"] != worker)  # another keeper holds it
    store.set_command(other, "resume")
    wait(lambda: all(status(store, run_id) == "done" for run_id in run_ids))
    assert sorted(node["is_alive"] for node in plugins.load("launchers", "ray").nodes()) == [False, True, True]
    for run_id in run_ids:
        assert store.get(run_id)["totals"]["weights_hash"] == store.get(whole)["totals"]["weights_hash"]
        assert store.epochs(run_id)["train_loss"].tolist() == store.epochs(whole)["train_loss"].tolist()


@pytest.mark.slow
def test_a_run_that_is_started_while_the_keeper_is_away_is_trained(cluster: object, store: Store) -> None:
    first, second = (store.create_run(build(SHORT), plan_length=len(plan(build(SHORT))), launcher="ray") for _ in range(2))
    launcher = Launcher(store, "ray")
    launcher.start([first])
    wait(lambda: status(store, first) == "done")
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # of others, which just end
            if "ray::Keeper" in " ".join(process.cmdline()):
                process.kill()
    launcher.start([second])
    wait(lambda: status(store, second) in OVER)
    assert status(store, second) == "done", store.get(second)["error"]
    launcher.close()


def test_a_run_that_was_left_stopped_to_stay_paused_does_not_wait_for_resume_in_line(store: Store) -> None:
    """Its worker ended while the next keeper had it in line: held there it would never begin, and Resume would find it taken."""
    run_id, room, begun = add(store, SHORT), [0], list[list[str]]()

    class Over:
        is_eager, is_running, run_ids = False, False, ()

        def advance(self) -> bool:
            return False

        def close(self, seconds: float = 0.0) -> None:
            pass

    queue = Queue(
        "ray", store, lambda _, run_ids, __: begun.append(run_ids) or Over(), None, is_here=False, is_elsewhere=True, most=lambda: room[0]
    )
    store.update(run_id, status="stopped", error=PREEMPTED, command="pause")
    queue.add([run_id], {}, "")
    queue.sweep()
    room[0] = 1
    try:
        wait(lambda: begun == [[run_id]], 20)
    finally:
        queue.close(time.monotonic() + 5)


@pytest.mark.slow
def test_a_job_of_slurm_that_is_preempted_goes_on_with_the_same_bits(store: Store) -> None:
    pytest.importorskip("submitit", reason="needs the package submitit: pip install ray submitit")
    settings = {**SHORT, "epochs": 200}
    whole, run_id = add(store, settings), add(store, settings)
    assert driver.drive(store, whole) == "done"
    job = plugins.load("launchers", "slurm").start(store, [run_id], None)
    wait(lambda: job.advance() and store.get(run_id)["cursor"] > 100)
    os.kill(store.get(run_id)["pid"], signal.SIGUSR2)  # as Slurm does before it ends a job
    wait(lambda: not job.advance())
    row = store.get(run_id)
    assert row["status"] == "done"
    assert any("ended with 75" in note for note in row["notes"])
    assert row["totals"]["weights_hash"] == store.get(whole)["totals"]["weights_hash"]


def test_what_is_missing_is_said_in_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from appcore.runner import launcher

    monkeypatch.setattr(launcher, "find_spec", lambda package: None)
    for name in ("ray", "slurm"):
        with pytest.raises(InputError, match="pip install"):
            check(store, name)
    monkeypatch.delenv("APPCORE_COMMAND", raising=False)
    with pytest.raises(InputError, match="needs the variable APPCORE_COMMAND"):
        check(store, "command")


@pytest.mark.parametrize("template", ["ssh node", "ssh {host} {command}", "ssh node {command", "ssh node {}"])
def test_a_template_that_cannot_be_filled_in_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch, template: str) -> None:
    monkeypatch.setenv("APPCORE_COMMAND", template)
    with pytest.raises(InputError, match="APPCORE_COMMAND") as caught:
        check(store, "command")
    assert "\n" not in str(caught.value)


# ---- what becomes of a job, by an engine whose answers are set


class Engine:
    """An engine that has taken the runs, and says what it is told to."""

    def __init__(self) -> None:
        self.given: list[list[str]] = []
        self.answer: Ended | None = None
        self.cancelled = 0

    def submit(self, run_ids: list[str]) -> Engine:
        self.given.append(run_ids)
        self.answer = None
        return self

    def ended(self) -> Ended | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.fixture
def engine() -> Engine:
    return Engine()


def driven_elsewhere(store: Store, run_id: str) -> None:
    store.update(run_id, status="running", host="elsewhere", pid=1, process_started=1.0, heartbeat=time.time())


def test_only_what_the_engine_says_is_gone_is_placed_again(store: Store, engine: Engine) -> None:
    run_id = add(store)
    job = PlacedJob(store, [run_id], engine.submit)
    driven_elsewhere(store, run_id)
    assert job.advance()
    engine.answer = ConnectionError("no answer")  # type: ignore[assignment]
    assert job.advance()
    assert (len(engine.given), status(store, run_id)) == (1, "running")
    engine.answer = Ended(None, "its node died")
    assert job.advance()
    assert status(store, run_id) == "queued"
    job.advance()
    assert engine.given == [[run_id]] * 2
    assert store.get(run_id)["notes"] == ["started again: its node died"]


@pytest.mark.parametrize("code", [1, TRY_AGAIN, 255])
def test_a_worker_that_ends_takes_no_run_from_another(store: Store, engine: Engine, code: int) -> None:
    run_id = add(store)
    job = PlacedJob(store, [run_id], engine.submit)
    job.advance()
    driven_elsewhere(store, run_id)
    engine.answer = Ended(code, "it ended")
    for _ in range(3):
        assert job.advance()
    assert (len(engine.given), status(store, run_id)) == (1, "running")
    store.update(run_id, heartbeat=None)  # and no sign of life of that one
    for _ in range(3):
        assert job.advance()
    assert len(engine.given) == 2


def test_a_preempted_run_is_placed_again_and_a_stopped_one_is_not(store: Store, engine: Engine) -> None:
    preempted, stopped = add(store), add(store)
    job = PlacedJob(store, [preempted], engine.submit)
    driven_elsewhere(store, preempted)
    store.update(preempted, command="preempt", error=PREEMPTED)  # by its worker, which was asked to end
    assert job.advance()
    store.update(preempted, status="stopped", command=None)
    assert job.advance()  # the exit code is not there yet
    engine.answer = Ended(TRY_AGAIN, "it was preempted")
    assert job.advance()
    job.advance()
    assert (len(engine.given), status(store, preempted)) == (2, "queued")
    assert store.get(preempted)["error"] is None
    other = Engine()
    job = PlacedJob(store, [stopped], other.submit)
    store.update(stopped, status="stopped")
    other.answer = Ended(0, "it ended")
    assert not job.advance()
    assert len(other.given) == 1


PREEMPTED_THERE = (Ended(TRY_AGAIN, "it was preempted"), {"status": "stopped", "error": PREEMPTED})
GONE = (Ended(None, "its node died"), {})
SILENT = (None, {"heartbeat": None})


@pytest.mark.parametrize(("answer", "left"), [PREEMPTED_THERE, GONE, SILENT], ids=["preempted", "gone", "silent"])
def test_a_paused_run_waits_for_resume_when_its_worker_is_gone(
    store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch, answer: Ended | None, left: dict[str, object]
) -> None:
    monkeypatch.setattr(placed, "_LEAST_WAIT", 0.0)
    run_id = add(store)
    job = PlacedJob(store, [run_id], engine.submit)
    driven_elsewhere(store, run_id)
    store.update(run_id, status="paused")
    assert job.advance()
    store.update(run_id, **left)
    engine.answer = answer
    for _ in range(4):
        assert job.advance()
    assert (len(engine.given), status(store, run_id), job.is_running) == (1, "paused", False)
    assert len(store.get(run_id)["notes"]) == 1
    store.set_command(run_id, "resume")
    assert job.advance()
    assert (len(engine.given), status(store, run_id), store.command(run_id)) == (2, "queued", None)
    driven_elsewhere(store, run_id)
    assert job.advance()
    store.update(run_id, status="stopped", error=PREEMPTED)  # preempted once more, and this time while it went on
    engine.answer = Ended(TRY_AGAIN, "it was preempted")
    for _ in range(2):
        assert job.advance()
    assert (len(engine.given), status(store, run_id)) == (3, "queued")


def test_a_held_run_can_be_stopped_and_one_of_several_is_paused_by_its_worker(store: Store, engine: Engine) -> None:
    first, second = add(store), add(store)
    job = PlacedJob(store, [first, second], engine.submit)
    for run_id, now in ((first, "paused"), (second, "running")):
        driven_elsewhere(store, run_id)
        store.update(run_id, status=now)
    assert job.advance()
    engine.answer = Ended(None, "its node died")
    for _ in range(3):
        assert job.advance()
    assert engine.given == [[first, second]] * 2
    assert [store.command(run_id) for run_id in (first, second)] == ["pause", None]
    for run_id in (first, second):
        driven_elsewhere(store, run_id)
        store.update(run_id, status="paused", command=None)
    assert job.advance()
    engine.answer = Ended(None, "its node died")
    for _ in range(3):
        assert job.advance()
    assert ([status(store, run_id) for run_id in (first, second)], len(engine.given)) == (["paused"] * 2, 2)
    store.set_command(first, "stop")
    store.set_command(second, "resume")
    for _ in range(3):
        assert job.advance()
    assert (status(store, first), engine.given[2:]) == ("stopped", [[second]])


def test_a_run_whose_worker_was_killed_before_it_could_obey_is_placed_again(store: Store, engine: Engine) -> None:
    run_id = add(store)
    job = PlacedJob(store, [run_id], engine.submit)
    driven_elsewhere(store, run_id)
    assert job.advance()
    store.update(run_id, command="preempt", error=PREEMPTED)  # by its worker, which is given no time for it
    engine.answer = Ended(None, "it was killed")
    for _ in range(3):
        assert job.advance()
    assert (len(engine.given), status(store, run_id), store.command(run_id)) == (2, "queued", None)


def test_a_run_that_was_preempted_while_nobody_looked_is_placed_again(store: Store, engine: Engine) -> None:
    run_id = add(store)
    driven_elsewhere(store, run_id)
    store.update(run_id, status="stopped", error=PREEMPTED, heartbeat=None)
    job = PlacedJob(store, [run_id], engine.submit)
    assert (job.advance(), job.advance()) == (True, True)
    assert (engine.given, status(store, run_id)) == ([[run_id]], "queued")
    assert store.get(run_id)["notes"] == [f"started again: {PREEMPTED}"]


def test_a_run_that_was_preempted_while_paused_stays_paused_for_a_keeper_that_never_saw_it(store: Store, engine: Engine) -> None:
    run_id = add(store)
    driven_elsewhere(store, run_id)
    store.update(run_id, status="stopped", error=PREEMPTED, command="pause", heartbeat=None)
    job = PlacedJob(store, [run_id], engine.submit)
    for _ in range(3):
        assert job.advance()
    assert (engine.given, status(store, run_id), store.command(run_id)) == ([], "paused", None)
    store.set_command(run_id, "resume")
    assert job.advance()
    assert (engine.given, status(store, run_id)) == ([[run_id]], "queued")


@pytest.mark.slow
def test_a_worker_that_is_asked_to_end_says_so_before_its_run_stops_and_only_then(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.STORE_VARIABLE, store.url)
    preempted, stopped, done = add(store, LONG), add(store, LONG), add(store)
    for run_id, sign, code in ((preempted, signal.SIGTERM, TRY_AGAIN), (stopped, "stop", 0), (done, None, 0)):
        worker = subprocess.Popen(placed.command([run_id], placed.environment(store)), shell=True)
        if sign:
            wait(lambda run_id=run_id: samples(store, run_id))
        if sign == "stop":
            store.set_command(run_id, "stop")
        elif sign:
            worker.send_signal(sign)
        assert worker.wait(START_SECONDS) == code
    assert [status(store, run_id) for run_id in (preempted, stopped, done)] == ["stopped", "stopped", "done"]
    assert [store.get(run_id)["error"] for run_id in (preempted, stopped, done)] == [PREEMPTED, None, None]


def test_a_run_that_waits_at_the_engine_can_be_stopped(store: Store, engine: Engine) -> None:
    run_id = add(store)
    job = PlacedJob(store, [run_id], engine.submit)
    store.set_command(run_id, "stop")
    assert not job.advance()
    assert (status(store, run_id), engine.cancelled) == ("stopped", 1)


def test_what_never_gets_on_is_given_up_and_says_why(store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placed, "_LEAST_WAIT", 0.0)
    run_id = add(store)
    job = PlacedJob(store, [run_id], engine.submit)
    for _ in range(50):
        engine.answer = Ended(127, "its command ended with 127: sh: nothing: not found")
        if not job.advance():
            break
    assert len(engine.given) == placed.MOST_ATTEMPTS
    assert status(store, run_id) == "failed"
    assert "not found" in store.get(run_id)["error"]
