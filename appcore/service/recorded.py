"""The recorded runs that come with the program, in the store: added once, replaced by newer ones, taken out where they are switched off."""

from __future__ import annotations

import os
import threading
import time

from ..errors import InputError
from ..recordings import shipped
from ..storage.store import Store
from ..transfer import bundle_recorded

VARIABLE = "APPCORE_RECORDINGS"  # "off": a store has none
_FIRST_PAINT_SECONDS = 0.5  # the browser draws the first page meanwhile
_BREATH_SECONDS = 0.01  # between two transactions, for whoever draws a page
_TOGETHER = 8  # runs in one transaction: each waits for the disk


class Recorded:
    """Brings the recorded runs of a store up to date, once for each process, in a thread."""

    def __init__(self, store: Store):
        self._store = store
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_awaited = threading.Event()
        self.problem = ""  # why they could not be brought up to date

    def begin(self) -> None:
        """Begin, where that has not been done."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="appcore-recorded", daemon=True)
                self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for them, at most so many seconds; whether they are up to date, as far as that could be done."""
        self._is_awaited.set()
        self.begin()
        assert self._thread is not None
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        if are_wanted():
            self._is_awaited.wait(_FIRST_PAINT_SECONDS)
        try:
            bring_up_to_date(self._store)
        except InputError as error:  # such as a store that is locked: what is in it can be seen all the same
            self.problem = error.message


def are_wanted() -> bool:
    """Whether stores have recorded runs."""
    return os.environ.get(VARIABLE, "on").strip().lower() not in ("off", "no", "false", "0")


def bring_up_to_date(store: Store) -> list[str]:
    """Let the store have the recorded runs of this version of the program and no others; returns the ids of those that were added.

    InputError when all else is done, where one could not be added.
    """
    wanted, here = shipped.runs() if are_wanted() else {}, store.recorded()
    problems: list[InputError] = []
    for run_id, mark in here.items():
        if mark != wanted.get(run_id):
            store.delete_recorded(run_id)
    missing = [run_id for run_id, mark in wanted.items() if here.get(run_id) != mark]
    added: list[str] = []
    for start in range(0, len(missing), _TOGETHER):
        added += _added(store, missing[start : start + _TOGETHER], problems)
        time.sleep(_BREATH_SECONDS)
    if problems:
        raise problems[0]
    return added


def _added(store: Store, run_ids: list[str], problems: list[InputError]) -> list[str]:
    """Add runs in one transaction; where that fails one by one, and what fails then is a problem."""
    try:
        return bundle_recorded.add(store, [(shipped.read(run_id), shipped.runs()[run_id]) for run_id in run_ids])
    except InputError as error:
        if len(run_ids) > 1:
            return [run_id for one in run_ids for run_id in _added(store, [one], problems)]
        if not store.revision(run_ids):  # else another process was quicker, or somebody imported the file
            problems.append(error)
        return []
