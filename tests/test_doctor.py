"""The doctor: each finding in one line, a remedy where something is wrong, and never a traceback."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest
import torch

from appcore import checkpoint, doctor, paths
from appcore.cli import main
from appcore.config import build
from appcore.store import Store

NAMES = ["python", "packages", "torch and torchvision", "devices", "sqlite", "store", "checkpoints", "disk", "data sets", "streamlit"]


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
    assert "no-such-package-here is not installed" in found["text"] and ">=99" in found["text"] and doctor.INSTALL in found["text"]


def test_a_pair_that_does_not_match_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from appcore.ui import setup

    monkeypatch.setattr(setup, "mismatch", lambda: "torch 1 and torchvision 2 do not match: install again.")
    assert finding("torch and torchvision") == {
        "name": "torch and torchvision",
        "ok": False,
        "text": "torch 1 and torchvision 2 do not match: install again.",
    }
    monkeypatch.setattr(setup, "mismatch", lambda: None)
    monkeypatch.setattr(doctor, "import_module", lambda name: setup if name.endswith("setup") else exec("raise ImportError('no nms')"))
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
    assert finding("checkpoints")["text"] == "those of the newest 1 runs are whole"
    path = paths.checkpoint(folder, 2)
    path.write_bytes(path.read_bytes()[:-1])
    found = finding("checkpoints")
    assert not found["ok"] and f"run {run_id}: checkpoint {path.stem}: its tensors are damaged" in found["text"]
    assert path.exists() and paths.manifest(folder, 2).exists()
    assert finding("store")["text"].endswith("1 runs")


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
