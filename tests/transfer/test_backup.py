"""Backup and restore: all rows and files, between kinds of stores, while runs go on; what is no whole backup changes nothing."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
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
    runs = [{name: value for name, value in store.get(run_id).items() if name != "revision"} for run_id in run_ids]
    return {"runs": runs, "frames": frames, "files": files, "sweeps": store.ablations.all()}


@pytest.fixture
def target(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    yield store
    store.close()


@pytest.mark.thorough
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


def test_saved_views_and_presets_come_back_to_whom_they_belong(source: Store, target: Store, tmp_path: Path) -> None:
    source.saved_presets.keep("late", {"seed": ["3"], "tau": ["7.0"]})
    source.of("ada").saved_presets.keep("<b>hers</b>", {"epochs": ["1"]})
    source.of("ada").saved_views.keep("some", {"q": ["seed>0"], "columns": ["Tau", "Epochs"]})
    assert backup(source, tmp_path / "backup.zip")["files"] == len(everything(source)["files"])
    target.saved_presets.keep("late", {"seed": ["9"]})  # somebody has begun here
    assert restore(target, tmp_path / "backup.zip") == {"runs": 2, "saved": 2}
    assert target.saved_presets.all() == {"late": {"seed": ["9"]}}
    assert target.of("ada").saved_presets.all() == {"<b>hers</b>": {"epochs": ["1"]}}
    assert target.of("ada").saved_views.all() == source.of("ada").saved_views.all() and target.saved_views.all() == {}


@pytest.mark.parametrize("kept", ["[]", '{"workers x": {}}', '{"presets %s": {"a": {"seed": [1]}}}', '{"presets %s": {"%s": {}}}', "{"])
def test_what_is_no_saved_preset_is_refused(kept: str, source: Store, tmp_path: Path) -> None:
    source.saved_presets.keep("late", {"seed": ["3"]})
    backup(source, tmp_path / "backup.zip")
    content = kept.replace("presets %s", f"presets {'0' * 32}").replace("%s", "x" * 61).encode()
    bad = changed(tmp_path / "backup.zip", tmp_path / "bad.zip", **with_member(tmp_path / "backup.zip", "kept.json", content))
    target = Store(tmp_path / "target" / "appcore.db")
    with pytest.raises(InputError, match=r"no saved view or preset|cannot be read"):
        restore(target, bad)
    assert target.runs() == [] and target.saved_presets.all() == {}


def with_member(path: Path, name: str, content: bytes) -> dict[str, bytes]:
    """A member that is another, and a manifest that fits it."""
    with zipfile.ZipFile(path) as file:
        manifest = json.loads(file.read("manifest.json"))
    manifest["members"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return {name: content, "manifest.json": json.dumps(manifest).encode()}


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


@pytest.mark.thorough
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


@pytest.mark.thorough
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


# ---- a backup that succeeds restores


def add_file(store: Store, name: str, data: bytes) -> Path:
    """A file in the folder of the newest run."""
    path = paths.run_folder(store.folder, store.runs()[0]["run_id"]) / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def fill_up(store: Store, kind: str) -> None:
    if kind == "a model file that is mostly zeros":
        add_file(store, "exports/onnx-000000006.onnx", bytes(44_681_752))
    elif kind == "a log of equal lines":
        add_file(store, "worker.log", b"the same line again and again, as a warning in every step\n" * 40_000)
    elif kind == "what was quarantined":
        add_file(store, "checkpoint-000000001.json.damaged", b"PK\5\6" + bytes(18))
    elif kind == "notes of equal letters":
        for run in store.runs():
            store.update(run["run_id"], note="a" * 20_000, notes=["b" * 2000] * 1000)
    elif kind == "an empty log":
        add_file(store, "worker.log", b"")
    else:
        raise AssertionError(kind)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "kind", ["a model file that is mostly zeros", "a log of equal lines", "what was quarantined", "notes of equal letters", "an empty log"]
)
def test_whatever_shrinks_well_or_looks_odd_comes_back(kind: str, source: Store, tmp_path: Path) -> None:
    fill_up(source, kind)
    told = backup(source, tmp_path / "b.zip")
    assert told["left_out"] == 0
    target = Store(tmp_path / "target" / "appcore.db")
    assert restore(target, tmp_path / "b.zip") == {"runs": 2}
    assert everything(target) == everything(source)


@pytest.mark.thorough
def test_rows_that_shrink_like_a_bomb_are_stored_as_they_are(source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_up(source, "notes of equal letters")
    backup(source, tmp_path / "small.zip")
    monkeypatch.setattr("appcore.untrusted.zip_file.FREE_BYTES", 1000)
    monkeypatch.setattr("appcore.untrusted.zip_file.MAX_RATIO", 2)
    backup(source, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").stat().st_size > 5 * (tmp_path / "small.zip").stat().st_size
    target = Store(tmp_path / "target" / "appcore.db")
    with pytest.raises(InputError, match="as in a zip bomb"):
        restore(target, tmp_path / "small.zip")
    restore(target, tmp_path / "b.zip")
    assert everything(target) == everything(source)


@pytest.mark.slow
def test_more_files_than_a_strangers_zip_may_have_come_back(source: Store, tmp_path: Path) -> None:
    """200,010 masks of one run, as 200 runs of 1,000 megabatches have together."""
    folder = add_file(source, "masks/x", b"").parent
    (folder / "x").unlink()
    for number in range(200_010):
        (folder / f"{number + 1000:09d}.safetensors").touch()
    told = backup(source, tmp_path / "b.zip")
    assert told["files"] > 200_010
    target = Store(tmp_path / "target" / "appcore.db")
    restore(target, tmp_path / "b.zip")
    for run in source.runs():
        one, other = (paths.run_folder(store.folder, run["run_id"]) for store in (source, target))
        assert sorted(path.name for path in one.rglob("*") if path.is_file()) == sorted(
            path.name for path in other.rglob("*") if path.is_file()
        )


def test_as_many_entries_as_there_is_memory_for(source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("appcore.transfer.backup.MAX_MEMBERS", 5), ("appcore.untrusted.zip_file.MAX_MEMBERS", 1)):
        monkeypatch.setattr(name, value)
    backup(source, tmp_path / "b.zip")
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 4096 * 5})())
    target = Store(tmp_path / "target" / "appcore.db")
    with pytest.raises(InputError, match="it has more than 5 entries"):
        restore(target, tmp_path / "b.zip")
    with pytest.raises(InputError, match=r"nothing was written, for it could not be restored: .*more than 5 entries"):
        backup(source, tmp_path / "c.zip")
    assert not list(tmp_path.glob("c.zip*"))


@pytest.mark.thorough
def test_strangers_bombs_are_still_refused(source: Store, tmp_path: Path) -> None:
    run_id = source.runs()[0]["run_id"]
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(4):
            file.writestr(f"files/{run_id}/masks/{number:09d}.safetensors", bytes(100 * 2**20))
    target = Store(tmp_path / "target" / "appcore.db")
    with pytest.raises(InputError, match=r"unpacks to 419,430,400 bytes from .* as in a zip bomb"):
        restore(target, bomb)
    assert not target.folder.exists() or not list(target.folder.glob(".import-*"))


def test_a_store_whose_backup_would_not_restore_has_none(source: Store, tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"the last good one")
    run_id = source.create_run(CONFIG, plan_length=1)
    with source._database.write() as connection:
        connection.exec_driver_sql(f"UPDATE runs SET run_id = 'odd name' WHERE run_id = '{run_id}'")
    with pytest.raises(InputError, match=r"run odd name .*cannot be read; .*doctor --repair"):
        backup(source, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == b"the last good one"
    assert [path.name for path in tmp_path.glob("b.zip*")] == ["b.zip"]


@pytest.mark.parametrize("of", ["checkpoint", "masks", "folder"])
def test_a_file_that_cannot_be_read_now_is_named_and_nothing_is_written(
    of: str, source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = paths.run_folder(source.folder, source.runs()[0]["run_id"])
    path = {"checkpoint": paths.manifests(folder)[0], "masks": paths.stored_masks(folder)[0], "folder": folder}[of]
    real, name = (Path.iterdir, "iterdir") if of == "folder" else (Path.open, "open")

    def failing(each: Path, *arguments: Any, **options: Any) -> Any:
        if each == path:
            raise PermissionError(13, "Permission denied", str(each))
        return real(each, *arguments, **options)

    monkeypatch.setattr(Path, name, failing)
    with pytest.raises(InputError, match=f"{path} cannot be read now: Permission denied") as caught:
        backup(source, tmp_path / "b.zip")
    assert "b.zip" not in caught.value.message
    assert not list(tmp_path.glob("b.zip*"))


def test_files_that_are_not_the_programs_are_counted(source: Store, tmp_path: Path) -> None:
    add_file(source, "my notes.txt", b"x")
    add_file(source, "masks/.hidden", b"x")
    add_file(source, "checkpoint-000000009.json.0123456789abcdef.tmp", b"half")
    (paths.run_folder(source.folder, source.runs()[0]["run_id"]) / "checkpoint-000000001.json").symlink_to("/etc/passwd")
    assert backup(source, tmp_path / "b.zip")["left_out"] == 3
    with zipfile.ZipFile(tmp_path / "b.zip") as file:
        assert not [name for name in file.namelist() if "notes" in name or "hidden" in name or name.endswith(("tmp", "1.json"))]


def test_a_run_that_begins_while_a_backup_is_made_is_in_the_next(source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows would be there without its files."""
    real = Store.survey

    def late(store: Store, *rest: Any) -> Any:
        found = real(store, *rest)
        monkeypatch.setattr(Store, "survey", real)
        run_id = source.create_run(CONFIG, plan_length=len(plan(CONFIG)))
        assert driver.drive(source, run_id, work=StandIn()) == "done"
        return found

    monkeypatch.setattr(Store, "survey", late)
    assert backup(source, tmp_path / "b.zip")["runs"] == 2
    target = Store(tmp_path / "target" / "appcore.db")
    assert restore(target, tmp_path / "b.zip") == {"runs": 2}
    assert len(source.runs()) == 3 and len(target.runs()) == 2


