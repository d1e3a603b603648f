"""Repairs of `doctor --repair`: quarantine damaged checkpoints and rows that cannot be read, remove what kills left. All else stays."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from .. import files, paths
from ..errors import InputError
from ..statuses import ACTIVE
from ..storage import checkpoint
from ..storage import quarantine as row_quarantine
from ..storage.database import Database, damage
from ..storage.migrate import copy
from ..storage.rows import Unreadable
from ..storage.store import Store

_OLD_SECONDS = 3600.0  # what earlier versions wrote has no lock; while they were at it they wrote more often
_OLD_NAME = re.compile(r".+\.(json|safetensors|onnx)\.tmp")


def damaged_store(file: Path) -> str:
    """The damage that SQLite finds in a store's file; empty without damage, or when opening gives a better error (locked, no database)."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return damage(row[0] for row in connection.execute("PRAGMA integrity_check(3)"))
    return ""


def rebuild_indexes(file: Path) -> str:
    """Recreate the indexes of a store, and its file, from its rows, after a copy; other damage needs a backup."""
    before = paths.before_repair(file, datetime.now(UTC))
    copy(file, before)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("REINDEX")
        connection.commit()
        connection.execute("VACUUM")  # drops unreachable pages too
    return f"indexes recreated; the file of before is kept as {before.name}"


@contextmanager
def _database(store: Store) -> Iterator[Database]:
    database = Database(store.url, 10.0)
    try:
        yield database
    finally:
        database.engine.dispose()


def unreadable(store: Store) -> list[Unreadable]:
    """Every row of the store that cannot be read."""
    with _database(store) as database:
        return row_quarantine.unreadable(database)


def quarantine_rows(store: Store) -> str:
    """Move rows that cannot be read into a file beside the store; those of runs that are going on stay."""
    with _database(store) as database:
        path, count, left = row_quarantine.move(database)
    stay = f"; {left} of runs that are going on stay, stop those first" if left else ""
    return f"{count} rows moved into {path}{stay}" if path else f"nothing moved{stay}"


def quarantine(store: Store, run_ids: list[str]) -> str:
    """Rename the manifests of damaged checkpoints, so that the previous one counts; a run that goes on is its driver's."""
    count = 0
    for run_id in run_ids:
        with suppress(InputError):
            store.files.check(run_id)
            with store.held(run_id):  # so that nobody writes a new one under that name meanwhile
                for path in paths.manifests(paths.run_folder(store.folder, run_id)):
                    if checkpoint.damage(path):
                        checkpoint.quarantine(path)
                        count += 1
    return f"{count} quarantined as *.damaged; resume uses the previous one, or starts from the beginning"


def leftovers(store: Store) -> list[Path]:
    """What a kill left half-written: files and folders that nobody is at any more. None of an active run, none of another store."""
    found = [path for path in files.listed(store.folder) if path.name.startswith(paths.DELETED_PREFIX)]
    found += [path for path in files.listed(store.folder) if path.name.startswith(paths.IMPORT_PREFIX) and _is_left(path)]
    found += store.files.leftovers()
    for run_id, _, status in store.revision():
        if status not in ACTIVE:
            for path in paths.run_folder(store.folder, run_id).rglob("*.tmp"):
                if (files.is_temporary(path.name) or _OLD_NAME.fullmatch(path.name)) and _is_left(path):
                    found.append(path)
    return sorted(found)


def _is_left(path: Path) -> bool:
    """Whether nobody holds the lock of a temporary file or folder; where it has none, whether nobody wrote there for long."""
    if files.is_temporary(path.name) or (path / files.LOCK).exists():
        return files.is_abandoned(path)
    before = time.time() - _OLD_SECONDS
    with suppress(OSError):
        return all(each.lstat().st_mtime < before for each in (path, *path.rglob("*")))
    return False  # gone, or not to be seen


def remove(found: list[Path]) -> str:
    """Remove leftovers."""
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return f"{len(found)} removed"


def orphans(store: Store) -> list[Path]:
    """Folders of runs that are not in the store, and not known to be of another one."""
    known = {run_id for run_id, _, _ in store.revision()}
    folders = [path for path in files.listed(store.folder) if path.match("[0-9]*-[0-9]*-*") and path.name not in known]
    return [path for path in folders if path.is_dir() and not store.files.is_of_another(path)]
