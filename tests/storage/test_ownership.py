"""Two stores never share the files of a run: not by import, delete, resume, restore or cleaning, whichever store was first."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import faults
import pytest
import stores
from sqlalchemy.engine.default import DefaultDialect
from standin import SETTINGS, StandIn

from appcore import paths
from appcore.cli import repairs
from appcore.config import build
from appcore.errors import InputError
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage import run_folder
from appcore.storage.store import Store
from appcore.transfer.backup import backup, restore
from appcore.transfer.bundle_export import export
from appcore.transfer.bundle_import import import_bundle

SMALL = {"arch": "mlp", "dataset": "digits", "megabatches": 2, "epochs": 1, "limit_train": 40, "limit_test": 20, "device": "cpu"}


@pytest.fixture(params=stores.KINDS)
def two(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Store, Store]]:
    """Two stores whose runs have one folder."""
    for first in stores.address(request.param, tmp_path, monkeypatch):
        for second in stores.address(request.param, tmp_path, monkeypatch):
            second = second.replace("appcore.db", "other.db")
            found = Store(first), Store(second)
            assert found[0].folder == found[1].folder and found[0].url != found[1].url
            yield found
            for store in found:
                store.close()


def finished(store: Store, real: bool = False) -> str:
    config = build(SMALL if real else SETTINGS)
    run_id = store.create_run(config, plan_length=len(plan(config)))
    assert driver.drive(store, run_id, work=None if real else StandIn()) == "done"
    return run_id


def content(store: Store, run_id: str) -> dict[str, bytes]:
    folder = paths.run_folder(store.folder, run_id)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def forget_mark(store: Store, run_id: str) -> None:
    """As a folder that an earlier version wrote."""
    run_folder.unmark(paths.run_folder(store.folder, run_id))


def copy_row(source: Store, target: Store, run_id: str) -> None:
    """Give a second store the same run, as imports of earlier versions did."""
    row = source.get(run_id)
    new = target.create_run(build(row["config"]), plan_length=row["segments"])
    with target._database.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE runs SET run_id = '{run_id}', status = 'stopped', saved = {row['saved']} WHERE run_id = '{new}'"
        )


@pytest.mark.thorough
def test_an_import_into_a_store_beside_touches_no_file_of_the_first(two: tuple[Store, Store], tmp_path: Path) -> None:
    first, second = two
    run_id = finished(first, real=True)
    bundle = export(first, run_id, tmp_path / "to")[-1]
    (paths.run_folder(first.folder, run_id) / "exports").mkdir()
    (paths.run_folder(first.folder, run_id) / "exports" / "dense-000000006.safetensors").write_bytes(b"made here")
    before = content(first, run_id)
    with pytest.raises(InputError, match=r"are there already .*, of another store; name a store in another folder"):
        import_bundle(second, bundle)
    assert content(first, run_id) == before
    assert second.runs() == [] and first.get(run_id)["status"] == "done"
    assert not list(first.folder.glob(".import-*"))
    assert export(first, run_id, tmp_path / "again")


def test_files_without_a_mark_or_a_row_are_left_alone_by_an_import(tmp_path: Path) -> None:
    """Whose they are nobody can know: an earlier version's, or of a database that shares the folder."""
    first, second = Store(tmp_path / "a" / "a.db"), Store(tmp_path / "b" / "b.db")
    run_id = finished(first, real=True)
    bundle = export(first, run_id, tmp_path / "to")[-1]
    second.runs()
    shutil.copytree(paths.run_folder(first.folder, run_id), paths.run_folder(second.folder, run_id))
    forget_mark(second, run_id)
    before = content(second, run_id)
    with pytest.raises(InputError, match="of no run of this store; move them away unless another store has them"):
        import_bundle(second, bundle)
    assert content(second, run_id) == before and second.runs() == []
    assert repairs.leftovers(second) == []


def test_a_run_that_both_have_is_deleted_from_one_with_the_files_of_the_other_untouched(two: tuple[Store, Store]) -> None:
    first, second = two
    run_id = finished(first)
    copy_row(first, second, run_id)
    before = content(first, run_id)
    second.delete(run_id)
    assert second.runs() == []
    assert content(first, run_id) == before
    first.delete(run_id)
    assert not paths.run_folder(first.folder, run_id).exists()


def test_a_run_that_both_have_is_driven_by_the_first_only(two: tuple[Store, Store]) -> None:
    first, second = two
    run_id = finished(first)
    copy_row(first, second, run_id)
    before = content(first, run_id)
    with pytest.raises(InputError, match="belong to another store"):
        second.files.check(run_id)
    assert driver.drive(second, run_id, work=StandIn()) in ("failed", "stopped")
    assert "belong to another store" in second.get(run_id)["error"]
    assert content(first, run_id) == before


