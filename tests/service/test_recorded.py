"""Recorded runs in a store: everybody sees them, nobody changes them, they count as nobody's, and they come and go with the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fake_runs
import pytest

from appcore import paths
from appcore.cli.main import main
from appcore.errors import InputError
from appcore.recordings import shipped
from appcore.runner.admission import Room
from appcore.service import access, recorded
from appcore.service.manager import Manager
from appcore.storage import checkpoint
from appcore.storage.store import Store
from appcore.transfer.backup import backup, restore

KNOWN = "recorded-app-snip-0"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Two of the recordings, so that tests are quick."""
    found = {run_id: mark for run_id, mark in shipped.runs().items() if run_id in (KNOWN, "recorded-app-snip-1")}
    monkeypatch.setattr(shipped, "runs", lambda folder=None: found)
    monkeypatch.setenv(recorded.VARIABLE, "on")
    return found


@pytest.fixture
def store(tmp_path: Path, few: dict) -> Store:
    """A store with a run of somebody's and the recorded ones."""
    store = Store(tmp_path / "runs" / "appcore.db")
    fake_runs.write(store.of("somebody"))
    assert recorded.bring_up_to_date(store) == list(few)
    return store


def test_they_come_with_all_rows_and_masks_and_how_they_were_made(store: Store, few: dict) -> None:
    row = store.get(KNOWN)
    assert (row["status"], row["owner"], row["saved"]) == ("done", "", None)
    assert row["recorded"] == few[KNOWN]
    assert len(store.megabatches(KNOWN)) == row["config"]["megabatches"]
    points = store.prunes(KNOWN)
    folder = paths.run_folder(store.folder, KNOWN)
    assert [path.stem for path in checkpoint.stored(folder)] == [f"{segment:09d}" for segment in points["segment"]]
    kept = sum(int(mask.sum()) for mask in checkpoint.load_masks(checkpoint.stored(folder)[-1]).values())
    layers = store.layers(KNOWN)
    assert kept == layers[(layers["point"] == "prune") & (layers["segment"] == points["segment"].iloc[-1])]["kept"].sum()


def test_every_kind_of_store_takes_them(any_address: str, few: dict) -> None:
    store = Store(any_address)
    fake_runs.write(store.of("somebody"), megabatches=2, epochs=1)
    assert recorded.bring_up_to_date(store) == list(few)
    assert [run["run_id"] for run in store.of("nobody").runs(recorded=True)] == sorted(few)
    with pytest.raises(InputError, match="is recorded"):
        store.delete(KNOWN)
    assert len(store.of("somebody").own_ids()) == 1


def test_once_and_no_more(store: Store) -> None:
    before = store.revision()
    assert recorded.bring_up_to_date(store) == []
    assert store.revision() == before


def test_everybody_sees_them_after_their_own(store: Store, few: dict) -> None:
    for view in (store, store.of("somebody"), store.of("nobody"), store.of("admin", sees_all=True)):
        own = view.runs()
        assert not {run["run_id"] for run in own} & set(few)
        assert [run["run_id"] for run in view.runs(recorded=True)] == [*(run["run_id"] for run in own), *sorted(few)]
        assert view.get(KNOWN)["run_id"] == KNOWN
        assert not view.megabatches(KNOWN).empty
    assert store.of("nobody").runs() == []


@pytest.mark.parametrize("owner", ["", "somebody", "admin"])
def test_nobody_changes_them(owner: str, store: Store) -> None:
    manager = Manager(store)
    view = manager.of(owner, sees_all=owner == "admin") if owner else manager
    before = store.get(KNOWN)
    for change in (
        lambda: view.delete(KNOWN),
        lambda: view.label(KNOWN, title="mine"),
        lambda: view.label(KNOWN, archived=True),
        lambda: view.store.claim(KNOWN, ["done"]),
        lambda: view.store.rewind(KNOWN, 0),
    ):
        with pytest.raises(InputError, match="is recorded: it comes with the program"):
            change()
    view.stop(KNOWN)
    view.send([KNOWN], "pause")
    view.store.update_all([KNOWN], ["done"], note="mine")
    assert store.get(KNOWN) == before


def test_they_count_as_nobodys(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = store.get(KNOWN)["fingerprint"]
    assert config not in store.fingerprints()
    assert Manager(store).ablations.reusable([{"fingerprint": config}]) == {}
    (store.folder / "limits.toml").write_text("disk_megabytes_per_user = 1\nretention_days = 1\n")
    assert Room(store, "")._measure(store.of("", sees_all=True)) == 0
    assert KNOWN not in access.retire(store, now=7e9)
    assert store.get(KNOWN)


@pytest.mark.thorough
def test_the_switch_takes_them_out_with_their_files(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(recorded.VARIABLE, "off")
    assert recorded.bring_up_to_date(store) == []
    assert store.recorded() == {}
    assert store.megabatches(KNOWN).empty
    assert not paths.run_folder(store.folder, KNOWN).exists()
    assert len(store.of("somebody").runs()) == 1


def test_a_newer_program_replaces_those_that_are_another(store: Store, few: dict) -> None:
    few[KNOWN] = {**few[KNOWN], "machine": "another one"}
    assert recorded.bring_up_to_date(store) == [KNOWN]
    assert store.get(KNOWN)["recorded"]["machine"] == "another one"


def test_a_damaged_file_keeps_out_itself_only(tmp_path: Path, few: dict) -> None:
    few[KNOWN] = {**few[KNOWN], "sha256": "0" * 64}
    store = Store(tmp_path / "runs" / "appcore.db")
    with pytest.raises(InputError, match=r"app-snip-0\.zip is damaged"):
        recorded.bring_up_to_date(store)
    assert list(store.recorded()) == [run_id for run_id in few if run_id != KNOWN]


def test_two_stores_in_one_folder_read_the_same_masks(store: Store, few: dict) -> None:
    other = Store(store.folder / "other.db")
    assert recorded.bring_up_to_date(other) == list(few)
    assert checkpoint.stored(paths.run_folder(other.folder, KNOWN))


def test_a_backup_leaves_them_out_and_goes_into_a_store_that_has_them(store: Store, tmp_path: Path, few: dict) -> None:
    assert backup(store, tmp_path / "backup.zip")["runs"] == 1
    other = Store(tmp_path / "other" / "appcore.db")
    recorded.bring_up_to_date(other)
    assert restore(other, tmp_path / "backup.zip") == {"runs": 1}
    assert len(other.runs(recorded=True)) == 1 + len(few)
    with pytest.raises(InputError, match="not empty"):
        restore(other, tmp_path / "backup.zip")


def test_in_a_thread_and_only_once(tmp_path: Path, few: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_FIRST_PAINT_SECONDS", 0.0)
    found = recorded.Recorded(Store(tmp_path / "runs" / "appcore.db"))
    found.begin()
    found.begin()
    assert found.wait(10.0) and found.problem == ""
    assert list(found._store.recorded()) == list(few)


def test_the_command_line_lists_own_runs_and_refuses_to_delete(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APPCORE_STORE", store.url)
    assert main(["list"]) == 0
    assert KNOWN not in capsys.readouterr().out
    assert main(["delete", KNOWN, "--yes"]) == 2
    assert "is recorded" in capsys.readouterr().err
    assert main(["show", KNOWN]) == 0
    assert "done" in capsys.readouterr().out
