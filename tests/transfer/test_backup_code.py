"""Python files of networks in backups: they come along, can be read, and are not run before somebody has allowed them again."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from appcore import paths
from appcore.cli import main
from appcore.config import build
from appcore.errors import InputError, OverLimitError
from appcore.models import base, own_code
from appcore.planning.plan import plan
from appcore.service.manager import Manager
from appcore.storage.store import Store
from appcore.transfer.backup import backup, restore

NET = """
from pathlib import Path
from torch import nn

Path({mark!r}).touch()

def Net(channels, classes):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, classes))
"""


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """Is there once the file has been run."""
    return tmp_path / "ran"


@pytest.fixture
def saved(tmp_path: Path, ran: Path) -> tuple[Path, str]:
    """A backup of a store with two runs and an ablation of networks from files, and the name of one; the files have changed since."""
    file = tmp_path / "net.py"
    file.write_text(NET.format(mark=str(ran)))
    arch = own_code.allow(f"file:{file}:Net")
    other = own_code.allow(f"file:{_copy(file)}:Net")
    own_code.allow(f"file:{_copy(file)}:Path")  # no run is of it
    store = Store()
    for seed in (0, 1):
        config = build({"arch": arch, "dataset": "digits", "megabatches": 1, "epochs": 1, "seed": seed})
        store.create_run(config, plan_length=len(plan(config)))
    store.ablations.create("", {"dataset": "digits"}, {"arch": ["mlp", other]})
    assert backup(store, tmp_path / "b.zip")["files"] == 2
    file.write_text("changed")
    return tmp_path / "b.zip", arch


def _copy(file: Path) -> Path:
    other = file.with_name("other.py")
    other.write_text(file.read_text() + "\n")
    return other


def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "new" / "appcore.db"))
    return Store()


def test_they_come_along_and_run_once_they_were_allowed(
    saved: tuple[Path, str], ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, arch = saved
    store = elsewhere(tmp_path, monkeypatch)
    assert restore(store, file) == {"runs": 2, "code": 2}
    manager = Manager(store)
    place = own_code.restored(arch)
    assert place is not None and "def Net" in place.read_text()
    with pytest.raises(InputError, match=rf"came with a backup and has not been allowed.*read {re.escape(str(place))}, and press"):
        manager.start([store.runs()[0]["config"]])
    with pytest.raises(InputError, match="has nothing called Net"):
        own_code.allow(arch)  # as when somebody trains with the settings of that run: the file named there is looked at, and nothing else
    assert not ran.exists()
    assert manager.allow_restored_code(arch) == arch and own_code.restored(arch) is None and not ran.exists()
    base.skeleton(arch, (1, 8, 8), 10)
    assert ran.exists()
    manager.close()


def test_a_backup_of_what_was_restored_has_them_too(saved: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, arch = saved
    store = elsewhere(tmp_path, monkeypatch)
    restore(store, file)
    own_code.allow_restored(arch)
    backup(store, tmp_path / "again.zip")
    contents = [
        {name: one.read(name) for name in one.namelist() if name.startswith("code/")}
        for one in map(zipfile.ZipFile, (file, tmp_path / "again.zip"))
    ]
    assert contents[0] == contents[1] and len(contents[0]) == 2
    here = Store(tmp_path / "new" / "second.db")  # in a folder where one of the two has been allowed already
    assert restore(here, file) == {"runs": 2, "code": 1}


def test_a_server_without_code_of_users_runs_none_of_it(saved: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, arch = saved
    store = elsewhere(tmp_path, monkeypatch)
    restore(store, file)
    (store.folder / "limits.toml").write_text("queue = 5")
    with pytest.raises(OverLimitError, match="limit code_files"):
        own_code.allow_restored(arch)
    assert not own_code.parse(arch).copy.exists()


def test_other_bytes_under_a_runs_digest_are_not_offered(saved: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, arch = saved
    digest = own_code.parse(arch).digest
    store = elsewhere(tmp_path, monkeypatch)
    restore(store, file)
    paths.restored_code(store.folder, digest).write_text("import os")
    assert own_code.restored(arch) is None
    with pytest.raises(InputError, match="is not here"):
        own_code.code(arch)
    with pytest.raises(InputError, match="has nothing called Net"):
        own_code.allow_restored(arch)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("code/evil.py", b"x", "does not belong"),
        (f"code/{'0' * 32}.pyc", b"x", "does not belong"),
        (f"code/restored/{'0' * 32}.py", b"x", "does not belong"),
        (f"code/../{'0' * 32}.py", b"x", "outside the archive"),
        (f"code/{'0' * 32}.py", bytes(2**20 + 1), "shrink it to at most 1,048,576"),
        (f"code/{'0' * 32}.py", b"x", "not those of its manifest"),
    ],
)
def test_what_else_lies_in_its_place_is_refused(
    saved: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, says: str
) -> None:
    store = elsewhere(tmp_path, monkeypatch)
    with zipfile.ZipFile(saved[0], "a") as file:
        file.writestr(name, data)
    with pytest.raises(InputError, match=says):
        restore(store, saved[0])
    assert store.runs() == [] and not (store.folder / "code").exists()


def test_the_commands_say_where_they_are(
    saved: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = elsewhere(tmp_path, monkeypatch)
    assert main.main(["restore", str(saved[0])]) == 0
    told = capsys.readouterr()
    assert (
        "2 runs are back" in told.out and f"2 Python files of networks in {store.folder / 'code' / 'restored'}; read them first" in told.err
    )


def test_a_backup_without_code_is_read_by_earlier_versions(
    tmp_path: Path, saved: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    formats = []
    for file in (saved[0], tmp_path / "plain.zip"):
        if not file.exists():
            backup(elsewhere(tmp_path, monkeypatch), file)
        formats.append(json.loads(zipfile.ZipFile(file).read("manifest.json"))["format"])
    assert formats == [2, 1]
