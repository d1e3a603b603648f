"""The same question is run once: whoever asks it gets the run that there is, and can read it and no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_runs
import pytest
from sqlalchemy import update
from standin import SETTINGS, StandIn

from appcore import limits, paths
from appcore.errors import InputError
from appcore.service import manager as managers
from appcore.service.manager import Manager
from appcore.storage.schema import runs
from appcore.storage.store import Store

LONG = {**SETTINGS, "epochs": 1000}


class WithData(StandIn):
    """Data with a hash that changes when the test says so."""

    digest: str | None = None

    def data_digest(self, config: Any) -> str | None:
        return self.digest


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    store.runs()
    yield store
    store.close()


@pytest.fixture
def work() -> WithData:
    return WithData(step_seconds=0.001)


@pytest.fixture
def manager(store: Store, work: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    monkeypatch.setattr(managers, "TWICE_SECONDS", 0.0)
    manager = Manager(store, work=work)
    yield manager
    manager.close()


def wait(until: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_done_or_goes_on_is_not_run_again(manager: Manager, store: Store) -> None:
    first = manager.start_once([SETTINGS])
    (run_id,) = first["runs"]
    assert first == {"runs": [run_id], "reused": []} and manager.same(SETTINGS) == run_id
    assert manager.start_once([SETTINGS]) == {"runs": [run_id], "reused": [run_id]}
    assert manager.wait(run_id, 60.0) == "done"
    assert manager.start_once([SETTINGS])["runs"] == [run_id]
    other = {**SETTINGS, "seed": 7}
    assert manager.same(other) is None
    pair = manager.start_once([other, SETTINGS])
    assert pair["reused"] == [run_id] == pair["runs"][1:] and pair["runs"][0] != run_id
    assert len(store.runs()) == 2
    assert len(manager.start([SETTINGS])) == 1 and len(store.runs()) == 3  # who wants it anew gets it anew


def test_two_of_one_start_are_two(manager: Manager) -> None:
    assert len(set(manager.start_once([LONG, LONG])["runs"])) == 2


def test_what_ended_before_its_end_answers_nobody(manager: Manager, store: Store) -> None:
    (run_id,) = manager.start_once([LONG])["runs"]
    wait(lambda: store.get(run_id)["status"] == "running")
    manager.stop(run_id)
    assert manager.wait(run_id, 60.0) == "stopped"
    assert manager.start_once([LONG])["reused"] == []
    dead = fake_runs.write(store, until=4, status="running", **{**SETTINGS, "seed": 3})
    store.update(dead, heartbeat=0.0)  # its process is gone
    assert store.get(dead)["status"] == "lost"
    assert manager.start_once([store.get(dead)["config"]])["reused"] == []


def test_other_data_are_another_question(manager: Manager, store: Store, work: WithData) -> None:
    (run_id,) = manager.start_once([SETTINGS])["runs"]
    assert manager.wait(run_id, 60.0) == "done"
    store.update(run_id, hashes={"data": "that of then"})
    work.digest = "that of now"
    assert manager.start_once([SETTINGS])["reused"] == []
    work.digest = "that of then"
    (again,) = manager.start_once([SETTINGS])["reused"]
    assert again == run_id


@pytest.mark.slow
def test_thirty_people_at_one_moment_cost_one_run_and_all_see_it(manager: Manager, store: Store, work: StandIn) -> None:
    together, found, people = threading.Barrier(30), {}, [f"p{number}@example.org" for number in range(30)]

    def press(who: str) -> None:
        mine = manager.of(who)
        together.wait()
        (found[who],) = mine.start_once([SETTINGS])["runs"]
        assert mine.wait(found[who], 60.0) == "done"

    threads = [threading.Thread(target=press, args=(who,)) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 30 and len(set(found.values())) == 1
    assert len(store.runs()) == 1 == len(work.states)
    for who in people:
        mine = manager.of(who)
        assert [row["run_id"] for row in mine.runs()] == [found[who]]
        assert len(mine.store.epochs(found[who])) == 6 and mine.result(found[who])["status"] == "done"


def test_a_reader_reads_without_what_the_owner_wrote_and_changes_nothing(manager: Manager, store: Store) -> None:
    ada, ben, eve = (manager.of(f"{name}@example.org") for name in ("ada", "ben", "eve"))
    (run_id,) = ada.start_once([LONG], titles=["Ada's idea"])["runs"]
    ada.label(run_id, tags=["secret"], note="for Ada")
    assert ben.start_once([LONG]) == {"runs": [run_id], "reused": [run_id]}
    row = ben.get(run_id)
    assert row["is_shared"] and (row["tags"], row["note"], row["owner"]) == ([], "", "") and "Ada" not in row["title"]
    assert ben.runs()[0]["title"] == row["title"] == "APP · SNIP, MLP, Digits"
    assert "is_shared" not in ada.get(run_id) and ada.get(run_id)["note"] == "for Ada"
    changes: list[Callable[[str], Any]] = [ben.pause, ben.stop, ben.preempt, ben.resume]
    for verb in (*changes, lambda run_id: ben.move(run_id, "front"), lambda run_id: ben.label(run_id, note="x")):
        with pytest.raises(InputError, match="somebody else's"):
            verb(run_id)
    ben.send([run_id], "stop")
    assert store.get(run_id)["command"] is None and store.get(run_id)["note"] == "for Ada"
    with pytest.raises(InputError, match="no run"):
        eve.get(run_id)
    assert eve.runs() == []
    ada.stop(run_id)


def test_a_run_that_is_shared_outlives_its_owners_interest(manager: Manager, store: Store) -> None:
    ada, ben, eve = (manager.of(f"{name}@example.org") for name in ("ada", "ben", "eve"))
    (run_id,) = ada.start_once([SETTINGS])["runs"]
    assert ben.start_once([SETTINGS])["runs"] == eve.start_once([SETTINGS])["runs"] == [run_id]
    assert ada.wait(run_id, 60.0) == "done"
    eve.delete(run_id)  # takes it off her list
    assert eve.runs() == [] and len(ada.runs()) == len(ben.runs()) == 1
    ada.label(run_id, title="Ada's idea", tags=["secret"])
    ada.delete(run_id)
    assert ada.runs() == []
    (row,) = ben.runs()
    assert "is_shared" not in row and row["owner"] == "ben@example.org" and (row["tags"], "Ada" in row["title"]) == ([], False)
    ben.delete(run_id)
    assert store.runs() == [] and not paths.run_folder(store.folder, run_id).exists()


def test_a_reader_sees_why_a_run_failed_and_not_where(manager: Manager, store: Store) -> None:
    """The traceback and the log name the folders of the owner, and whoever has the run from them has neither."""
    ada, ben = manager.of("ada@example.org"), manager.of("ben@example.org")
    (run_id,) = ada.start_once([LONG])["runs"]
    assert ben.start_once([LONG])["runs"] == [run_id]
    ada.stop(run_id)
    assert ada.wait(run_id, 60.0) == "stopped"
    store.update(run_id, status="failed", error="RuntimeError: no", traceback="/home/ada/lab.py")
    log = paths.worker_log(paths.run_folder(store.folder, run_id))
    log.parent.mkdir(parents=True, exist_ok=True)  # it may have been stopped before it began
    log.write_text("/home/ada/lab.py\n")
    row = ben.get(run_id)
    assert (row["error"], row["traceback"], ben.log(run_id)) == ("RuntimeError: no", None, None)
    assert "/home/ada" not in repr([ben.get(run_id), ben.runs(), ben.result(run_id)])
    assert ada.get(run_id)["traceback"] == ada.log(run_id)["text"].strip() == "/home/ada/lab.py"
    ada.delete(run_id)
    row = ben.get(run_id)
    assert (row["owner"], row["error"], row["traceback"], ben.log(run_id)) == ("ben@example.org", "RuntimeError: no", None, None)


def test_an_owner_shares_with_everybody(manager: Manager) -> None:
    ada, ben = manager.of("ada@example.org"), manager.of("ben@example.org")
    (run_id,) = ada.start([SETTINGS])
    with pytest.raises(InputError, match="no run"):
        ben.share(run_id, True)
    ada.share(run_id, True)
    assert ada.store.is_shared(run_id) and ben.get(run_id)["is_shared"]
    with pytest.raises(InputError, match="somebody else's"):
        ben.share(run_id, False)
    with pytest.raises(InputError, match="on every list"):
        ben.delete(run_id)
    ada.share(run_id, False)
    with pytest.raises(InputError, match="no run"):
        ben.get(run_id)


def test_a_server_may_keep_its_users_apart(manager: Manager, store: Store) -> None:
    paths.limits(store.folder).write_text('same_runs = "off"', encoding="utf-8")
    limits._read.cache_clear()
    ada, ben = manager.of("ada@example.org"), manager.of("ben@example.org")
    (hers,) = ada.start_once([SETTINGS])["runs"]
    (his,) = ben.start_once([SETTINGS])["runs"]
    assert hers != his
    assert ada.start_once([SETTINGS])["reused"] == [hers]


def test_an_imported_run_of_somebody_else_answers_nobody(manager: Manager, store: Store) -> None:
    ada, ben = manager.of("ada@example.org"), manager.of("ben@example.org")
    (run_id,) = ada.start([SETTINGS])
    assert ada.wait(run_id, 60.0) == "done"
    with store._database.write() as connection:  # as of a bundle, whose numbers anybody could have written
        connection.execute(update(runs).values(fence=None))
    assert ben.start_once([SETTINGS])["reused"] == []
    assert ada.start_once([SETTINGS])["reused"] != []


def test_ablations_of_two_share_their_runs(manager: Manager, store: Store) -> None:
    ada, ben = manager.of("ada@example.org"), manager.of("ben@example.org")
    hers, his = (one.ablations.create("", SETTINGS, {"seed": seeds}) for one, seeds in ((ada, [0, 1]), (ben, [1, 2])))
    first = ada.ablations.run_missing(hers)
    found = ben.ablations.run_missing(his)
    assert (len(first["started"]), len(found["started"]), len(found["reused"])) == (2, 1, 1)
    assert set(found["reused"]) < set(first["started"]) and len(store.runs()) == 3
    wait(lambda: all(cell["run"]["status"] == "done" for cell in ben.ablations.board(his)["cells"]))
    assert ben.ablations.run_missing(his) == {"reused": [], "started": []}


def test_files_of_a_start_that_is_refused_are_nowhere(manager: Manager, store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        manager.start_once([SETTINGS, {**SETTINGS, "megabatches": 101}])
    assert store.runs() == []


def test_a_cell_whose_run_somebody_else_gave_up_is_missing_again(manager: Manager) -> None:
    ada, ben = manager.of("ada@example.org"), manager.of("ben@example.org")
    (run_id,) = ada.start_once([LONG])["runs"]
    his = ben.ablations.create("", LONG, {"seed": [0]})
    assert ben.ablations.run_missing(his) == {"reused": [run_id], "started": []}
    ada.stop(run_id)
    assert ada.wait(run_id, 60.0) == "stopped"
    assert ben.ablations.board(his)["cells"][0]["run"] is None
    (started,) = ben.ablations.run_missing(his)["started"]
    ben.stop(started)