def test_cleaning_up_in_one_leaves_the_other_alone(two: tuple[Store, Store]) -> None:
    first, second = two
    run_id = finished(first)
    folder = paths.run_folder(first.folder, run_id)
    run_folder.unsettle(folder)  # as in the middle of an import
    assert repairs.leftovers(second) == repairs.orphans(second) == []
    assert repairs.leftovers(first) == [], "it has a row"
    assert content(first, run_id)


@pytest.mark.thorough
def test_folders_of_an_earlier_version_are_marked_by_the_store_that_has_the_run(two: tuple[Store, Store]) -> None:
    first, second = two
    run_id = finished(first)
    forget_mark(first, run_id)
    first.update(run_id, status="stopped")
    assert driver.drive(first, run_id, work=StandIn()) == "done"
    assert run_folder.owner(paths.run_folder(first.folder, run_id))
    assert second.files.is_of_another(paths.run_folder(first.folder, run_id))
    forget_mark(first, run_id)
    first.delete(run_id)
    assert not paths.run_folder(first.folder, run_id).exists()


def test_of_two_old_stores_with_one_run_neither_removes_the_files(tmp_path: Path) -> None:
    """Folders without a mark, and both SQLite stores have the run: whose it is nobody can know."""
    first, second = Store(tmp_path / "a.db"), Store(tmp_path / "b.db")
    run_id = finished(first)
    copy_row(first, second, run_id)
    forget_mark(first, run_id)
    before = content(first, run_id)
    second.delete(run_id)
    assert content(first, run_id) == before
    first.delete(run_id)  # the only one that has it now
    assert not paths.run_folder(first.folder, run_id).exists()


def test_a_copy_of_a_store_beside_it_is_another_store(tmp_path: Path) -> None:
    first = Store(tmp_path / "a.db")
    run_id = finished(first)
    first.close()
    shutil.copy(tmp_path / "a.db", tmp_path / "copy.db")
    copy = Store(tmp_path / "copy.db")
    before = content(first, run_id)
    copy.delete(run_id)
    assert content(first, run_id) == before
    mine = finished(copy)
    with pytest.raises(InputError, match="no run"):
        first.delete(mine)
    assert first.files.is_of_another(paths.run_folder(copy.folder, mine))


def test_a_store_that_was_renamed_moved_or_put_back_has_its_files(tmp_path: Path) -> None:
    first = Store(tmp_path / "here" / "a.db")
    run_id = finished(first)
    first.close()
    shutil.copy(tmp_path / "here" / "a.db", tmp_path / "copy")
    (tmp_path / "here" / "a.db").rename(tmp_path / "here" / "b.db")
    renamed = Store(tmp_path / "here" / "b.db")
    renamed.files.check(run_id)
    renamed.close()
    (tmp_path / "here").rename(tmp_path / "there")
    moved = Store(tmp_path / "there" / "b.db")
    moved.files.check(run_id)
    moved.close()
    shutil.copy(tmp_path / "copy", tmp_path / "there" / "b.db")
    put_back = Store(tmp_path / "there" / "b.db")
    put_back.files.check(run_id)
    put_back.delete(run_id)
    assert not paths.run_folder(put_back.folder, run_id).exists()


def test_a_store_of_before_put_back_after_an_upgrade_has_its_files(tmp_path: Path) -> None:
    """It knows no name; the mark is of the file that it replaces."""
    first = Store(tmp_path / "a.db")
    run_id = finished(first)
    first.close()
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("DELETE FROM meta WHERE key IN ('store', 'home')")
    again = Store(tmp_path / "a.db")
    again.files.check(run_id)
    again.update(run_id, status="stopped")
    assert driver.drive(again, run_id, work=StandIn()) == "done"
    again.delete(run_id)
    assert not paths.run_folder(again.folder, run_id).exists()


def test_a_new_run_never_takes_a_folder_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, tokens = Store(tmp_path / "a.db"), iter(["0000", "0001"])
    store.runs()
    for seconds in range(60):
        paths.run_folder(store.folder, f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y%m%d-%H%M%S}-0000").mkdir()
    monkeypatch.setattr("appcore.storage.new_runs.secrets", SimpleNamespace(token_hex=lambda count: next(tokens)))
    assert store.create_run(build(SETTINGS), plan_length=1).endswith("-0001")


# ---- a kill between files and rows


def killed_in_commit(folder: Path, work: Callable[[], object]) -> None:
    """Do something in a child that is killed right before its transaction is committed."""

    def child() -> int:
        commit = DefaultDialect.do_commit

        def die(dialect: object, connection: object) -> None:
            if any(folder.rglob("unsettled")):
                faults.kill("COMMIT")
            commit(dialect, connection)

        DefaultDialect.do_commit = die
        work()
        return 0

    assert faults.in_child(child) == faults.STRUCK


