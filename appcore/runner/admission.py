"""Whether runs may start: the one place that decides it. Settings are held against the limits, and there must be room for one more run.

Every way in asks here: the manager for new runs (form, command line, ablations), resumed ones (imported, restored, lost) and What if, the
driver for whatever a queue or a worker process hands to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import limits, paths
from ..errors import InputError, OverLimitError
from ..planning import plan
from ..statuses import ACTIVE
from ..storage.store import Store
from .engine_port import Work


def check_settings(store: Store, work: Work, config: Any) -> None:
    """OverLimitError, which names the limit, for settings that may not be run here."""
    allowed = limits.load(store.folder)
    epochs = plan.total_epochs(config) if allowed.epochs is not None else 0
    allowed.check_run(config, epochs, work.total_samples(config) if allowed.images is not None else 0, store.owner)


def check_stored(store: Store, work: Work, values: dict[str, Any]) -> None:
    """The same for the settings of a stored run. Other faults, such as data that is gone, are left to whoever carries it out."""
    limits.load(store.folder)  # a mistake in the file stops everything
    try:
        check_settings(store, work, work.config(values))
    except OverLimitError:
        raise
    except InputError:
        return


def take(store: Store, work: Work, run_id: str, allowed: Sequence[str], **columns: Any) -> dict[str, Any]:
    """Claim a run for this process (see Store.claim); OverLimitError where its settings are over the limits, or no room is left.

    One that is active has its room already, and waits for no other: hundreds may begin at once.
    """
    store.settle([run_id])
    row = store.get(run_id)
    is_active = row["status"] in ACTIVE
    check_stored(store, work, row["config"])
    alike = [status for status in allowed if (status in ACTIVE) == is_active]
    if is_active:
        return store.claim(run_id, alike, **columns)
    room = Room(store, row["owner"])
    with store.alone() as inside:
        claimed = inside.claim(run_id, alike, **columns)
        room.check(inside)
        return claimed


class Room:
    """What a user takes of the counted limits. What is slow is measured when this is made, the rest in the transaction of a start."""

    def __init__(self, store: Store, owner: str):
        self._limits, self._owner, everybody = limits.load(store.folder), owner, store.of("", sees_all=True)
        self._is_counted = self._limits.queue is not None or self._limits.runs_per_user is not None
        if self._is_counted:
            everybody.settle()
        self._sizes: dict[str, int] = {}
        if self._limits.disk_megabytes_per_user is not None:
            self._measure(everybody)

    def check(self, inside: Store) -> None:
        """NoRoomError when too many runs are active, those that were started in this transaction included; `inside`: from Store.alone."""
        if self._is_counted:
            active = inside.of("", sees_all=True).active()
            self._limits.check_queue(active.total(), active[self._owner])
        self.check_disk(inside)

    def check_disk(self, inside: Store, more: int = 0) -> None:
        """NoRoomError when the files of the user's runs, and `more` bytes, take too much."""
        if self._limits.disk_megabytes_per_user is not None:
            self._limits.check_disk(self._measure(inside.of("", sees_all=True)) + more)

    def _measure(self, everybody: Store) -> int:
        """Bytes of the files of the owner's runs, and of uploaded images; runs that were measured before are not measured again."""
        run_ids = everybody.of(self._owner).own_ids()
        for run_id in run_ids:
            if run_id not in self._sizes:
                self._sizes[run_id] = folder_bytes(paths.run_folder(everybody.folder, run_id))
        return sum(self._sizes[run_id] for run_id in run_ids) + folder_bytes(paths.uploads(everybody.folder, self._owner))


def folder_bytes(folder: Path) -> int:
    """Bytes of the files in a folder; 0 where there is none."""
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        with suppress(OSError):  # deleted meanwhile
            total += path.lstat().st_size if path.is_file() else 0
    return total
