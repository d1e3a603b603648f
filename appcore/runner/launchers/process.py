"""Runs in worker processes: a crash there, or a GPU in a bad state, does not affect this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ... import files, paths
from ...statuses import OVER
from ...storage import heartbeat
from ...storage.store import Store
from ..engine_port import Work
from .base import Job

CHOICES = {"process": "In a process of its own, whose crash leaves this one alone"}
_LOG_CHARACTERS = 4000


def start(store: Store, run_ids: list[str], work: Work | None) -> Job:
    """Start a worker process that drives these runs."""
    return WorkerJob(store, run_ids)


class WorkerJob:
    """Runs driven in lockstep by a process of their own. Its standard input is a pipe from this one, so that it ends with it.

    When this program ends, however it ends, the worker notices, stops its runs and exits; they can be resumed.
    """

    is_eager = False

    def __init__(self, store: Store, run_ids: list[str]):
        self._store, self._all = store, list(run_ids)
        self.run_ids, self.is_running = list(run_ids), True
        self._log = paths.worker_log(paths.run_folder(store.folder, run_ids[0]))
        root = str(Path(__file__).resolve().parents[3])
        environment = {**os.environ, paths.STORE_VARIABLE: store.url, "PYTHONUNBUFFERED": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        with files.fresh(self._log) as log:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", f"{__package__.rpartition('.')[0]}.worker", "--tethered", *run_ids],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C in the terminal is for this process, which then closes the pipe
            )
        self._worker = heartbeat.of(self._process.pid)

    def advance(self) -> bool:
        """Check on the worker; False when it has ended."""
        code = self._process.poll()
        if code is not None:
            self._account(code)
            self.run_ids = []
            return False
        statuses = {run_id: status for run_id, _, status in self._store.revision(self._all)}
        self.run_ids = [run_id for run_id in self._all if statuses.get(run_id) not in (None, *OVER)]
        self.is_running = any(statuses[run_id] != "paused" for run_id in self.run_ids)
        return True

    def close(self, seconds: float = 0.0) -> None:
        """Ask the worker to stop its runs and end; it does so after the step that it is in."""
        self._let_go()
        with suppress(subprocess.TimeoutExpired):
            self._account(self._process.wait(seconds))

    def _let_go(self) -> None:
        """Close the pipe, at which the worker stops its runs and ends."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _account(self, code: int) -> None:
        """Record why the worker died on the runs that it left unfinished."""
        self._let_go()
        for run_id in self.run_ids:  # an error, e.g. a locked store, reaches the queue, which tries again: the cause is not lost
            told = {"status": "lost", "command": None, "error": _cause(code), "traceback": self._last_words()}
            self._store.forfeit(run_id, self._worker, **told)

    def _last_words(self) -> str:
        with suppress(OSError):
            text = self._log.read_text(errors="replace")
            return text if len(text) <= 2 * _LOG_CHARACTERS else f"{text[:_LOG_CHARACTERS]}\n...\n{text[-_LOG_CHARACTERS:]}"
        return ""


def _cause(code: int) -> str:
    if code >= 0:
        return f"the worker process ended early with code {code}; its last words are kept with the run; resume to go on"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    often = "; often because this machine ran out of memory" if name == "SIGKILL" else ""
    return f"the worker process was ended by {name}{often}; resume to go on from the last checkpoint"
