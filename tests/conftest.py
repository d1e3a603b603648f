"""Shared fixtures: a fresh store for each test, the real images that lie beside the repository, and one torch thread setting."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores import any_address  # noqa: F401, a fixture

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's runs or data, and none leaves anything behind."""
    monkeypatch.setenv("APPCORE_STORE", f"sqlite:///{tmp_path / 'runs' / 'appcore.db'}")
    monkeypatch.setenv("APPCORE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("APPCORE_SLOTS", str(tmp_path / "slots"))  # or tests beside each other would wait in one line


@pytest.fixture(scope="session")
def cifar_small() -> Path:
    """5,000 + 1,000 real CIFAR-10 images as a zip of JPEG files."""
    path = SHARED_DATA / "cifar10-small.zip"
    if not path.exists():
        pytest.skip("needs the CIFAR-10 zip beside the repository")
    return path
