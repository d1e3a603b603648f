"""Bundles and backups are judged by one set of rules: a wrong value of any field is refused in one line that names the field."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import old_rows
import pytest
from hostile_bundles import add, in_record, members, packed

from appcore.errors import InputError
from appcore.runner import driver
from appcore.storage import schema
from appcore.storage.store import Store
from appcore.transfer.backup import backup, restore
from appcore.transfer.bundle_export import export
from appcore.transfer.bundle_import import import_bundle

WRONG: dict[str, list[Any]] = {  # of columns of every table; "-" stands for a row without it
    "created": [
        *("yesterday", "2026-99-99T99:99:99", "2026-01-01T00:00:00", "0001-01-01T00:00:00+00:00", 5, None, "-"),
        *("2026-W01-1T00:00:00+00:00", "2026-01-01T00:00:00,5+00:00", "2026-01-01x00:00:00+00:00", "2026-01-01T00:00:00+00:00:30"),
    ],
    "config": ["x", [], {}, {"megabatches": 2}, None],
    "status": ["weird", 5],
    "title": [["a"], 5, None],
    "tags": [5, "x", [5], {}],
    "notes": ["x", [None]],
    "segments": ["abc", -1, 1.5, None, True],
    "heartbeat": ["abc", [1]],
    "progress": [5, {"updated": "yesterday"}, {"epoch": "1"}],
    "started": [{}, {"layers": 5}],
    "totals": [{"seconds": None}, "x"],
    "hashes": [{"init": 5}, []],
    "owner": [5, None, "x" * 400],
    "run_id": ["../../x", 5, None, ""],
}
EVENTS: dict[str, dict[str, list[Any]]] = {
    "epochs": {"megabatch": ["x", 99, -1, None, 1.5], "val_accuracy": [1.5, "x"], "segment": [-1, None], "is_best": ["x", 5]},
    "megabatches": {"cer": [-1, "x", 10**30], "order_hash": [5], "test_loss": [1e300]},
    "prunes": {"facts": ["x", {"collapsed_channels": {"a": "b"}}], "density_mask": [-0.5]},
    "layer_counts": {"counts": ["x", [5], [["a", 2, 1, 1]], [["a", 1, 1, 1, 1]], [["a", -1, -1, 1]], None], "megabatch": [99]},
    "layers": {"kept": [10**12, "x"], "layer": [5, None], "point": ["middle"]},
    "sweeps": {"axes": ["x", [1], {"seed": 5}], "created": ["x"], "base": [5], "picks": [5, ["x"], [[-1]], [["x"]], [[0]]]},
    "sweep_runs": {"run_id": ["20200101-000000-abcd", 5], "sweep_id": ["s20200101-000000-abcd", 5]},
}
CASES = [("runs", column, value) for column, values in WRONG.items() for value in values]
CASES += [(table, column, value) for table, columns in EVENTS.items() for column, values in columns.items() for value in values]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(a backup, a bundle) of a real run."""
    folder = tmp_path_factory.mktemp("judged")
    store = Store(folder / "runs.db")
    run_id = add(store)
    assert driver.drive(store, run_id) == "done"
    store.ablations.add_runs(store.ablations.create("a", {"dataset": "digits"}, {"seed": [0, 1]}), [run_id])
    old_rows.unpack(store, "prune")
    backup(store, folder / "backup.zip")
    return folder / "backup.zip", Path(export(store, run_id, folder / "exported")[-1])


def with_value(source: Path, to: Path, table: str, column: str, value: Any) -> Path:
    """The backup with a value in the last row of a table, and a manifest that fits."""
    content, name = members(source), f"tables/{table}.jsonl"
    lines = content[name].splitlines()
    row = json.loads(lines[-1])
    row[column] = value
    if value == "-":
        del row[column]
    lines[-1] = json.dumps(row).encode()
    return packed(to, content | {name: b"\n".join(lines) + b"\n"})


@pytest.mark.thorough
@pytest.mark.parametrize(("table", "column", "value"), CASES, ids=[f"{t}-{c}-{str(v)[:15]}" for t, c, v in CASES])
def test_a_backup_with_a_wrong_value_is_refused_whole(
    source: tuple[Path, Path], tmp_path: Path, table: str, column: str, value: Any
) -> None:
    path, store = with_value(source[0], tmp_path / "wrong.zip", table, column, value), Store(tmp_path / "target" / "runs.db")
    with pytest.raises(InputError) as caught:
        restore(store, path)
    said = caught.value.message
    ways = {"sweep_id": ("ablation", "sweep_id"), "run_id": ("run", "run_id")}.get(column, (column,))
    assert any(way in said for way in ways) and table in said and "\n" not in said and "Error" not in said, said
    assert store.runs() == [] and [path.name for path in store.folder.iterdir()] == ["runs.db"]


