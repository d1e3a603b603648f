"""A store of a group (folder 2775, umask 002), used by two real users: they go on with each other's runs, and what one may not read is
neither damaged nor absent to the other."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import users
from standin import SETTINGS, StandIn
from users import ADA, BEN, as_user

from appcore import paths
from appcore.cli import doctor, main, repairs  # noqa: F401, before another user is not allowed to read them
from appcore.config import build
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.service import manager as service
from appcore.storage.store import Store
from appcore.transfer import backup, bundle_export, bundle_import, html_report, model_formats  # noqa: F401

pytestmark = [users.NEEDS_ROOT, pytest.mark.skipif(sys.platform != "linux", reason="needs fork")]
CONFIG = build(SETTINGS)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with users.group_folder() as shared:
        monkeypatch.setenv("APPCORE_STORE", str(shared / "runs.db"))
        monkeypatch.setenv("APPCORE_SLOTS", str(shared.parent / "slots"))
        monkeypatch.setenv("HOME", str(shared.parent))
        (shared.parent / "to").mkdir()
        (shared.parent / "to").chmod(0o777)
        yield shared


def half() -> None:
    """A run that stopped in the middle, with two checkpoints."""
    store = Store()
    run_id = store.create_run(CONFIG, plan_length=len(plan(CONFIG)))
    with closing(driver.steps(store, run_id, work=StandIn())) as driven:
        while store.get(run_id)["cursor"] < 9:
            next(driven)


def only(folder: Path) -> tuple[Store, str, Path]:
    """The run, as root sees it."""
    store = Store(folder / "runs.db")
    run_id = store.runs()[0]["run_id"]
    return store, run_id, paths.run_folder(folder, run_id)


def everything(folder: Path) -> tuple[Any, ...]:
    """All that could be lost: rows, and names, content and owners of files."""
    store, run_id, own = only(folder)
    tables = [getattr(store, name)(run_id).to_json() for name in ("epochs", "megabatches", "prunes", "layers")]
    kept = {name: store.get(run_id)[name] for name in ("status", "cursor", "saved", "notes", "error")}
    store.close()
    files = {path.relative_to(own).as_posix(): (path.read_bytes(), path.stat().st_uid) for path in sorted(own.rglob("*")) if path.is_file()}
    return tables, kept, files


def resume() -> str:
    """As the command does, with a stand-in for the engine."""
    manager = service.Manager(Store(), work=StandIn())
    run_id = manager.runs()[0]["run_id"]
    try:
        manager.resume(run_id)
        return manager.wait(run_id, 60.0) or "never ended"
    finally:
        manager.close()


def test_every_file_has_the_mode_that_the_umask_says(folder: Path) -> None:
    assert as_user(ADA, half) == (0, "")
    found = {path: path.stat() for path in folder.rglob("*")}
    assert {path.name.partition(".")[2] for path in found if path.is_file()} >= {"db", "safetensors", "json"}
    for path, facts in found.items():
        assert stat.S_IMODE(facts.st_mode) == (0o2775 if path.is_dir() else 0o664), path
        assert (facts.st_uid, facts.st_gid) == (ADA, users.GROUP), path


def test_journals_of_the_store_are_the_groups_too(folder: Path) -> None:
    modes: list[int] = []

    def write() -> int:
        store = Store()
        with store._database.write() as connection:
            connection.exec_driver_sql("CREATE TABLE x (y)")
            connection.exec_driver_sql("INSERT INTO x VALUES (zeroblob(100000))")
            modes.extend(stat.S_IMODE(path.stat().st_mode) for path in folder.glob("runs.db-*"))
        return 0 if modes and set(modes) == {0o664} else 1

    assert as_user(ADA, write) == (0, "")


@pytest.mark.thorough
def test_one_goes_on_with_the_others_run(folder: Path) -> None:
    as_user(ADA, half)
    assert as_user(BEN, lambda: print(resume())) == (0, "done\n")
    store, run_id, own = only(folder)
    whole = store.create_run(CONFIG, plan_length=len(plan(CONFIG)))
    assert driver.drive(store, whole, work=StandIn()) == "done"
    assert store.get(run_id)["totals"]["weights_hash"] == store.get(whole)["totals"]["weights_hash"]
    assert len(paths.manifests(own)) == 1  # Ada's are gone too
    store.close()
    assert as_user(ADA, lambda: Store().delete(run_id)) == (1, "")  # True
    assert not own.exists()


def newest_tensors(own: Path) -> list[Path]:
    return [paths.manifests(own)[0].with_suffix(".safetensors")]


CLOSED: dict[str, tuple[Callable[[Path], list[Path]], int]] = {
    "the newest tensors": (newest_tensors, 0o600),
    "the newest manifest": (lambda own: paths.manifests(own)[:1], 0o600),
    "every checkpoint": (lambda own: list(own.glob("checkpoint-*")), 0o600),
    "the run's folder": (lambda own: [own], 0o700),
    "the folder, but for its list": (lambda own: [own], 0o2774),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", CLOSED)
def test_what_one_may_not_read_is_lost_by_nothing_that_the_other_does(what: str, folder: Path) -> None:
    as_user(ADA, half)
    _, run_id, own = only(folder)
    to = folder.parent / "to"
    chosen, mode = CLOSED[what]
    before, closed = everything(folder), {path: path.stat().st_mode for path in chosen(own)}
    if what == "the folder, but for its list":
        os.chown(own, ADA, 0)  # so that others have r--, which lists names and opens nothing
    for path in closed:
        path.chmod(mode)
    for verb in (
        ["resume", run_id],
        ["export", run_id, "--to", str(to / "export")],
        ["backup", "--to", str(to / "b.zip")],
    ):
        code, said = as_user(BEN, lambda verb=verb: main.main(verb))
        assert code == 2, (verb, said)
        assert "cannot be read now: Permission denied" in said and f"user {ADA} must let user {BEN} read it" in said, (verb, said)
        assert str(own) in said and len(said.splitlines()) == 1, (verb, said)
        assert everything(folder) == before, verb
    assert not list(to.iterdir())
    code, said = as_user(BEN, lambda: main.main(["doctor", "--repair"]))
    (line,) = [line for line in said.splitlines() if "checkpoints:" in line]
    assert line.startswith("FAIL") and "cannot be read now: Permission denied" in line and "quarantined" not in line, said
    assert everything(folder) == before
    for path, was in closed.items():
        os.chown(path, ADA, users.GROUP)
        path.chmod(stat.S_IMODE(was))
    assert as_user(BEN, lambda: print(resume())) == (0, "done\n")


@pytest.mark.thorough
def test_one_who_may_not_delete_the_files_deletes_no_rows(folder: Path) -> None:
    as_user(ADA, half)
    _, run_id, own = only(folder)
    own.chmod(0o755)
    (own / ".store").chmod(0o755)
    before = everything(folder)
    code, said = as_user(BEN, lambda: Store().delete(run_id))
    assert code == 99 and "could not be written: Permission denied; mend its permissions" in said
    assert everything(folder) == before
    assert as_user(ADA, lambda: Store().delete(run_id))[0] == 1


@pytest.mark.thorough
def test_a_private_file_in_the_folder_is_in_nobodys_way(folder: Path) -> None:
    as_user(ADA, lambda: (folder / "notes.txt").write_text("mine") and (folder / "notes.txt").chmod(0o600))
    assert as_user(BEN, half) == (0, "")
    assert as_user(ADA, lambda: print(resume())) == (0, "done\n")


@pytest.mark.thorough
def test_an_imported_and_a_restored_run_are_the_groups_too(folder: Path) -> None:
    """Their folders were made in places that only the one who made them saw."""
    small = {"arch": "mlp", "dataset": "digits", "megabatches": 2, "epochs": 1, "limit_train": 40, "limit_test": 20, "device": "cpu"}
    source = Store(folder.parent / "source" / "a.db")
    config = build(small)
    run_id = source.create_run(config, plan_length=len(plan(config)))
    assert driver.drive(source, run_id) == "done"
    to = folder.parent / "to"
    bundle_export.export(source, run_id, to)
    backup.backup(source, to / "b.zip")
    for path in to.iterdir():
        path.chmod(0o644)
    source.close()
    for verb in (["import", str(to / f"{run_id}.zip")], ["restore", str(to / "b.zip")]):
        code, said = as_user(ADA, lambda verb=verb: main.main(verb))
        assert code == 0, said
        for path in paths.run_folder(folder, run_id).rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) == (0o2775 if path.is_dir() else 0o664), (verb, path)
        assert as_user(BEN, lambda: Store().delete(run_id)) == (1, "")
