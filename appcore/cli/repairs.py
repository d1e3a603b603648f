"""What `doctor --repair` may do: put aside what cannot be used, remove what nobody reads. Runs, rows and whole checkpoints stay."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from .. import paths
from ..statuses import ACTIVE
from ..storage import checkpoint
from ..storage.database import damage
from ..storage.store import Store

_OLD_SECONDS = 3600.0  # an import or an export that goes on writes more often


def damaged_store(file: Path) -> str:
    """What SQLite finds wrong with the file of a store; empty when it is whole, or when opening it says more (locked, no database)."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return damage(row[0] for row in connection.execute("PRAGMA integrity_check(3)"))
    return ""


def rebuild_indexes(file: Path) -> str:
    """Make the indexes of a store, and its file, anew from its rows; what this cannot mend needs a backup."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("REINDEX")
        connection.commit()
        connection.execute("VACUUM")  # pages that nothing leads to any more go too
    return "indexes made anew"


def put_aside(store: Store, run_ids: list[str]) -> str:
    """Rename the manifests of damaged checkpoints, so that the one before each counts."""
    count = 0
    for run_id in run_ids:
        for path in checkpoint.damaged(paths.run_folder(store.folder, run_id)):
            path.replace(path.with_name(f"{path.name}.damaged"))
            count += 1
    return f"{count} put aside as *.damaged; resume uses the one before, or begins anew"


def leftovers(store: Store) -> list[Path]:
    """Half-written files and folders that were left by a kill, an hour old at least, of runs that are not going on."""
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
    """Folders of runs that the store does not know: left by a kill between files and rows, or of another store."""
    known = {run_id for run_id, _, _ in store.revision()}
    folders = store.folder.glob("[0-9]*-[0-9]*-*") if store.folder.is_dir() else ()
    return sorted(folder for folder in folders if folder.is_dir() and folder.name not in known)