@pytest.mark.slow
def test_every_column_is_judged(source: tuple[Path, Path], tmp_path: Path) -> None:
    """An object in a column is right nowhere but where JSON lies."""
    tickets = Store(tmp_path / "tickets" / "runs.db")  # their rounds have rows of their own
    assert driver.drive(tickets, add(tickets, method="imp")) == "done"
    backup(tickets, tmp_path / "tickets.zip")
    for name, table in schema.metadata.tables.items():
        whole = tmp_path / "tickets.zip" if name == "rounds" else source[0]
        for column in table.columns if table not in (schema.meta, schema.run_readers, *schema.PASSING) else ():
            path, store = with_value(whole, tmp_path / "wrong.zip", name, column.name, [[{}]]), Store(tmp_path / "target" / "runs.db")
            with pytest.raises(InputError):
                restore(store, path)
            store.close()


def test_rows_that_are_older_than_a_column_come_in(source: tuple[Path, Path], tmp_path: Path) -> None:
    content = members(source[0])
    for name, gone in (
        ("runs", ("tags", "note", "archived", "owner", "saved", "traceback")),
        ("epochs", ("grown", "round")),
        ("prunes", ("facts",)),
    ):
        place = f"tables/{name}.jsonl"
        rows = [json.loads(line) for line in content[place].splitlines()]
        content[place] = b"".join(json.dumps({k: v for k, v in row.items() if k not in gone}).encode() + b"\n" for row in rows)
    store = Store(tmp_path / "target" / "runs.db")
    assert restore(store, packed(tmp_path / "old.zip", content)) == {"runs": 1}
    (run,) = store.runs()
    assert (run["tags"], run["note"], run["owner"]) == ([], "", "") and len(store.epochs(run["run_id"])) == 4


@pytest.mark.parametrize(
    "name", ["notes.txt", "x.py", "masks/x.safetensors", "exports/dense-1.safetensors", "checkpoint-1.json", ".hidden", "exports/a.html"]
)
def test_files_that_no_run_has_do_not_come_in(source: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    content = members(source[0])
    run_id = next(member.split("/")[1] for member in content if member.startswith("files/"))
    path = packed(tmp_path / "wrong.zip", content | {f"files/{run_id}/{name}": b"x"})
    with pytest.raises(InputError, match="does not belong in a backup"):
        restore(Store(tmp_path / "target" / "runs.db"), path)


def test_a_row_that_is_there_twice_is_refused_in_plain_words(source: tuple[Path, Path], tmp_path: Path) -> None:
    content = members(source[0])
    content["tables/epochs.jsonl"] += content["tables/epochs.jsonl"]
    with pytest.raises(InputError, match="table epochs has a row twice"):
        restore(Store(tmp_path / "target" / "runs.db"), packed(tmp_path / "wrong.zip", content))


@pytest.mark.parametrize("created", [value for value in WRONG["created"] if value != "-"])
def test_a_bundle_is_judged_alike(source: tuple[Path, Path], tmp_path: Path, created: Any) -> None:
    content = members(source[1])
    in_record(created=created)(content)
    with pytest.raises(InputError, match="created"):
        import_bundle(Store(tmp_path / "target" / "runs.db"), packed(tmp_path / "wrong.zip", content))


@pytest.mark.parametrize("progress", WRONG["progress"])
def test_also_its_progress(source: tuple[Path, Path], tmp_path: Path, progress: Any) -> None:
    content = members(source[1])
    in_record(progress=progress)(content)
    with pytest.raises(InputError, match="progress"):
        import_bundle(Store(tmp_path / "target" / "runs.db"), packed(tmp_path / "wrong.zip", content))


def test_what_is_right_comes_in(source: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = Store(tmp_path / "first" / "runs.db"), Store(tmp_path / "second" / "runs.db")
    restore(first, source[0])
    import_bundle(second, source[1])
    with zipfile.ZipFile(source[0]) as file:
        assert file.testzip() is None
    (one,), (other,) = first.runs(), second.runs()
    assert {name: one[name] for name in ("run_id", "created", "config", "totals")} == {
        name: other[name] for name in ("run_id", "created", "config", "totals")
    }
