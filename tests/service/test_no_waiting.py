"""Nobody waits for somebody else's data: no lock is held while settings are held against a data set, or while the store is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from standin import SETTINGS, StandIn

from appcore.service.manager import Manager
from appcore.storage.store import Store

LONG = {**SETTINGS, "epochs": 1000}
SLOW = {**LONG, "seed": 1}
PATIENCE = 60.0


class Reading(StandIn):
    """One whose settings with seed 1 have images that take as long to read as the test wants."""

    def __init__(self) -> None:
        super().__init__(step_seconds=0.002)
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def check(self, config: Any) -> None:
        self._read(config)
        super().check(config)

    def estimate(self, config: Any, *rest: Any) -> dict[str, Any]:
        self._read(config)
        return super().estimate(config, *rest)

    def _read(self, config: Any) -> None:
        if config.seed == 1:
            self.has_begun.set()
            assert self.may_end.wait(PATIENCE)


@pytest.fixture
def work() -> Reading:
    return Reading()


@pytest.fixture
def manager(any_address: str, work: Reading) -> Iterator[Manager]:
    store = Store(any_address)
    manager = Manager(store, work=work)
    yield manager
    manager.close()
    store.close()


@contextmanager
def meanwhile(work: Reading, ask: Callable[[], Any]) -> Iterator[list[Any]]:
    """A block while somebody's data is read; what they got is in the list afterwards."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(ask()))
    thread.start()
    try:
        assert work.has_begun.wait(PATIENCE)
        yield found
        assert not found  # it is read still
    finally:
        work.may_end.set()
        thread.join(PATIENCE)


@pytest.mark.thorough
@pytest.mark.parametrize("what", ["start", "run_missing", "resume", "estimate"])
def test_others_go_on_while_the_data_of_one_is_read(manager: Manager, work: Reading, what: str) -> None:
    ada, ben = manager.of("ada"), manager.of("ben")
    sweep_id = ada.ablations.create("", LONG, {"seed": [0, 1]})
    work.may_end.set()
    (run_id,) = ada.start([SLOW])
    ada.stop(run_id)
    ada.wait(run_id, PATIENCE)
    work.has_begun.clear()
    work.may_end.clear()
    asks = {
        "start": lambda: ada.start([SLOW], token="a form"),
        "run_missing": lambda: ada.ablations.run_missing(sweep_id)["started"],
        "resume": lambda: ada.resume(run_id) or [run_id],
        "estimate": lambda: ada.estimate(SLOW),
    }
    with meanwhile(work, asks[what]) as found:
        assert manager.of("cleo").runs() == []
        (his,) = ben.start([LONG], token="another form")
        assert ben.estimate(LONG)["seconds"] == 1.0
        ben.pause(his)
        ben.resume(his)
        ben.ablations.run_missing(ben.ablations.create("", LONG, {"seed": [2, 3]}))
        ben.stop(his)
        assert ben.wait(his, PATIENCE) == "stopped"
    assert found


def test_a_press_that_comes_while_the_first_is_at_work_waits_for_its_run(manager: Manager, work: Reading) -> None:
    again: list[Any] = []
    with meanwhile(work, lambda: manager.start([SLOW], token="a form")) as found:
        second = threading.Thread(target=lambda: again.append(manager.start([SLOW], token="a form")))
        second.start()
    second.join(PATIENCE)
    assert again == found
    assert len(manager.runs()) == 1


def test_pages_ask_for_places_in_line_while_the_store_is_slow(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    going, waits, last = (manager.start([LONG])[0] for _ in range(3))
    has_begun, may_end, whole = threading.Event(), threading.Event(), Store.update_all

    def slow(store: Store, run_ids: Any, *rest: Any, **columns: Any) -> None:
        if columns.get("status") == "stopped":
            has_begun.set()
            assert may_end.wait(PATIENCE)
        whole(store, run_ids, *rest, **columns)

    monkeypatch.setattr(Store, "update_all", slow)
    stopping = threading.Thread(target=manager.stop, args=(waits,))
    stopping.start()
    try:
        assert has_begun.wait(PATIENCE)
        assert manager.queue_position(last) == 1
        assert manager.waiting() == [last]
        assert manager.waits_for(going) == ""
    finally:
        may_end.set()
        stopping.join(PATIENCE)
    assert manager.get(waits)["status"] == "stopped"


@pytest.mark.slow
def test_an_ablation_takes_few_statements_however_many_runs_it_has(manager: Manager) -> None:
    engine, here, counts = manager.store._database.engine, threading.get_ident(), {}
    (busy,) = manager.start([LONG])
    for size in (2, 3, 40):  # the first may have to give the store its name
        statements: list[str] = []

        def listen(connection: Any, cursor: Any, statement: str, *rest: Any, found: list[str] = statements) -> None:
            if threading.get_ident() == here:
                found.append(statement)

        sweep_id = manager.ablations.create("", {**LONG, "tau": 2.0 + size}, {"seed": list(range(2, 2 + size))})
        event.listen(engine, "before_cursor_execute", listen)
        assert len(manager.ablations.run_missing(sweep_id)["started"]) == size
        event.remove(engine, "before_cursor_execute", listen)
        counts[size] = len(statements)
    assert counts[40] == counts[3]
    assert manager.get(busy)["status"] in ("queued", "running")


def test_the_end_waits_for_an_estimate_that_goes_on(manager: Manager, work: Reading) -> None:
    assert manager.estimate_soon(SLOW, 0.01) is None
    assert work.has_begun.wait(PATIENCE)
    soon = threading.Timer(0.2, work.may_end.set)
    soon.start()
    manager.close()
    assert work.may_end.is_set()
    soon.join()
    assert manager.estimate_soon(LONG, 0.01) is None  # and begins no other
