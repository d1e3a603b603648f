"""Checks of this installation. Each result is one sentence, with the remedy where something is wrong.

Nothing is changed, unless a repair is asked for: then what `repairs` can repair is repaired, and the check repeated.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from .. import installation, paths, plugins
from ..config import RunConfig
from ..errors import InputError
from ..names import counted
from .terminal import one_line

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"
NEWEST_RUNS = 3
LEAST_FREE_BYTES = 2**30
_OLDEST_PYTHON = (3, 11)
_SAFE_STREAMLIT = "1.54"  # the first without a known vulnerability
_SAFE_WAL = (3, 51, 3)


class _Trouble(Exception):
    """A failed check: what is wrong and what to do, and a function that does it where that is safe."""

    def __init__(self, text: str, repair: Callable[[], str] | None = None):
        super().__init__(f"{text} (doctor --repair does that)" if repair else text)
        self.repair = repair


def examine(*, repair: bool = False) -> list[dict[str, Any]]:
    """Findings {name, ok, text} in a fixed order; an exception in a check becomes its finding."""
    return [_finding(name, check, repair=repair) for name, check in _CHECKS.items()]


def _finding(name: str, check: Callable[[], str], *, repair: bool = False) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "text": check()}
    except _Trouble as trouble:
        found = {"name": name, "ok": False, "text": " ".join(str(trouble).split())}
        mend = trouble.repair
    except InputError as error:
        return {"name": name, "ok": False, "text": " ".join(str(error).split())}
    except Exception as error:
        return {"name": name, "ok": False, "text": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    if not repair or mend is None:
        return found
    done, again = _finding(name, mend), _finding(name, check)
    return {**again, "text": f"{done['text']}; {again['text']}"}


def _python() -> str:
    if sys.version_info < _OLDEST_PYTHON:
        raise _Trouble(f"Python {platform.python_version()} is too old; use 3.11 or newer")
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"


def _packages() -> str:
    from packaging.requirements import Requirement

    if REQUIREMENTS.exists():  # a checkout
        lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    else:
        lines = metadata.requires(installation.DISTRIBUTION) or []
    wanted = [Requirement(text) for text in (line.partition("#")[0].strip() for line in lines) if text]
    wanted = [package for package in wanted if package.marker is None or package.marker.evaluate({"extra": ""})]
    wrong, found = [], []
    for package in wanted:
        try:
            version = metadata.version(package.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{package.name} is not installed")
            continue
        found.append(f"{package.name} {version}")
        if not package.specifier.contains(version, prereleases=True):
            wrong.append(f"{package.name} {version} is not {package.specifier}")
    if wrong:
        raise _Trouble(f"{', '.join(wrong)}; {installation.INSTALL}")
    return ", ".join(found)


def _pair() -> str:
    if problem := installation.mismatch():
        raise _Trouble(problem)
    try:
        torch, torchvision = import_module("torch"), import_module("torchvision")
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _Trouble(f"torch and torchvision cannot be imported together ({reason}); {installation.REMEDY}") from error
    return f"torch {torch.__version__} and torchvision {torchvision.__version__} match and can be imported"


def _devices() -> str:
    torch = import_module("torch")
    threads = import_module("appcore.engine.threads").ALL_THREADS
    found = [f"{counted(os.cpu_count() or 1, 'CPU core')}, {counted(threads, 'thread')}"]
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        found.append(f"GPU {index}: {about.name}, {about.total_memory / 2**30:.0f} GiB")
    return "; ".join(found if len(found) > 1 else [*found, "no GPU that torch can use, so runs use the CPU"])


def _sqlite() -> str:
    version = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info >= _SAFE_WAL:
        return f"{version}; several writers are safe in every journal mode"
    return f"{version}; before 3.51.3 a write-ahead log (WAL) with several writers can be damaged, but the store uses none, so all is well"


def _store() -> str:
    from ..storage.store import Store
    from . import repairs

    store = Store()
    file = paths.store_file(store.url)
    if file and not file.exists():
        folder = _existing(file.parent)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _Trouble(f"store {file} cannot be created: {folder} cannot be written; name another with {paths.STORE_VARIABLE}")
        return f"none yet at {file}; the first run creates it"
    if file and (found := repairs.damaged_store(file)):
        raise _Trouble(
            f"store {file} is damaged ({found}); restore a backup, or recreate its indexes", lambda: repairs.rebuild_indexes(file)
        )
    runs = store.runs()
    store.beat([])  # a transaction that writes nothing, but needs the same access as writing
    return f"{file or 'PostgreSQL'} opens and can be written; {counted(len(runs), 'run')}"


def _rows() -> str:
    from ..storage.store import Store
    from . import repairs

    store = Store()
    file = paths.store_file(store.url)
    if file and not file.exists():
        return "no runs yet"
    if found := repairs.unreadable(store):
        named = "; ".join(one_line(str(one)) for one in found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
        what = "is 1 row that cannot be read" if len(found) == 1 else f"are {len(found)} rows that cannot be read"
        raise _Trouble(
            f"there {what}: {named}; pages leave them out; put them into a file beside the store, to be mended by hand",
            lambda: repairs.quarantine_rows(store),
        )
    return "every row can be read"


def _checkpoints() -> str:
    from ..storage import checkpoint
    from ..storage.store import Store
    from . import repairs

    store = Store()
    file = paths.store_file(store.url)
    if file and not file.exists():
        return "no runs yet"
    runs = [row["run_id"] for row in store.runs(NEWEST_RUNS)]
    damaged, unreadable = [], []
    for run_id in runs:
        try:
            damaged += [f"run {run_id}: {line}" for line in checkpoint.problems(paths.run_folder(store.folder, run_id))]
        except InputError as error:  # which says nothing of what it holds, so there is nothing to repair
            unreadable.append(f"run {run_id}: {error.message}")
    if damaged:
        remedy = "resume falls back to the one before it, or to the beginning; put it aside"
        raise _Trouble(f"{'; '.join(damaged + unreadable)}; {remedy}", lambda: repairs.quarantine(store, runs))
    if unreadable:
        raise _Trouble("; ".join(unreadable))
    return f"those of the newest {counted(len(runs), 'run')} are whole"


def _leftovers() -> str:
    from ..storage.store import Store
    from . import repairs

    store = Store()
    file = paths.store_file(store.url)
    if file and not file.exists():
        return "none"
    if found := repairs.leftovers(store):
        names = ", ".join(path.name for path in found[:3])
        raise _Trouble(f"{counted(len(found), 'half-written path')} of a kill ({names}); remove them", lambda: repairs.remove(found))
    unknown = repairs.orphans(store)
    if unknown:
        names = ", ".join(path.name for path in unknown[:3])
        return f"{counted(len(unknown), 'folder')} in {store.folder} of no run of this store ({names}); delete them unless another has them"
    return "none"


def _limits() -> str:
    from .. import limits

    given = limits.load().model_dump(exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in given.items() if value) or "none are set"


def _disk() -> str:
    from ..storage.store import Store

    folder = _existing(Store().folder)
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise _Trouble(f"{free / 2**20:.0f} MiB free in {folder}; free some space, or name another store with {paths.STORE_VARIABLE}")
    return f"{free / 2**30:.1f} GiB free in {folder}"


def _data_sets() -> str:
    from ..datasets.torchvision_names import FILES

    root = paths.data_root()
    here: list[str] = []
    missing: list[str] = []
    yours: list[str] = []
    for name, choice in plugins.choices("datasets").items():
        if choice.takes_argument:
            continue
        if name in FILES:
            (here if all((root / file).is_file() for file in FILES[name]) else missing).append(name)
        else:
            (here if _is_described(name) else yours).append(name)
    parts = [f"on this machine: {', '.join(here)}"]
    if missing:
        parts.append(f"downloaded to {root} when first used: {', '.join(missing)}")
    if yours:
        parts.append(f"from files of your own: {', '.join(yours)}")
    return "; ".join(parts)


def _is_described(name: str) -> bool:
    try:
        plugins.load("datasets", name).describe(RunConfig(dataset=name, limit_train=1, limit_test=1))  # whatever memory is free
    except InputError:
        return False
    return True


def _plugins() -> str:
    if wrong := plugins.problems():
        raise _Trouble("; ".join(wrong))
    places = plugins.folders()
    files = {choice.path for kind in plugins.KINDS for choice in plugins.choices(kind).values()}
    outside = sum(place in file.parents for file in files for place in places)
    return f"{counted(outside, 'file')} in {' and '.join(map(str, places))}" if places else "none outside of the package"


def _streamlit() -> str:
    from packaging.version import Version

    version = metadata.version("streamlit")
    if Version(version) < Version(_SAFE_STREAMLIT):
        raise _Trouble(f"streamlit {version} has a known security hole; {installation.INSTALL} for {_SAFE_STREAMLIT} or newer")
    return f"streamlit {version}"


def _existing(folder: Path) -> Path:
    """The folder, or its nearest existing parent."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.exists())


_CHECKS: dict[str, Callable[[], str]] = {
    "python": _python,
    "packages": _packages,
    "torch and torchvision": _pair,
    "devices": _devices,
    "sqlite": _sqlite,
    "store": _store,
    "rows": _rows,
    "checkpoints": _checkpoints,
    "leftovers": _leftovers,
    "limits": _limits,
    "disk": _disk,
    "data sets": _data_sets,
    "plug-ins": _plugins,
    "streamlit": _streamlit,
}
