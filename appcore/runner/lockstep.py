"""A job (see device_queue) whose runs are driven in lockstep in this process. Knows no queue."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Generator
from contextlib import suppress

from ..errors import InputError
from ..statuses import ACTIVE, MOVING
from ..storage.store import Store
from . import driver, over
from .engine_port import Work


class LocalJob:
    """Runs driven by the calling thread in lockstep: one event of each in turn."""

    def __init__(self, store: Store, run_ids: list[str], work: Work | None = None):
        self._store, self._work = store, work
        self._driven: dict[str, Generator[str, None, None] | None] = dict.fromkeys(run_ids)
        self.run_ids = list(run_ids)
        self.refused: dict[str, InputError] = {}  # runs that could not be taken over, and why
        self.is_running = self.is_eager = True

    def advance(self) -> bool:
        """One event of every run; False when all have ended."""
        statuses = {run_id: self._advance(run_id) for run_id in self.run_ids}
        self.run_ids = [run_id for run_id, status in statuses.items() if status in ACTIVE]
        self.is_running = self.is_eager = any(status in MOVING for status in statuses.values())
        return bool(self.run_ids)

    def close(self, seconds: float = 0.0) -> None:
        """Stop every run; each can be resumed. Nothing here waits, so `seconds` is ignored."""
        for run_id in self.run_ids:
            driven = self._driven.pop(run_id)
            if driven is not None:
                with suppress(Exception):
                    driven.close()
        self.run_ids = []

    def _advance(self, run_id: str) -> str | None:
        """The run's status after one more event. No error of one run reaches its partners or the thread."""
        status = None
        try:
            driven = self._driven[run_id]
            if driven is None:
                driven = self._driven[run_id] = driver.steps(self._store, run_id, work=self._work)
            status = next(driven, None)
            if status not in ACTIVE:
                self._driven.pop(run_id)
                driven.close()
        except InputError as error:
            print(f"run {run_id}: {error.message}", file=sys.stderr)
            self.refused[run_id] = error
            self._fail(run_id, error)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            self._fail(run_id, error)
        return status

    def _fail(self, run_id: str, error: BaseException) -> None:
        """Say on a run that waits here why it cannot begin."""
        with suppress(Exception):  # refused where another process drives the run by now
            words = driver.explain(error)
            self._store.claim(run_id, ("queued",), status="failed", error=words)
            over.tell(self._store, run_id, "failed", words)
