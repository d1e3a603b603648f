"""Rows kept in memory: always those of the store, and only what has changed is read."""

from __future__ import annotations

import time
from collections.abc import Iterator

import fake_runs
import pandas as pd
import pytest
from sqlalchemy import event, select, update

from appcore.config import build
from appcore.storage import heartbeat, rows, schema
from appcore.storage.store import Store

CONFIG = build({"arch": "mlp", "dataset": "digits", "megabatches": 2, "epochs": 1})


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    yield store
    store.close()


def fresh(store: Store) -> Store:
    """The same store, of which nothing is known yet."""
    return Store(store.url)


def same(store: Store) -> bool:
    """Whether what is kept is what another process would read."""
    other = fresh(store)
    ids = [run["run_id"] for run in other.runs()]
    kept, read = store.megabatches(ids, newest=True), other.megabatches(ids, newest=True)
    with other._database.read() as connection:
        plain = rows.frame(connection, schema.megabatches, ids, (), newest=True)
    pd.testing.assert_frame_equal(kept, read)
    pd.testing.assert_frame_equal(kept, plain)
    return (store.survey(recorded=True), store.revision()) == (other.survey(recorded=True), other.revision())


def test_what_is_kept_is_what_the_store_holds(store: Store) -> None:
    first, second = (fake_runs.write(store, seed=seed, megabatches=2, epochs=1) for seed in (0, 1))
    assert [run["run_id"] for run in store.runs()] == [second, first]
    assert same(store)
    fresh(store).update(first, note="by another process")
    assert store.runs()[1]["note"] == "by another process"
    third = fake_runs.write(fresh(store), until=3, seed=2, megabatches=2, epochs=1)
    assert same(store)
    fake_runs.advance(fresh(store), third, 6)
    assert same(store)
    fresh(store).rewind(third, 0)
    assert same(store)
    fresh(store).update(third, status="done")
    fresh(store).delete(third)
    fresh(store).delete(first)
    assert [run["run_id"] for run in store.runs()] == [second]
    assert same(store)


def test_only_what_has_changed_is_read(store: Store) -> None:
    run_ids = [store.create_run(CONFIG, plan_length=6) for _ in range(5)]
    store.runs()
    asked: list[object] = []
    event.listen(store._database.engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    before = store.runs()
    assert not [one for one in asked if "config" in str(one)]
    store.update(run_ids[2], note="new")
    asked.clear()
    after = store.runs()
    (statement,) = [one for one in asked if "config" in str(one[0])]
    assert run_ids[2] in str(statement[1])
    assert not any(run_id in str(statement[1]) for run_id in run_ids if run_id != run_ids[2])
    assert [old["note"] for old in before] == [""] * 5
    assert [new["note"] for new in after] == ["", "", "new", "", ""]


def test_a_run_is_lost_and_found_without_a_write(store: Store) -> None:
    run_id = store.create_run(CONFIG, plan_length=6)
    store.update(run_id, status="running")
    assert store.runs()[0]["status"] == "running"
    for beat, status in ((None, "lost"), (time.time(), "running")):  # a heartbeat is no new revision
        with store._database.write() as connection:
            connection.execute(update(schema.runs).values(heartbeat=beat, **heartbeat.me()))
        assert store.runs()[0]["status"] == status == store.revision()[0][2]


def test_a_transaction_sees_its_own_rows_and_leaves_nothing_behind(store: Store) -> None:
    run_id = store.create_run(CONFIG, plan_length=6)
    store.runs()
    with pytest.raises(ZeroDivisionError), store.alone() as inside:
        inside.update(run_id, note="never")
        assert inside.runs()[0]["note"] == "never"
        raise ZeroDivisionError
    assert store.runs()[0]["note"] == ""


def test_everybody_sees_their_own(store: Store) -> None:
    anna, boris = store.of("anna"), store.of("boris")
    hers, his = anna.create_run(CONFIG, plan_length=6), boris.create_run(CONFIG, plan_length=6)
    assert [[run["run_id"] for run in one.runs()] for one in (anna, boris, store)] == [[hers], [his], [his, hers]]
    assert [row[0] for row in anna.revision()] == [hers]
    anna.share(hers, True)
    assert [run.get("is_shared") for run in boris.runs()] == [None, True]
    anna.share(hers, False)
    assert [run["run_id"] for run in boris.runs()] == [his]


def test_damage_is_named_and_hides_no_change(store: Store) -> None:
    damaged, whole = (store.create_run(CONFIG, plan_length=6) for _ in range(2))
    with store._database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.run_id == damaged).values(segments=-3, revision=2**31 - 1))
    found, unreadable = store.survey()
    assert [run["run_id"] for run in found] == [whole]
    assert [one.of for one in unreadable] == [damaged]
    store.update(whole, note="seen")
    assert store.runs()[0]["note"] == "seen"
    assert len(store.revision()) == 2
    with store._database.read() as connection:
        assert connection.scalar(select(schema.runs.c.segments).where(schema.runs.c.run_id == damaged)) == -3


def test_a_run_in_place_of_another_is_seen(store: Store) -> None:
    """As many runs, no newer one, and the same writes: an import after a deletion."""
    one, _ = fake_runs.write(store), fake_runs.write(store)
    assert len(store.runs()) == 2
    other = fresh(store)
    row = other.get(one)
    other.delete(one)
    names = {column.name for column in schema.runs.columns} - {"run_id", "revision"}
    values = {name: row[name] for name in names if row.get(name) is not None}
    with other._database.write() as connection:
        connection.execute(schema.runs.insert().values(run_id="20260101-000000-abcd", **values))
    assert same(store) and "20260101-000000-abcd" in {run["run_id"] for run in store.runs()}
    assert len({schema.first_revision() for _ in range(20)}) > 10
