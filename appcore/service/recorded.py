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
_FIRST_PAINT_SECONDS = 0.5  # the first page is drawn meanwhile
_BREATH_SECONDS = 0.01  # between two runs, for whoever draws a page


class Recorded:
    """Brings the recorded runs of a store up to date, once for each process, in a thread."""

    def __init__(self, store: Store):
        self._store = store
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.problem = ""  # why they could not be brought up to date

    def begin(self) -> None:
        """Begin, where that has not been done."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="appcore-recorded", daemon=True)
                self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for them, at most so many seconds; whether they are up to date, as far as that could be done."""
        if self._thread is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        if are_wanted():
            time.sleep(_FIRST_PAINT_SECONDS)
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
    added: list[str] = []
    problems: list[InputError] = []
    for run_id, mark in here.items():
        if mark != wanted.get(run_id):
            store.delete_recorded(run_id)
    for run_id, mark in wanted.items():
        if here.get(run_id) != mark:
            try:
                added.append(bundle_recorded.add(store, shipped.read(run_id), mark))
            except InputError as error:
                if not store.revision([run_id]):  # else another process was quicker, or somebody imported the file
                    problems.append(error)
            time.sleep(_BREATH_SECONDS)
    if problems:
        raise problems[0]
    return added
