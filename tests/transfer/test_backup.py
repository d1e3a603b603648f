"""Backup and restore: all rows and files, between kinds of stores, while runs go on; what is no whole backup changes nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stores
from standin import SETTINGS, StandIn

from appcore import paths
from appcore.cli import main
from appcore.config import build
from appcore.errors import InputError
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage import checkpoint
from appcore.storage.store import Store
from appcore.transfer.backup import backup, restore

CONFIG = build(SETTINGS)


@pytest.fixture
def source(tmp_path: Path) -> Store:
    """A store with a finished run of somebody, one that stopped in the middle, and an ablation."""
    store = Store(tmp_path / "source" / "appcore.db")
    mine = store.of("ada")
    done, half = (mine.create_run(CONFIG, plan_length=len(plan(CONFIG)), title="<b>a</b> 'title'") for _ in range(2))
    assert driver.drive(store, done, work=StandIn()) == "done"
    driven = driver.steps(store, half, work=StandIn())
    while store.get(half)["cursor"] < 5:
        next(driven)
    driven.close()
    store.update(done, tags=["keep", "ü"], note="a note")
    sweep = mine.ablations.create("both", dict(SETTINGS), {"seed": [0, 1]})
    mine.ablations.add_runs(sweep, [done, half])
    return store


def everything(store: Store) -> dict[str, Any]:
    """All that a store holds, as plain values."""
    run_ids = sorted(run["run_id"] for run in store.runs())
    frames = [read(run_ids).to_json() for read in (store.epochs, store.megabatches, store.prunes, store.layers)]
    folders = [paths.run_folder(store.folder, run_id) for run_id in run_ids]
    files = {
        path.relative_to(store.folder).as_posix(): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()
    }
    return {"runs": [store.get(run_id) for run_id in run_ids], "frames": frames, "files": files, "sweeps": store.ablations.all()}


@pytest.fixture
def target(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    yield store
    store.close()


def test_everything_comes_back_in_every_kind_of_store(source: Store, target: Store, tmp_path: Path) -> None:
    told = backup(source, tmp_path / "backup.zip")
    assert told["runs"] == 2 and told["files"] == len(everything(source)["files"])
    assert restore(target, tmp_path / "backup.zip") == {"runs": 2}
    assert everything(target) == everything(source)
    half = next(run["run_id"] for run in target.runs() if run["status"] == "stopped")
    done = next(run for run in target.runs() if run["status"] == "done")
    assert driver.drive(target, half, work=StandIn()) == "done"
    assert target.get(half)["totals"]["weights_hash"] == done["totals"]["weights_hash"]
    again = Store(tmp_path / "again" / "appcore.db")
    backup(target, tmp_path / "back.zip")
    restore(again, tmp_path / "back.zip")
    assert everything(again) == everything(target)


@pytest.mark.parametrize("kind", stores.KINDS)
def test_a_run_that_goes_on_is_a_lost_one_that_resumes_exactly(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in stores.address(kind, tmp_path / "live", monkeypatch):
        store, target = Store(address), Store(tmp_path / "target" / "appcore.db")
        whole, run_id = (store.create_run(CONFIG, plan_length=len(plan(CONFIG))) for _ in range(2))
        assert driver.drive(store, whole, work=StandIn()) == "done"
        driven = driver.steps(store, run_id, work=StandIn())
        while store.get(run_id)["cursor"] < 5:
            next(driven)
        backup(store, tmp_path / "backup.zip")
        restore(target, tmp_path / "backup.zip")
        driven.close()
        assert target.get(run_id)["status"] == "lost"
        assert driver.drive(target, run_id, work=StandIn()) == "done"
        assert target.get(run_id)["totals"]["weights_hash"] == store.get(whole)["totals"]["weights_hash"]
        assert target.epochs(run_id)["train_loss"].tolist() == store.epochs(whole)["train_loss"].tolist()
        store.close()


def test_a_file_that_vanishes_meanwhile_is_made_up_for(source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a run that goes on writes a checkpoint and drops the oldest between listing and reading."""
    run_id = next(run["run_id"] for run in source.runs() if run["status"] == "stopped")
    folder, real, done = paths.run_folder(source.folder, run_id), Path.open, []
    oldest, newest = sorted(folder.glob("checkpoint-*.safetensors"))[0], paths.checkpoint(folder, 999)

    def moved(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == oldest and not done:
            done.append(path)
            newest.write_bytes(b"new")
            oldest.unlink()
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", moved)
    backup(source, tmp_path / "backup.zip")
    with zipfile.ZipFile(tmp_path / "backup.zip") as file:
        assert f"files/{run_id}/{newest.name}" in file.namelist()
        assert f"files/{run_id}/{oldest.name}" not in file.namelist()


def test_a_store_that_is_not_empty_is_left_alone(source: Store, tmp_path: Path) -> None:
    backup(source, tmp_path / "backup.zip")
    before = everything(source)
    with pytest.raises(InputError, match="is not empty; name another with APPCORE_STORE"):
        restore(source, tmp_path / "backup.zip")
    assert everything(source) == before
    assert not list(source.folder.glob(".import-*"))


def changed(path: Path, to: Path, **members: bytes | None) -> Path:
    """A copy of a backup with members replaced, added or (None) left out."""
    with zipfile.ZipFile(path) as file, zipfile.ZipFile(to, "w") as copy:
        content = {name: file.read(name) for name in file.namelist()} | members
        for name, data in content.items():
            if data is not None:
                copy.writestr(zipfile.ZipInfo(name), data)
    return to


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"manifest.json": None}, "was never finished"),
        ({"manifest.json": b"{}"}, "cannot be read"),
        ({"manifest.json": b'{"format": 9}'}, "format 9 is not known"),
        ({"manifest.json": b'{"format": 1, "schema": 99}'}, "newer version"),
        ({"tables/runs.jsonl": b"{}\n"}, "not those of its manifest"),
        ({"tables/runs.jsonl": None}, "not those of its manifest"),
        ({"../evil": b"x"}, "outside the archive"),
        ({"files/20260101-000000-abcd/../../evil": b"x"}, "outside the archive"),
        ({"files/20260101-000000-abcd/.bashrc": b"x"}, "does not belong"),
        ({"files/appcore.db/x": b"x"}, "does not belong"),
        ({"files/20260101-000000-abcd/a/b/c": b"x"}, "does not belong"),
        ({"x.zip": b"x"}, "archive in the archive"),
    ],
)
def test_what_is_no_whole_backup_is_one_line_and_changes_nothing(source: Store, tmp_path: Path, members: dict, says: str) -> None:
    backup(source, tmp_path / "backup.zip")
    target = Store(tmp_path / "target" / "appcore.db")
    with pytest.raises(InputError, match=says) as caught:
        restore(target, changed(tmp_path / "backup.zip", tmp_path / "changed.zip", **members))
    assert "\n" not in caught.value.message
    assert target.runs() == []
    assert [path.name for path in target.folder.iterdir()] == ["appcore.db"]


