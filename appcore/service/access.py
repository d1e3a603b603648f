"""What one user may do: commands that first check who owns the run, uploads, and runs that are past their time. Knows no sign-in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import limits, paths
from ..errors import InputError
from ..runner.admission import Room
from ..statuses import ENDED
from ..storage import checkpoint
from ..storage.store import Store
from ..transfer import bundle_import

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


def import_bundle(store: Store, path: str | Path) -> str:
    """Add the run of a bundle, which is the user's then; returns its id. OverLimitError for one that is too large for them."""
    allowed, room = limits.load(store.folder), Room(store, store.owner)

    def allow(size: int) -> None:
        allowed.check_upload(size)
        room.check_disk(store, size)

    return bundle_import.import_bundle(store, path, allow=allow, admit=room.check_disk)


def check_files(store: Store, row: Mapping[str, Any]) -> None:
    """InputError for a run that could not go on from its files as they are now; it should stay as it is."""
    store.files.check(row["run_id"])
    checkpoint.check_readable(paths.run_folder(store.folder, row["run_id"]), row["saved"] or 0)


def retire(store: Store, now: float | None = None) -> list[str]:
    """Delete ended runs that are older than limit retention_days, but none with the tag "keep"; returns their ids.

    The age of a run counts from its last heartbeat, or from its import; where that lies in the future, since another machine's clock was
    ahead, from when it is first seen here.
    """
    days, gone = limits.load(store.folder).retention_days, []
    if days is None:
        return []
    now = time.time() if now is None else now
    before = now - days * DAY_SECONDS

    def is_over(row: dict[str, Any]) -> bool:
        return row["status"] in ENDED and (row["heartbeat"] or 0.0) < before and limits.KEEP not in row["tags"]

    for row in store.runs():
        with suppress(InputError):  # resumed or deleted meanwhile
            if row["status"] in ENDED and limits.KEEP not in row["tags"] and (row["heartbeat"] or 0.0) > now:
                _date(store, row["run_id"], now)
            elif is_over(row) and store.delete(row["run_id"], is_over):  # judged again when nobody can change it
                gone.append(row["run_id"])
    return gone


def _date(store: Store, run_id: str, now: float) -> None:
    """Let a run count as ended now."""
    store.settle([run_id])
    row = store.get(run_id)
    if row["status"] in ENDED:
        store.forfeit(run_id, row, status="lost", heartbeat=now)
        store.update_all([run_id], ENDED, heartbeat=now)
