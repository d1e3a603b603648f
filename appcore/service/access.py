"""What one user may do: limits of a shared server, and commands that first check who owns the run. Knows no sign-in."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import limits, paths
from ..errors import InputError
from ..statuses import ACTIVE, ENDED
from ..storage.store import Store

DAY_SECONDS = 86_400.0


class Owned:
    """Commands of `inner` for the runs that a store shows; InputError for any other run, as if it did not exist."""

    def __init__(self, inner: Any, store: Store):
        self._inner, self._store = inner, store

    def start(self, run_id: str, *arguments: Any) -> Any:
        """As `inner.start`."""
        return self._inner.start(self._store.get(run_id)["run_id"], *arguments)

    def state(self, run_id: str) -> Any:
        """As `inner.state`."""
        return self._inner.state(self._store.get(run_id)["run_id"])


def check_room(store: Store, everybody: Store, new: int) -> None:
    """InputError unless the owner of `store` may have `new` more active runs and has disk space left."""
    allowed = limits.load(store.folder)
    if allowed.queue is not None or allowed.runs_per_user is not None:
        allowed.check_queue(_going(everybody), _going(everybody.of(store.owner)), new)
    if allowed.disk_megabytes_per_user is not None:
        allowed.check_disk(used_bytes(everybody.of(store.owner)))


def check_upload(store: Store, everybody: Store, size: int) -> None:
    """InputError unless the owner of `store` may add files of that many bytes."""
    allowed = limits.load(store.folder)
    allowed.check_upload(size)
    if allowed.disk_megabytes_per_user is not None:
        allowed.check_disk(used_bytes(everybody.of(store.owner)), size)


def _going(store: Store) -> int:
    return sum(status in ACTIVE for _, _, status in store.revision())


def used_bytes(store: Store) -> int:
    """Bytes of the files of every run that a store shows."""
    return sum(folder_bytes(paths.run_folder(store.folder, run_id)) for run_id, _, _ in store.revision())


def folder_bytes(folder: Path) -> int:
    """Bytes of the files in a folder; 0 where there is none."""
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        with suppress(OSError):  # deleted meanwhile
            total += path.lstat().st_size if path.is_file() else 0
    return total


def retire(store: Store, now: float | None = None) -> list[str]:
    """Delete ended runs that are older than limit retention_days, but none with the tag "keep"; returns their ids.

    The age of a run counts from its last heartbeat, or from its import.
    """
    days = limits.load(store.folder).retention_days
    if days is None:
        return []
    before, gone = (time.time() if now is None else now) - days * DAY_SECONDS, []
    for row in store.runs():
        is_old = row["status"] in ENDED and (row["heartbeat"] or 0.0) < before
        if is_old and limits.KEEP not in row["tags"]:
            with suppress(InputError):  # resumed or deleted meanwhile
                store.delete(row["run_id"])
                gone.append(row["run_id"])
    return gone