def test_damage_anywhere_is_found(source: Store, tmp_path: Path) -> None:
    backup(source, tmp_path / "backup.zip")
    whole = (tmp_path / "backup.zip").read_bytes()
    target = Store(tmp_path / "target" / "appcore.db")
    for place in range(5, len(whole), max(1, len(whole) // 40)):
        data = bytearray(whole)
        data[place] ^= 1
        (tmp_path / "damaged.zip").write_bytes(data)
        try:
            restore(target, tmp_path / "damaged.zip")
        except InputError:
            assert target.runs() == []
            continue
        assert everything(target) == everything(source)  # a time stamp or the like of the zip itself
        for run in target.runs():
            target.delete(run["run_id"])
        for sweep in target.ablations.all():
            target.ablations.delete(sweep["sweep_id"])


def test_a_backup_that_cannot_be_written_leaves_no_half(source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="is a folder"):
        backup(source, tmp_path)

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("appcore.transfer.backup._put", full)
    with pytest.raises(InputError, match="No space left on device; free disk space"):
        backup(source, tmp_path / "backup.zip")
    assert not list(tmp_path.glob("backup*"))


def test_the_commands(source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("APPCORE_STORE", source.url)
    assert main.main(["backup", "--to", str(tmp_path / "b.zip"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 2
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "new" / "appcore.db"))
    assert main.main(["backup", "--to", str(tmp_path / "c.zip")]) == 2
    assert not (tmp_path / "new").exists()
    assert main.main(["restore", str(tmp_path / "b.zip")]) == 0
    assert "2 runs are back" in capsys.readouterr().out
    run_id = Store().runs()[0]["run_id"]
    assert checkpoint.newest(paths.run_folder(Store().folder, run_id))
    assert main.main(["restore", str(tmp_path / "nothing.zip")]) == 2