def test_a_run_saved_for_the_first_time_after_its_files_were_copied_begins_again(source: Store, tmp_path: Path) -> None:
    run_id = source.create_run(CONFIG, plan_length=len(plan(CONFIG)))
    source.update(run_id, saved=4, status="running")
    backup(source, tmp_path / "b.zip")
    target = Store(tmp_path / "target" / "appcore.db")
    restore(target, tmp_path / "b.zip")
    assert target.get(run_id)["saved"] is None
    assert driver.drive(target, run_id, work=StandIn()) == "done"


@pytest.mark.thorough
def test_two_backups_to_one_file_at_once_are_both_whole(source: Store, tmp_path: Path) -> None:
    """The second is killed right after the first has said that it succeeded."""
    context, path = multiprocessing.get_context("fork"), tmp_path / "b.zip"
    backup(source, path)
    source.close()
    for delay in (0.0, 0.01, 0.03):
        first, second = (context.Process(target=backup, args=(Store(source.url), path)) for _ in range(2))
        first.start()
        time.sleep(delay)
        second.start()
        first.join()
        second.kill()
        second.join()
        assert first.exitcode == 0
        target = Store(tmp_path / f"target-{delay}" / "appcore.db")
        restore(target, path)
        assert everything(target) == everything(source)
    backup(source, path)
    assert [each.name for each in tmp_path.glob("b.zip*")] == ["b.zip"]
