"""Repairs of `doctor --repair`: quarantine damaged checkpoints and rows that cannot be read, remove unused files. All else stays."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from .. import paths
from ..statuses import ACTIVE
from ..storage import checkpoint
from ..storage import quarantine as row_quarantine
from ..storage.database import Database, damage
from ..storage.rows import Unreadable
from ..storage.store import Store

_OLD_SECONDS = 3600.0  # a running import or export writes more often


def damaged_store(file: Path) -> str:
    """The damage that SQLite finds in a store's file; empty without damage, or when opening gives a better error (locked, no database)."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return damage(row[0] for row in connection.execute("PRAGMA integrity_check(3)"))
    return ""


def rebuild_indexes(file: Path) -> str:
    """Recreate the indexes of a store, and its file, from its rows; other damage needs a backup."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("REINDEX")
        connection.commit()
        connection.execute("VACUUM")  # drops unreachable pages too
    return "indexes recreated"


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
    """Rename the manifests of damaged checkpoints, so that the previous one counts."""
    count = 0
    for run_id in run_ids:
        for path in checkpoint.damaged(paths.run_folder(store.folder, run_id)):
            path.replace(path.with_name(f"{path.name}.damaged"))
            count += 1
    return f"{count} quarantined as *.damaged; resume uses the previous one, or starts from the beginning"


def leftovers(store: Store) -> list[Path]:
    """Half-written files and folders left by a kill, at least an hour old, except those of active runs."""
    if not store.folder.is_dir():
        return []
    active = {run_id for run_id, _, status in store.revision() if status in ACTIVE}
    found = list(store.folder.glob(f"{paths.IMPORT_PREFIX}*"))
    for run_id, _, _ in store.revision():
        if run_id not in active:
            found += paths.run_folder(store.folder, run_id).rglob(paths.temporary(Path("*")).name)
    before = time.time() - _OLD_SECONDS
    return sorted(path for path in found if path.lstat().st_mtime < before)


def remove(found: list[Path]) -> str:
    """Remove leftovers."""
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return f"{len(found)} removed"


def orphans(store: Store) -> list[Path]:
    """Folders of runs that are not in the store: left by a kill between files and rows, or of another store."""
    known = {run_id for run_id, _, _ in store.revision()}
    folders = store.folder.glob("[0-9]*-[0-9]*-*") if store.folder.is_dir() else ()
    return sorted(folder for folder in folders if folder.is_dir() and folder.name not in known)
