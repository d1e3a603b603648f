"""The doctor: each finding in one line, a remedy where something is wrong, and never a traceback."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections import namedtuple
from contextlib import closing
from importlib import metadata
from pathlib import Path

import pytest
import torch
from standin import SETTINGS, StandIn

from appcore import installation, paths
from appcore.cli import doctor
from appcore.cli.main import main
from appcore.config import build
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage import checkpoint
from appcore.storage.store import Store

NAMES = ["python", "packages", "torch and torchvision", "devices", "sqlite", "store", "rows", "checkpoints"]
NAMES += ["leftovers", "limits", "disk", "data sets", "plug-ins", "streamlit"]


def finding(name: str) -> dict:
    return doctor._finding(name, doctor._CHECKS[name])


def test_a_good_installation_is_well_and_nothing_is_written(tmp_path: Path) -> None:
    findings = doctor.examine()
    assert [found["name"] for found in findings] == NAMES
    assert all(set(found) == {"name", "ok", "text"} and "\n" not in found["text"] for found in findings)
    assert [found["name"] for found in findings if not found["ok"]] == []
    assert not list(tmp_path.iterdir())


def test_the_command_prints_it_as_lines_or_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_CHECKS", {"python": doctor._python, "disk": doctor._disk})
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.startswith("ok    python: Python 3.")
    assert main(["doctor", "--json"]) == 0
    assert [found["name"] for found in json.loads(capsys.readouterr().out)] == ["python", "disk"]
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 2**80)
    assert main(["doctor"]) == 1
    assert "FAIL  disk:" in capsys.readouterr().out


def test_whatever_goes_wrong_inside_is_a_finding() -> None:
    def broken() -> str:
        raise RuntimeError("two\nlines")

    assert doctor._finding("x", broken) == {"name": "x", "ok": False, "text": "RuntimeError: two lines"}


def test_a_missing_or_old_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# comment\nnumpy>=99\nno-such-package-here\n")
    monkeypatch.setattr(doctor, "REQUIREMENTS", requirements)
    found = finding("packages")
    assert not found["ok"]
    assert "no-such-package-here is not installed" in found["text"] and ">=99" in found["text"] and installation.INSTALL in found["text"]


def test_a_pair_that_does_not_match_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "mismatch", lambda: "torch 1 and torchvision 2 do not match: install again.")
    assert finding("torch and torchvision") == {
        "name": "torch and torchvision",
        "ok": False,
        "text": "torch 1 and torchvision 2 do not match: install again.",
    }
    monkeypatch.setattr(installation, "mismatch", lambda: None)
    monkeypatch.setattr(doctor, "import_module", lambda name: exec("raise ImportError('no nms')"))
    assert "cannot be imported together (no nms)" in finding("torch and torchvision")["text"]


def test_old_sqlite_is_explained_and_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    assert finding("sqlite")["ok"] and "WAL" in finding("sqlite")["text"]
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert "WAL" not in finding("sqlite")["text"]


def test_a_store_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database" * 100)
    monkeypatch.setenv("APPCORE_STORE", str(broken))
    assert not finding("store")["ok"] and "is not a store" in finding("store")["text"]
    monkeypatch.setenv("APPCORE_STORE", "mysql://somewhere/x")
    assert not finding("store")["ok"] and "mysql" in finding("store")["text"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_store_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "locked" / "runs.db"))
    assert not finding("store")["ok"] and "cannot be written" in finding("store")["text"]


def test_a_damaged_checkpoint_of_a_new_run_is_found() -> None:
    store = Store()
    run_id = store.create_run(build({"arch": "mlp"}), plan_length=3)
    folder = paths.run_folder(store.folder, run_id)
    for cursor in (1, 2):
        checkpoint.save(folder, cursor, {"model/w": torch.ones(3)}, {}, fingerprint="f")
    assert finding("checkpoints")["text"] == "those of the newest 1 run are whole"
    path = paths.checkpoint(folder, 2)
    path.write_bytes(path.read_bytes()[:-1])
    found = finding("checkpoints")
    assert not found["ok"] and f"run {run_id}: checkpoint {path.stem}: its tensors are damaged" in found["text"]
    assert path.exists() and paths.manifest(folder, 2).exists()
    assert finding("store")["text"].endswith("1 run")


def test_a_damaged_checkpoint_is_put_aside_when_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    store = Store()
    run_id = store.create_run(build({"arch": "mlp"}), plan_length=3)
    folder = paths.run_folder(store.folder, run_id)
    for cursor in (1, 2):
        checkpoint.save(folder, cursor, {"model/w": torch.ones(3)}, {}, fingerprint="f")
    paths.checkpoint(folder, 2).write_bytes(b"x")
    assert "doctor --repair" in finding("checkpoints")["text"]
    main(["doctor", "--repair", "--json"])
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}["checkpoints"]
    assert found["ok"] and found["text"].startswith("1 quarantined as *.damaged"), found
    assert checkpoint.newest(folder)[0]["cursor"] == 1
    assert paths.manifest(folder, 2).with_suffix(".json.damaged").exists()


def test_leftovers_of_a_kill_are_removed_when_that_is_asked_for_and_nothing_else() -> None:
    store = Store()
    done, going = (store.create_run(build({"arch": "mlp"}), plan_length=3) for _ in range(2))
    store.update(done, status="done")
    gone, kept = [], []
    for run_id in (done, going):
        folder = paths.run_folder(store.folder, run_id)
        checkpoint.save(folder, 1, {"model/w": torch.ones(3)}, {}, fingerprint="f")
        (gone if run_id == done else kept).append(paths.temporary(paths.checkpoint(folder, 2)))
        kept += [paths.checkpoint(folder, 1), paths.manifest(folder, 1)]
    young = store.folder / f"{paths.IMPORT_PREFIX}young"
    gone.append(store.folder / f"{paths.IMPORT_PREFIX}old" / "x")
    kept.append(young / "x")
    for path in (*gone, *kept):
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text("x")
    for path in (*gone, gone[-1].parent, kept[0]):
        os.utime(path, (1, 1))
    assert "2 half-written paths" in finding("leftovers")["text"]
    assert all(path.exists() for path in gone)
    found = doctor._finding("leftovers", doctor._leftovers, repair=True)
    assert found["ok"] and found["text"] == "2 removed; none"
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    other = store.folder / "20200101-000000-abcd"
    other.mkdir()
    assert "1 folder in" in finding("leftovers")["text"] and finding("leftovers")["ok"]
    assert other.exists()


def test_a_store_whose_index_is_damaged_is_mended() -> None:
    store = Store()
    run_id = store.create_run(build({"arch": "mlp"}), plan_length=3)
    store.close()
    file = paths.store_file(store.url)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        # An index whose rows are those of a table without any.
        connection.execute("CREATE TABLE empty (a)")
        connection.execute("CREATE INDEX other ON empty (a)")
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'other'").fetchone()[0]
        connection.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'ix_runs_status'", (page,))
        connection.execute("DELETE FROM sqlite_master WHERE name = 'other'")
    connection.close()
    assert not finding("store")["ok"] and "is damaged" in finding("store")["text"]
    found = doctor._finding("store", doctor._store, repair=True)
    assert "indexes recreated" in found["text"], found
    (copy,) = file.parent.glob("appcore.db.before-repair-*")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT run_id FROM runs NOT INDEXED").fetchone() == (run_id,)
    assert Store().get(run_id)["run_id"] == run_id


def test_an_index_with_other_words_than_its_table_is_found() -> None:
    """As many entries as rows, so that only a comparison shows it; what is looked up by it seems not to be there."""
    store = Store()
    store.create_run(build({"arch": "mlp"}), plan_length=3)
    store.close()
    file = paths.store_file(store.url)
    this = "FROM sqlite_master WHERE name = 'ix_runs_status'"

    def changed(statement: str, values: tuple[object, ...] = ()) -> tuple[object, ...] | None:
        with closing(sqlite3.connect(file)) as connection, connection:  # each anew: the schema is read when a connection opens
            connection.execute("PRAGMA writable_schema=ON")
            return connection.execute(statement, values).fetchone()

    index = changed(f"SELECT * {this}")
    assert index
    changed(f"DELETE {this}")
    changed("UPDATE runs SET status = 'done'")  # the index does not hear of it
    changed("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)
    assert "row 1 missing from index ix_runs_status" in finding("store")["text"]


def test_limits_are_told_and_a_mistake_in_them_is_found() -> None:
    assert finding("limits")["text"] == "none are set"
    folder = Store().folder
    folder.mkdir(parents=True)
    paths.limits(folder).write_text("queue = 3\nepochs = 100\n")
    assert finding("limits")["text"] == "queue 3, epochs 100"
    paths.limits(folder).write_text("quota = 3\n")
    assert not finding("limits")["ok"] and "quota" in finding("limits")["text"]


def test_little_disk_space_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(1, 1, 5 * 2**20))
    assert not finding("disk")["ok"] and finding("disk")["text"].startswith("5 MiB free")


def test_data_sets_on_this_machine_are_told_from_those_to_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("APPCORE_DATA", str(tmp_path))
    here, _, later = finding("data sets")["text"].partition(";")
    assert "digits" in here and "cifar10" in later
    for file in ("train_32x32.mat", "test_32x32.mat"):
        (tmp_path / file).touch()
    here, _, later = finding("data sets")["text"].partition(";")
    assert "svhn" in here and "svhn" not in later


def test_an_unsafe_streamlit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "1.53.1")
    assert not finding("streamlit")["ok"] and "1.54" in finding("streamlit")["text"]


def test_what_cannot_be_read_now_is_said_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    run_id = store.create_run(build({"arch": "mlp"}), plan_length=3)
    store.update(run_id, status="stopped")
    folder = paths.run_folder(store.folder, run_id)
    for cursor in (1, 2):
        checkpoint.save(folder, cursor, {"model/w": torch.ones(3)}, {}, fingerprint="f")
    before = sorted(path.name for path in folder.iterdir())
    real = Path.open

    def failing(path: Path, *arguments: object, **options: object) -> object:
        if path.name.startswith("checkpoint-") and arguments == ("rb",):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", failing)
    found = doctor._finding("checkpoints", doctor._checkpoints, repair=True)
    assert not found["ok"] and f"run {run_id}: {paths.manifest(folder, 2)} cannot be read now: Permission denied" in found["text"]
    assert "doctor --repair" not in found["text"] and "quarantined" not in found["text"]
    monkeypatch.undo()
    assert sorted(path.name for path in folder.iterdir()) == before
    assert finding("checkpoints")["ok"]


@pytest.mark.slow
def test_beside_a_run_that_saves_all_the_time_nothing_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    store, calls = Store(), 0
    config = build({**SETTINGS, "epochs": 60})
    run_id = store.create_run(config, plan_length=len(plan(config)))
    monkeypatch.setattr(driver, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(driver, "_SAVE_SHARE", 0)
    trainer = threading.Thread(target=lambda: driver.drive(store, run_id, work=StandIn()))
    trainer.start()
    while trainer.is_alive():
        for name, check in (("checkpoints", doctor._checkpoints), ("leftovers", doctor._leftovers)):
            found = doctor._finding(name, check, repair=True)
            assert found["ok"], found
        calls += 1
    trainer.join()
    assert calls > 5
    assert store.get(run_id)["status"] == "done" and store.get(run_id)["notes"] == ["a note"]
    assert not list(paths.run_folder(store.folder, run_id).glob("*.damaged"))


def test_only_the_programs_own_half_written_files_go() -> None:
    store = Store()
    run_id = store.create_run(build({"arch": "mlp"}), plan_length=3)
    store.update(run_id, status="done")
    folder = paths.run_folder(store.folder, run_id)
    checkpoint.save(folder, 1, {"model/w": torch.ones(3)}, {}, fingerprint="f")
    gone = folder / "checkpoint-000000002.safetensors.0123456789abcdef.tmp"
    kept = [folder / "thesis.tmp", folder / "notes.txt.tmp", folder / "checkpoint-000000002.json.tmp"]
    for path in (gone, *kept):
        path.write_text("x")
    for path in kept[:2]:
        os.utime(path, (1, 1))
    with gone.with_name("checkpoint-000000003.json.0123456789abcdef.tmp").open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # somebody is at it
        found = doctor._finding("leftovers", doctor._leftovers, repair=True)
        assert found["text"] == "1 removed; none", found
        assert Path(file.name).exists()
    assert not gone.exists() and all(path.exists() for path in kept)
