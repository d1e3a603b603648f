"""A file that was made on demand is still there when a slow browser asks for it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from appcore.ui.widgets import download


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> MediaFileManager:
    manager = MediaFileManager(MemoryMediaFileStorage("/media"))
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(media_file_mgr=manager))
    return manager


def served(files: MediaFileManager, make: object, name: str) -> str:
    """What happens between a press and the request of the browser, with many script runs of other tabs in between."""
    url = files.execute_deferred(files.add_deferred(make, "application/zip", "0.1", name))
    for _ in range(5):
        files.remove_orphaned_files()
    return url.split("/")[-1].split(".")[0]


def test_a_file_made_on_demand_outlives_the_script_runs_of_other_tabs(files: MediaFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {}
    monkeypatch.setattr(download.st, "download_button", lambda label, make, name, mime, **look: made.update(make=make, look=look))
    download.button("Bundle", lambda: b"bytes", "a.zip", "application/zip", key="get-bundle")
    assert made["look"] == {"on_click": "ignore", "key": "get-bundle"}
    assert files.read_file(served(files, made["make"], "a.zip")).content == b"bytes"
    assert (
        files.read_file(served(files, lambda: b"not kept", "b.zip")) is None
    )  # the reason for all this; when it fails, drop ui/download.py


def test_only_the_newest_files_are_kept(files: MediaFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        download._keep(str(number).encode(), "application/zip", f"{number}.zip")
        for _ in range(2):
            files.remove_orphaned_files()
    assert len(files._file_metadata) == download._KEPT
