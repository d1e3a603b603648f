"""Shared fixtures: a fresh store for each test, the real images that lie beside the repository, and one torch thread setting.

With `-n` several workers run tests beside each other: in which order, and which alone, is said here; which together, in scheduling.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tether
from stores import any_address  # noqa: F401, a fixture
from turns import Turns

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MOST_WORKERS = 8  # each has torch in memory
TURNS = pytest.StashKey[Turns]()

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    """What a worker starts is its controller's, which has the guard."""
    if not hasattr(config, "workerinput"):
        tether.begin()
    elif sys.platform != "win32":
        config.stash[TURNS] = Turns(Path(config.option.basetemp).parent)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: a worker for each core that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, cores)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Unless `--dist` asks for another."""
    if config.getvalue("dist") != "load":
        return None
    from scheduling import Together  # xdist is there, or nobody would call this

    return Together(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker: long tests first, those that must be alone last."""
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def pytest_collection_finish() -> None:
    """Each `AppTest` looks through all installed packages for components of Streamlit, a fifth of a second: here once is enough."""
    if "streamlit.testing.v1" in sys.modules:
        from streamlit.components.v2 import manifest_scanner

        manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def _rank(item: pytest.Item) -> int:
    if item.get_closest_marker("alone"):
        return 3
    return 0 if item.get_closest_marker("browser") else 1 if item.get_closest_marker("slow") else 2


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test marked `alone` has the machine for itself."""
    turns = item.config.stash.get(TURNS, None)
    if turns is None:
        return (yield)
    with turns.turn(is_alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(autouse=True, scope="session")
def common_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What fixtures of a module use, which are made before `own_folders` of a test: never the user's."""
    with pytest.MonkeyPatch.context() as patch:
        _set_folders(patch, tmp_path_factory.mktemp("common"))
        yield


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's runs or data, and none leaves anything behind."""
    _set_folders(monkeypatch, tmp_path)


def _set_folders(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("APPCORE_STORE", f"sqlite:///{folder / 'runs' / 'appcore.db'}")
    patch.setenv("APPCORE_DATA", str(folder / "data"))
    patch.setenv("APPCORE_RECORDINGS", "off")  # a test that wants recorded runs says so
    patch.setenv("APPCORE_SLOTS", str(folder / "slots"))  # or tests beside each other would wait in one line


@pytest.fixture(scope="session")
def cifar_small() -> Path:
    """5,000 + 1,000 real CIFAR-10 images as a zip of JPEG files."""
    path = SHARED_DATA / "cifar10-small.zip"
    if not path.exists():
        pytest.skip("needs the CIFAR-10 zip beside the repository")
    return path
