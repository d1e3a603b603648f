"""Counts of layers: one row for each prune point and each end, read as a row for each layer; rows of earlier versions are read as well."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import fake_runs
import old_rows
import pandas
import pytest
from sqlalchemy import func, select

from appcore.config import build
from appcore.storage import schema
from appcore.storage.store import Store
from appcore.transfer.backup import backup, restore


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    yield store
    store.close()


def counted(store: Store) -> dict[str, int]:
    """How many rows the tables of layers have."""
    with store._database.read() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in (schema.layer_counts, schema.layers)
        }


def test_a_run_of_a_hundred_megabatches_has_two_hundred_rows(store: Store) -> None:
    run_id = fake_runs.write(store, megabatches=100, epochs=1)
    assert counted(store) == {"layer_counts": 200, "layers": 0}
    found = store.layers(run_id)
    assert list(found) == [column.name for column in schema.layers.columns]
    assert len(found) == 200 * len(fake_runs.LAYERS)
    assert found["layer"].tolist() == 200 * [layer.name for layer in fake_runs.LAYERS]
    last = found[found["segment"] == found["segment"].max()]
    assert last["seq"].tolist() == list(range(len(fake_runs.LAYERS))) and set(last["megabatch"]) == {99} and set(last["nth"]) == {0}


@pytest.mark.parametrize("points", [("prune", "end"), ("prune",)])
def test_rows_of_earlier_versions_are_the_same_table(store: Store, points: tuple[str, ...]) -> None:
    run_ids = [fake_runs.write(store, pruner=pruner, megabatches=3, epochs=1) for pruner in ("snip", "magnitude")]
    packed = store.layers(run_ids)
    old_rows.unpack(store, *points)
    assert counted(store)["layers"] == len(packed) * len(points) // 2
    pandas.testing.assert_frame_equal(store.layers(run_ids), packed)
    pandas.testing.assert_frame_equal(store.of("", sees_all=False).layers(run_ids), packed)
    assert store.of("somebody").layers(run_ids).empty


def test_a_run_that_an_earlier_version_began_goes_on(store: Store) -> None:
    run_id = fake_runs.write(store, megabatches=3, epochs=1, until=6, status="stopped")
    whole = fake_runs.write(store, megabatches=3, epochs=1)
    old_rows.unpack(store, "prune", "end", until=6)  # of both
    store.rewind(run_id, 3)
    assert store.layers(run_id)["segment"].max() == 2
    told = fake_runs.story(build(store.get(run_id)["config"]))
    store.write(run_id, [event for event in told if getattr(event, "segment", -1) >= 3])
    assert counted(store) == {"layer_counts": 2 + 4, "layers": (4 + 2) * len(fake_runs.LAYERS)}
    found, expected = (store.layers(one).drop(columns="run_id") for one in (run_id, whole))
    pandas.testing.assert_frame_equal(found, expected)
    store.update(run_id, status="stopped")
    store.delete(run_id)
    store.delete(whole)
    assert counted(store) == {"layer_counts": 0, "layers": 0}


def test_both_kinds_of_rows_come_back_from_a_backup(store: Store, tmp_path: Path) -> None:
    run_id = fake_runs.write(store, megabatches=3, epochs=1)
    old_rows.unpack(store, "end")
    there = store.layers(run_id)
    backup(store, tmp_path / "backup.zip")
    restored = Store(tmp_path / "restored" / "runs.db")
    restore(restored, tmp_path / "backup.zip")
    assert counted(restored) == counted(store)
    pandas.testing.assert_frame_equal(restored.layers(run_id), there)


def test_a_point_that_breaks_a_rule_is_left_out_with_its_layers_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    run_id = fake_runs.write(store, megabatches=3, epochs=1)
    old_rows.unpack(store, "end")
    whole = store.layers(run_id)
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        counts = json.loads(connection.execute("SELECT counts FROM layer_counts WHERE segment = 0").fetchone()[0])
        counts[2][1] = counts[2][3] + 1  # more kept than there are
        connection.execute("UPDATE layer_counts SET counts = ? WHERE segment = 0", (json.dumps(counts),))
        connection.execute("UPDATE layers SET alive = -1 WHERE segment = 2 AND seq = 0")
        connection.commit()
    found = store.layers(run_id)
    assert len(found) == len(whole) - len(fake_runs.LAYERS) - 1 and (found.dtypes == whole.dtypes).all()
    old, packed = found.attrs["unreadable"]
    assert (old.table, packed.table) == ("layers", "layer_counts")
    assert counts[2][0] in packed.problem and "weights kept" in packed.problem
