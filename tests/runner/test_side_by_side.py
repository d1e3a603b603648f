"""Jobs that train side by side: how many at once, whose turn it is, on which GPU, and worker processes that take one job after another."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from standin import SETTINGS, StandIn

from appcore.runner import driver, hardware
from appcore.runner.device_queue import Queue
from appcore.runner.launcher import Launcher
from appcore.runner.launchers import process
from appcore.runner.slots import Slot, workers
from appcore.storage.store import Store
from appcore.testing.launcher_suite import LONG, SHORT, add, samples, status, wait

GPUS = tuple(hardware.Gpu(name, f"GPU {name}", 100) for name in ("0", "1"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "appcore.db")


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: 4)
    monkeypatch.setattr(hardware, "memory", lambda: 100_000_000_000)
    monkeypatch.setattr(hardware, "gpus", lambda: ())


class FakeJob:
    """A job that ends, or is paused, when the test says so."""

    is_eager = False

    def __init__(self, run_ids: list[str], environment: dict[str, str]):
        self.run_ids, self.environment = run_ids, environment
        self.is_running, self.is_over = True, False

    def advance(self) -> bool:
        return not self.is_over

    def close(self, seconds: float = 0.0) -> None:
        self.is_over = True


class Fakes:
    """A queue of fake jobs, which begin in the order of `begun`."""

    def __init__(self, store: Store, device: str = "cpu", work: StandIn | None = None, **options: Any):
        self.store, self.begun = store, []
        self.queue = Queue(device, store, self.start, work or StandIn(), is_here=False, **options)

    def start(self, store: Store, run_ids: list[str], work: Any, environment: dict[str, str] | None = None) -> FakeJob:
        self.begun.append(FakeJob(run_ids, environment or {}))
        return self.begun[-1]

    def add(self, owner: str = "") -> str:
        run_id = add(self.store, SETTINGS)
        self.store.update(run_id, owner=owner)
        self.queue.add([run_id], {run_id: self.store.get(run_id)["fence"]}, owner)
        return run_id

    def ids(self) -> list[str]:
        return [job.run_ids[0] for job in self.begun]


@pytest.fixture
def fakes(store: Store) -> Iterator[Callable[..., Fakes]]:
    made: list[Fakes] = []

    def make(*arguments: Any, **options: Any) -> Fakes:
        made.append(Fakes(store, *arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.queue.close(time.monotonic() + 5.0)


def settle() -> None:
    """Time enough for a queue to begin what it would wrongly begin."""
    time.sleep(0.5)


# ---- how many


@pytest.mark.thorough
def test_as_many_train_at_once_as_there_are_cores(fakes: Callable) -> None:
    one = fakes()
    ids = [one.add() for _ in range(6)]
    wait(lambda: len(one.begun) == 4)
    settle()
    assert one.ids() == ids[:4]
    assert [one.queue.position(run_id) for run_id in ids] == [0, 0, 0, 0, 1, 2]
    assert one.queue.waits_for(ids[4]) == ""  # of its own program
    one.begun[2].is_over = True
    wait(lambda: one.ids() == ids[:5])


@pytest.mark.thorough
def test_another_program_on_the_machine_counts(fakes: Callable) -> None:
    other = Slot("cpu")
    assert other.take(3, "run of another")
    one = fakes()
    first, second = one.add(), one.add()
    wait(lambda: len(one.begun) == 1)
    settle()
    assert one.ids() == [first]
    other.release()
    wait(lambda: one.ids() == [first, second])


@pytest.mark.thorough
def test_a_chosen_number_counts_in_place_of_the_cores(fakes: Callable) -> None:
    chosen = [2]
    one = fakes(most=lambda: chosen[0])
    ids = [one.add() for _ in range(8)]
    wait(lambda: len(one.begun) == 2)
    settle()
    assert len(one.begun) == 2
    chosen[0] = 6
    wait(lambda: len(one.begun) == 6)
    settle()
    assert one.ids() == ids[:6]


@pytest.mark.thorough
def test_memory_is_waited_for(fakes: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "memory", lambda: 8_000_000_000)  # a stand-in's run takes 3.2 GB
    one = fakes()
    for _ in range(3):
        one.add()
    wait(lambda: len(one.begun) == 2)
    settle()
    assert len(one.begun) == 2
    one.begun[0].is_over = True
    wait(lambda: len(one.begun) == 3)


@pytest.mark.thorough
def test_a_paused_job_lets_the_next_begin_and_goes_on_beside_it(fakes: Callable) -> None:
    one = fakes(most=lambda: 1)
    first, second, third = (one.add() for _ in range(3))
    wait(lambda: one.ids() == [first])
    one.begun[0].is_running = False
    wait(lambda: one.ids() == [first, second])
    one.begun[0].is_running = True
    one.begun[1].is_over = True
    settle()
    assert one.ids() == [first, second]
    one.begun[0].is_over = True
    wait(lambda: one.ids() == [first, second, third])


# ---- whose turn


@pytest.mark.thorough
def test_users_are_served_in_turn(fakes: Callable) -> None:
    one = fakes(most=lambda: 2)
    many = [one.add("ada") for _ in range(5)]
    wait(lambda: len(one.begun) == 2)
    ben, eve = one.add("ben"), one.add("eve")
    assert one.queue.waiting() == [ben, eve, *many[2:]]
    for number in range(5):
        one.begun[number].is_over = True
        wait(lambda: len(one.begun) == number + 3)  # noqa: B023
    assert one.ids() == [*many[:2], ben, eve, *many[2:]]


def test_moving_a_run_passes_nobody_else(fakes: Callable) -> None:
    one = fakes(most=lambda: 1)
    busy = one.add("ada")
    wait(lambda: one.ids() == [busy])
    a, b, c, d = one.add("ben"), one.add("eve"), one.add("ben"), one.add("ben")
    assert one.queue.waiting() == [a, b, c, d]
    assert one.queue.move(d, "front")
    assert one.queue.waiting() == [d, b, a, c]
    assert one.queue.move(d, "down") and one.queue.move(b, "back")
    assert one.queue.waiting() == [a, b, d, c]


# ---- GPUs


class Large(StandIn):
    def slots(self, config: Any) -> float:
        return 1.0

    def memory_bytes(self, config: Any) -> int:
        return 10


class Small(Large):
    def slots(self, config: Any) -> float:
        return 0.25


@pytest.mark.thorough
def test_each_gpu_has_a_run_and_each_worker_sees_its_own(fakes: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "gpus", lambda: GPUS)
    one = fakes("cuda", Large())
    ids = [one.add() for _ in range(3)]
    wait(lambda: len(one.begun) == 2)
    settle()
    assert [job.environment["CUDA_VISIBLE_DEVICES"] for job in one.begun] == ["0", "1"]
    one.begun[1].is_over = True
    wait(lambda: one.ids() == ids)
    assert one.begun[2].environment["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.thorough
def test_small_runs_share_gpus_while_there_are_memory_and_cores(fakes: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "gpus", lambda: GPUS)
    one = fakes("cuda", Small())
    for _ in range(6):
        one.add()
    wait(lambda: len(one.begun) == 4)
    settle()
    assert [job.environment["CUDA_VISIBLE_DEVICES"] for job in one.begun] == ["0", "1", "0", "1"]  # a core each
    one.begun[0].is_over = True
    wait(lambda: len(one.begun) == 5)


@pytest.mark.thorough
def test_small_runs_do_not_share_a_gpu_without_the_memory(fakes: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "gpus", lambda: GPUS)
    monkeypatch.setattr(Small, "memory_bytes", lambda self, config: 60)
    one = fakes("cuda", Small())
    for _ in range(3):
        one.add()
    wait(lambda: len(one.begun) == 2)
    settle()
    assert len(one.begun) == 2


# ---- worker processes


@pytest.fixture
def launcher(store: Store) -> Iterator[Launcher]:
    launcher = Launcher(store, "process", most=workers)
    yield launcher
    launcher.close(20.0)


def resting(store: Store) -> list[Any]:
    """The workers that wait for a job of this store."""
    with process._lock:
        return [worker for worker in process._resting if worker.url == store.url]


@pytest.mark.slow
def test_runs_side_by_side_have_the_bits_of_runs_alone(store: Store, launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPCORE_WORKERS", "2")
    settings = [{**SHORT, "epochs": 40, "seed": seed} for seed in range(4)]
    alone, beside = [add(store, one) for one in settings], [add(store, one) for one in settings]
    assert {driver.drive(store, run_id) for run_id in alone} == {"done"}
    pids, most = set(), 0
    launcher.start(*([run_id] for run_id in beside))

    def look() -> bool:
        nonlocal most
        rows = [store.get(run_id) for run_id in beside]
        pids.update(row["pid"] for row in rows if row["status"] in ("running", "done"))
        most = max(most, sum(row["status"] == "running" for row in rows))
        return all(row["status"] == "done" for row in rows)

    wait(look)
    for one, other in zip(alone, beside):
        assert store.get(one)["totals"]["weights_hash"] == store.get(other)["totals"]["weights_hash"]
        assert store.epochs(one)["train_loss"].tolist() == store.epochs(other)["train_loss"].tolist()
    assert (len(pids), most) == (2, 2)  # each worker did two
    wait(lambda: len(resting(store)) == 2)
    processes = [psutil.Process(pid) for pid in pids]
    launcher.close(20.0)
    wait(lambda: not any(one.is_running() for one in processes))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_the_next_job_has_the_log_that_is_its_own_and_a_new_worker_after_a_failure(store: Store, launcher: Launcher) -> None:
    first = add(store)
    launcher.start([first])
    wait(lambda: status(store, first) == "done" and resting(store))
    pid = store.get(first)["pid"]
    bad = add(store)
    store.update(bad, config={**store.get(bad)["config"], "arch": "gone"})
    launcher.start([bad])
    wait(lambda: status(store, bad) == "failed" and not launcher.alive(bad))
    assert store.get(bad)["pid"] == pid
    crashes = add(store, LONG)
    launcher.start([crashes])
    wait(lambda: samples(store, crashes))
    assert store.get(crashes)["pid"] != pid
    os.kill(store.get(crashes)["pid"], signal.SIGSEGV)
    wait(lambda: status(store, crashes) == "lost" and store.get(crashes)["error"])
    assert "Segmentation fault" in store.get(crashes)["traceback"]
    assert "Segmentation fault" not in (store.get(first)["traceback"] or "")
    last = add(store)
    launcher.start([last])
    wait(lambda: status(store, last) == "done")


@pytest.mark.slow
def test_a_worker_that_died_while_it_rested_is_not_used(store: Store, launcher: Launcher) -> None:
    one, other = add(store), add(store)
    launcher.start([one])
    wait(lambda: status(store, one) == "done" and resting(store))
    (worker,) = resting(store)
    worker.process.kill()
    worker.process.wait()
    launcher.start([other])
    wait(lambda: status(store, other) == "done")


@pytest.mark.thorough
def test_a_worker_does_not_rest_for_ever(store: Store, launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "REST_SECONDS", 0.2)
    run_id = add(store)
    launcher.start([run_id])
    wait(lambda: status(store, run_id) == "done")
    worker = psutil.Process(store.get(run_id)["pid"])
    wait(lambda: not worker.is_running())
    assert resting(store) == []
