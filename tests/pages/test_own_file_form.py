"""A Python file as the network in the form: a link to it runs nothing, a button with a warning allows it, a changed file is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from appcore.models import own_code
from appcore.storage.store import Store

APP = str(Path(__file__).parents[2] / "app.py")
NET = """
from pathlib import Path
from torch import nn

Path({mark!r}).touch()

def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""


def form(arch: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60)
    app.run()
    app.switch_page("pages/run.py")
    app.query_params.update({"arch": arch, "limit_train": "60", "megabatches": "1", "epochs": "1"})
    return app.run()


def test_a_link_runs_nothing_and_a_button_allows_what_was_read(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(NET.format(mark=str(tmp_path / "ran")))
    app = form(f"file:{file}:make")
    assert "It is a program" in app.warning[0].value and app.button(key="start").disabled
    assert not (tmp_path / "ran").exists() and not list(Store().folder.glob("code/*"))
    app.button(key="allow-code").click().run()
    assert not app.exception and not app.warning and not app.button(key="start").disabled
    (kept,) = Store().folder.glob("code/*.py")
    assert app.query_params["arch"] == f"file:{file}:make@{kept.stem}"
    file.write_text(file.read_text() + "# changed\n")
    app.run()
    assert "has changed since it was allowed" in app.warning[0].value


def test_what_came_with_a_backup_is_read_and_allowed_there(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(NET.format(mark=str(tmp_path / "ran")))
    arch = own_code.allow(f"file:{file}:make")
    source = own_code.parse(arch)
    source.restored.parent.mkdir()
    source.copy.rename(source.restored)
    file.unlink()
    app = form(arch)
    assert "came with a backup" in app.warning[0].value and "def make():" in app.code[0].value and app.button(key="start").disabled
    assert not (tmp_path / "ran").exists() and not source.copy.exists()
    app.button(key="allow-code").click().run()
    assert not app.exception and not app.warning and not app.button(key="start").disabled
    assert app.query_params["arch"] == arch and source.copy.exists()


@pytest.mark.parametrize(
    ("limits", "arch", "says"),
    [
        ("queue = 4", "file:net.py:make", "limit code_files"),
        ("", "file:net.txt:make", "names no function of a Python file"),
    ],
)
def test_what_can_never_be_allowed_has_no_button(limits: str, arch: str, says: str) -> None:
    Store().folder.mkdir(parents=True, exist_ok=True)
    (Store().folder / "limits.toml").write_text(limits)
    app = form(arch)
    assert any(says in one.value for one in app.markdown) and not [one for one in app.button if one.key == "allow-code"]
