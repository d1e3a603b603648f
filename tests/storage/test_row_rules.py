"""The rules for rows: what this program writes keeps them, what it never writes does not, and is named, put aside, deleted."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import bad_rows
import fake_runs
import old_rows
import pytest

from appcore.cli import repairs
from appcore.errors import InputError
from appcore.storage import heartbeat, quarantine, row_rules, schema
from appcore.storage.database import Database
from appcore.storage.store import Store

CASES = list(bad_rows.cases())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


def file_of(store: Store) -> Path:
    return Path(store.url.removeprefix("sqlite:///"))


@pytest.mark.parametrize("state", ["done", "running", "queued", "failed"])
def test_what_this_program_writes_keeps_every_rule(store: Store, state: str) -> None:
    run_id = fake_runs.write(store, until=None if state == "done" else 40, status=state, title="a")
    sweep = store.ablations.create("a", {"dataset": "digits"}, {"seed": [0, 1], "exempt": [["conv1"], []], "tau": [2.0, 4.5]})
    store.ablations.add_runs(sweep, [run_id])
    assert quarantine.unreadable(Database(store.url, 1.0)) == []
    assert len(store.epochs(run_id)) and "unreadable" not in store.epochs(run_id).attrs


@pytest.mark.thorough
@pytest.mark.parametrize(("column", "value"), CASES, ids=[f"{column}-{str(value)[:20]!r}" for column, value in CASES])
def test_a_wrong_value_is_refused_by_name_and_harms_no_other_run(store: Store, column: str, value: object) -> None:
    good, bad = fake_runs.write(store), fake_runs.write(store, until=40, status="failed")
    bad_rows.write(file_of(store), bad, column, value)
    found, unreadable = store.survey()
    store.revision()
    if column in ("started", "traceback"):  # only read where they are shown
        assert [run["run_id"] for run in found] == [bad, good]
    else:
        assert [run["run_id"] for run in found] == [good]
        assert [one.table for one in unreadable] == ["runs"] and unreadable[0].problem.startswith(column)
        assert len(str(unreadable[0])) < 400 and "\n" not in str(unreadable[0])
    name = str(value) if column == "run_id" else bad
    if name:
        with pytest.raises(InputError, match=column):
            store.get(name)
    assert [one.table for one in quarantine.unreadable(Database(store.url, 1.0))] == ["runs"]


def test_a_broken_run_can_be_deleted_and_takes_no_other_folder_with_it(store: Store) -> None:
    good, bad = fake_runs.write(store), fake_runs.write(store)
    (store.folder / bad).mkdir()
    (store.folder / "x").mkdir()
    bad_rows.write(file_of(store), bad, "config", "no json")
    store.delete(bad)
    assert not (store.folder / bad).exists() and [run["run_id"] for run in store.runs()] == [good]
    bad_rows.write(file_of(store), good, "run_id", "x")  # a name that leads elsewhere
    store.delete("x")
    assert (store.folder / "x").exists() and store.survey() == ([], [])


EVENTS = [
    ("epochs", "megabatch", "abc"),
    ("epochs", "megabatch", 999),
    ("epochs", "val_accuracy", 7.0),
    ("epochs", "val_accuracy", "abc"),
    ("epochs", "train_loss", float("inf")),
    ("epochs", "samples_seen", -5),
    ("epochs", "samples_seen", None),
    ("megabatches", "test_images", b"x"),
    ("megabatches", "cer", 2**63 - 1),
    ("prunes", "facts", "no json"),
    ("prunes", "facts", '{"collapsed_channels": 5}'),
    ("prunes", "density_mask", -0.1),
    ("layers", "kept", 10**15),
    ("layers", "alive", -1),
    ("layers", "layer", b"\xff"),
]
LAYERS = ('"a", 5', '"a", -1, -1, 5', '"a", 5, 6, 7', '"a", 5.5, 5, 6', '"a", 1, true, 1', f'"a", 5, 5, {10**20}', "5, 5, 5, 6")
COUNTS: list[object] = ["no json", "[5]", "{}", b"x", *(f"[[{layer}]]" for layer in LAYERS)]


@pytest.mark.thorough
@pytest.mark.parametrize(("table", "column", "value"), EVENTS)
def test_wrong_rows_of_a_run_are_left_out_and_named(store: Store, table: str, column: str, value: object) -> None:
    run_id, other = fake_runs.write(store), fake_runs.write(store)
    if table == "layers":
        old_rows.unpack(store, "prune", "end")
    whole = len(getattr(store, table)(run_id))
    bad_rows.write(
        file_of(store), run_id, column, value, table, "AND rowid = (SELECT max(rowid) FROM " + table + f" WHERE run_id = '{run_id}')"
    )
    found = getattr(store, table)([run_id, other])
    assert (len(found[found["run_id"] == run_id]), len(found[found["run_id"] == other])) == (whole - 1, whole)
    (named,) = found.attrs["unreadable"]
    assert (named.table, named.of) == (table, run_id) and named.problem.startswith(column)
    kinds = {name: kind for name, kind in schema.kinds(getattr(schema, table)).items() if kind in (int, float)}
    assert all(found[name].dtype.kind in "if" for name in kinds)


@pytest.mark.parametrize("value", COUNTS)
def test_counts_that_are_none_cost_the_layers_of_their_point_alone(store: Store, value: object) -> None:
    run_id, other = fake_runs.write(store), fake_runs.write(store)
    whole = len(store.layers(run_id))
    bad_rows.write(file_of(store), run_id, "counts", value, "layer_counts", "AND segment = 0")
    found = store.layers([run_id, other])
    assert (found["run_id"] == run_id).sum() == whole - len(fake_runs.LAYERS) and (found["run_id"] == other).sum() == whole
    (named,) = found.attrs["unreadable"]
    assert (named.table, named.of) == ("layer_counts", run_id) and named.problem.startswith("counts") and len(named.problem) < 300
    assert repairs.unreadable(store) == [named]
    repairs.quarantine_rows(store)
    assert repairs.unreadable(store) == [] and len(store.layers(run_id)) == whole - len(fake_runs.LAYERS)


def test_a_quarantine_keeps_what_it_takes_and_leaves_what_is_whole(store: Store) -> None:
    good, bad, half = (fake_runs.write(store, title=title) for title in ("good", "bad", "half"))
    bad_rows.write(file_of(store), bad, "created", "yesterday")
    bad_rows.write(file_of(store), half, "density_mask", 7.0, "prunes", "AND segment = 0")
    assert len(repairs.unreadable(store)) == 2
    said = repairs.quarantine_rows(store)
    (path,) = store.folder.glob("quarantine-*.jsonl")
    assert str(path) in said
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert next(line["row"] for line in lines if line["table"] == "runs")["created"] == "yesterday"
    assert {line["row"]["run_id"] for line in lines if line["table"] == "epochs"} == {bad}
    assert [line["row"]["run_id"] for line in lines if line["table"] == "prunes" and line["row"]["density_mask"] == 7.0] == [half]
    assert {run["title"] for run in store.runs()} == {"good", "half"} and repairs.unreadable(store) == []
    assert len(store.prunes(half)) == len(store.prunes(good)) - 1 and len(store.epochs(half)) == len(store.epochs(good))
    with closing(sqlite3.connect(file_of(store))) as connection:
        for table in schema.OWNED_TABLES:
            assert connection.execute(f"SELECT count(*) FROM {table.name} WHERE run_id = ?", (bad,)).fetchone() == (0,)


def test_a_run_that_goes_on_is_not_put_aside(store: Store) -> None:
    run_id = fake_runs.keep_alive(store, fake_runs.write(store, until=40, status="running"))
    bad_rows.write(file_of(store), run_id, "created", "yesterday")
    assert "going on stay" in repairs.quarantine_rows(store)
    assert [one.of for one in store.survey()[1]] == [run_id]


@pytest.mark.thorough
@pytest.mark.parametrize("ahead", [365 * 86_400.0, 1e300, -3600.0])
def test_a_clock_that_was_ahead_keeps_no_damaged_run(store: Store, monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    monkeypatch.setattr(heartbeat, "WATCH_SECONDS", 0.5)
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.2)
    run_id = fake_runs.write(store, until=40, status="running")
    store.update(run_id, host="elsewhere", pid=5, heartbeat=time.time() + ahead)
    bad_rows.write(file_of(store), run_id, "created", "yesterday")
    assert "stay" not in repairs.quarantine_rows(store)
    assert store.survey() == ([], [])


@pytest.mark.parametrize("axes", ["no json", '{"seed": 5}', '[["seed", {"a": 1}]]', "[5]", "5"])
def test_a_broken_ablation_is_named_and_the_others_are_shown(store: Store, axes: str) -> None:
    good, bad = (store.ablations.create(title, {"dataset": "digits"}, {"seed": [0, 1]}) for title in ("good", "bad"))
    with closing(sqlite3.connect(file_of(store))) as connection:
        connection.execute("UPDATE sweeps SET axes = ? WHERE sweep_id = ?", (axes, bad))
        connection.commit()
    found, unreadable = store.ablations.survey()
    assert [sweep["sweep_id"] for sweep in found] == [good] and [one.of for one in unreadable] == [bad]
    with pytest.raises(InputError, match="axes"):
        store.ablations.get(bad)
    store.ablations.delete(bad)
    assert store.ablations.survey()[1] == []


def test_times_are_instants() -> None:
    for text in ("2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00.123456+02:00", "2026-01-31T12:00:00Z"):
        assert row_rules._instant(text) == text


def test_the_losses_of_a_run_that_diverges_are_readable(store: Store) -> None:
    run_id = fake_runs.write(store)
    for table, column in (("epochs", "val_loss"), ("megabatches", "test_loss")):
        with closing(sqlite3.connect(file_of(store))) as connection, connection:
            connection.execute(f"UPDATE {table} SET {column} = 1.5e32")
    assert set(store.epochs(run_id)["val_loss"]) == set(store.megabatches(run_id)["test_loss"]) == {1.5e32}
    assert "unreadable" not in store.epochs(run_id).attrs
    assert row_rules.Progress(loss=1e25).loss == 1e25