@pytest.fixture
def source(tmp_path: Path) -> tuple[Store, str, Path]:
    """A store with one run, and its backup."""
    store = Store(tmp_path / "source" / "a.db")
    run_id = finished(store, real=True)
    backup(store, tmp_path / "b.zip")
    store.close()
    return store, run_id, tmp_path / "b.zip"


def test_a_restore_killed_between_files_and_commit_is_completed_by_the_next(source: tuple[Store, str, Path], tmp_path: Path) -> None:
    store, run_id, file = source
    target = Store(tmp_path / "target" / "a.db")
    assert target.runs() == []
    target.close()
    killed_in_commit(target.folder, lambda: restore(Store(target.url), file))
    assert paths.run_folder(target.folder, run_id).exists() and list(target.folder.glob(".import-*")), "as it was found"
    assert target.runs() == []
    assert restore(target, file) == {"runs": 1}
    assert content(target, run_id) == content(store, run_id)
    assert sorted(path.name for path in target.folder.iterdir()) == sorted(["a.db", run_id])
    assert repairs.leftovers(target) == []


def test_what_a_killed_restore_left_is_named_and_removed_by_the_doctor(
    source: tuple[Store, str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appcore.cli import doctor

    _, run_id, file = source
    target = Store(tmp_path / "target" / "a.db")
    target.runs()
    target.close()
    killed_in_commit(target.folder, lambda: restore(Store(target.url), file))
    monkeypatch.setenv("APPCORE_STORE", target.url)
    found = doctor._finding("leftovers", doctor._leftovers)
    assert not found["ok"] and run_id in found["text"] and ".import-" in found["text"] and "doctor --repair" in found["text"]
    assert doctor._finding("leftovers", doctor._leftovers, repair=True) == {"name": "leftovers", "ok": True, "text": "2 removed; none"}
    assert [path.name for path in target.folder.iterdir() if path.name != "a.db-journal"] == ["a.db"]
    assert restore(target, file) == {"runs": 1}


@pytest.mark.thorough
def test_an_import_killed_between_files_and_commit_is_completed_by_the_next(source: tuple[Store, str, Path], tmp_path: Path) -> None:
    store, run_id, _ = source
    bundle = export(store, run_id, tmp_path / "to")[-1]
    store.close()
    target = Store(tmp_path / "target" / "a.db")
    target.runs()
    target.close()
    killed_in_commit(target.folder, lambda: import_bundle(Store(target.url), bundle))
    assert paths.run_folder(target.folder, run_id).exists() and target.runs() == []
    assert import_bundle(target, bundle) == run_id
    assert sorted(path.name for path in target.folder.iterdir()) == sorted(["a.db", run_id])


def test_a_deletion_killed_before_its_commit_deletes_nothing(source: tuple[Store, str, Path]) -> None:
    store, run_id, _ = source
    before = content(store, run_id)
    killed_in_commit(store.folder, lambda: Store(store.url).delete(run_id))
    assert store.get(run_id)["status"] == "done" and content(store, run_id) == before
    assert repairs.leftovers(store) == []
    store.delete(run_id)
    assert [path.name for path in store.folder.iterdir()] == ["a.db"]


def test_a_deletion_killed_after_its_commit_leaves_what_the_doctor_removes(source: tuple[Store, str, Path]) -> None:
    store, run_id, _ = source

    def child() -> int:
        from appcore.storage import ownership

        ownership.RunFiles._follow = lambda *arguments: faults.kill("")  # type: ignore[method-assign]
        Store(store.url).delete(run_id)
        return 0

    assert faults.in_child(child) == faults.STRUCK
    assert store.runs() == []
    folder = paths.run_folder(store.folder, run_id)
    assert repairs.leftovers(store) == [folder]
    repairs.remove(repairs.leftovers(store))
    assert not folder.exists()


def test_files_that_lost_their_row_are_set_aside_by_an_import_and_never_deleted(source: tuple[Store, str, Path], tmp_path: Path) -> None:
    """As when an older copy of the store's file is put back: the folder may hold a newer checkpoint than the bundle."""
    store, run_id, _ = source
    bundle = export(store, run_id, tmp_path / "to")[-1]
    before = content(store, run_id)
    with store._database.write() as connection:
        for table in ("epochs", "megabatches", "prunes", "layers", "runs"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    assert repairs.leftovers(store) == []
    assert import_bundle(store, bundle) == run_id
    (aside,) = store.folder.glob(f"{run_id}.without-row-*")
    assert {path.relative_to(aside).as_posix(): path.read_bytes() for path in aside.rglob("*") if path.is_file()} == before
    assert repairs.orphans(store) == [aside] and repairs.leftovers(store) == []
