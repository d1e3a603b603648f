"""Runs in worker processes, as many at once as this machine has slots for. A crash there, or a GPU in a bad state, does not affect this
process, and a worker that ended a job well takes the next one, so that torch is imported once for each slot and not for each run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from ... import paths, plugins
from ...statuses import OVER
from ...storage import heartbeat
from ...storage.store import Store
from .. import run_log
from ..engine_port import Work
from .base import Job

CHOICES = {"process": "In processes of their own, as many at once as this machine carries"}
REST_SECONDS = 20.0  # how long a worker waits for its next job; it keeps torch in memory
_LOG_CHARACTERS = 4000
_resting: list[_Worker] = []
_lock = threading.Lock()  # of the list


def start(store: Store, run_ids: list[str], work: Work | None, environment: Mapping[str, str] | None = None) -> Job:
    """Start these runs in a worker process, with these variables besides those of this process."""
    return WorkerJob(store, run_ids, environment or {})


def let_go(store: Store) -> None:
    """End the workers that wait for a job of this store."""
    with _lock:
        chosen = [worker for worker in _resting if worker.url == store.url]
        _resting[:] = [worker for worker in _resting if worker not in chosen]
    for worker in chosen:
        worker.let_go()


class WorkerJob:
    """Runs driven in lockstep by a worker process. Its standard input is a pipe from this one, so that it ends with it.

    When this program ends, however it ends, the worker notices, stops its runs and exits; they can be resumed.
    """

    is_eager = False

    def __init__(self, store: Store, run_ids: list[str], environment: Mapping[str, str] = {}):
        self._store, self._all = store, list(run_ids)
        self.run_ids, self.is_running = list(run_ids), True
        self._worker = _worker_for(store.url, environment)
        self._worker.begin(self._all, store.folder)

    def advance(self) -> bool:
        """Check on the worker; False when the job has ended."""
        code = self._worker.code()
        if code is not None:
            self._account(code)
            if code == 0:
                self._worker.rest()
            else:  # whatever made a run fail may make the next one fail
                self._worker.let_go()
            self.run_ids = []
            return False
        statuses = {run_id: status for run_id, _, status in self._store.revision(self._all)}
        self.run_ids = [run_id for run_id in self._all if statuses.get(run_id) not in (None, *OVER)]
        # While the worker comes to an end it keeps its slots, or the next job would begin before it could take that one.
        self.is_running = not self.run_ids or any(statuses[run_id] != "paused" for run_id in self.run_ids)
        return True

    def close(self, seconds: float = 0.0) -> None:
        """Ask the worker to stop its runs and end; it does so after the step that it is in."""
        self._worker.let_go()
        with suppress(subprocess.TimeoutExpired):
            self._account(self._worker.process.wait(seconds))

    def _account(self, code: int) -> None:
        """Record why the worker died on the runs that it left unfinished."""
        for run_id in self.run_ids:  # an error, e.g. a locked store, reaches the queue, which tries again: the cause is not lost
            told = {"status": "lost", "command": None, "error": _cause(code), "traceback": self._last_words()}
            self._store.forfeit(run_id, self._worker.identity, **told)

    def _last_words(self) -> str:
        text = run_log.of_last_worker(paths.run_folder(self._store.folder, self._all[0]))
        return text if len(text) <= 2 * _LOG_CHARACTERS else f"{text[:_LOG_CHARACTERS]}\n...\n{text[-_LOG_CHARACTERS:]}"


class _Worker:
    """A worker process (see runner/worker), with one job at a time. It begins with its first one, in whose log it says why it could not."""

    def __init__(self, url: str, environment: dict[str, str], sources: tuple[int, ...]):
        self.url, self.environment, self.sources = url, environment, sources
        self.process: subprocess.Popen[bytes]
        self._code: int | None = None
        self._answers = -1
        self._timer = threading.Timer(0, self._retire)

    def begin(self, run_ids: list[str], folder: Path) -> None:
        """Give it a job of runs whose folders lie in `folder`."""
        self._code, is_new = None, self._answers < 0
        if is_new:
            with run_log.begin(folder, run_ids) as output:
                self._start(output)
        self._timer.cancel()
        assert self.process.stdin is not None
        line = json.dumps({"runs": run_ids, "log": not is_new})
        with suppress(OSError):  # it has died, which `code` finds out
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def _start(self, output: IO[bytes]) -> None:
        root = str(Path(__file__).resolve().parents[3])
        environment = {**self.environment, paths.STORE_VARIABLE: self.url, "PYTHONUNBUFFERED": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
        module = f"{__package__.rpartition('.')[0]}.worker"
        self._answers, answers = os.pipe()
        os.set_blocking(self._answers, False)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", module, "--tethered", str(answers)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=[answers],
                start_new_session=True,  # Ctrl-C in the terminal is for this process, which then closes the pipe
            )
        finally:
            os.close(answers)
        self.identity = heartbeat.of(self.process.pid)

    def code(self) -> int | None:
        """The exit code of its job, or of the process where that has ended before; None while the job goes on."""
        if self._code is None:
            died, answer = self.process.poll(), b""
            with suppress(BlockingIOError):  # nothing yet
                answer = os.read(self._answers, 100)
            self._code = int(answer) if answer else died
        return self._code

    def rest(self) -> None:
        """Wait for another job, for a while."""
        self._timer = threading.Timer(REST_SECONDS, self._retire)
        self._timer.daemon = True
        with _lock:
            _resting.append(self)
        self._timer.start()

    def _retire(self) -> None:
        with _lock:
            is_resting = self in _resting
            if is_resting:
                _resting.remove(self)
        if is_resting:
            self.let_go()

    def let_go(self) -> None:
        """Close the pipe, at which the worker stops its runs and ends."""
        self._timer.cancel()
        if self.process.stdin is not None and not self.process.stdin.closed:
            with suppress(OSError):
                self.process.stdin.close()
            threading.Thread(target=self._bury, name="appcore-worker-end", daemon=True).start()

    def _bury(self) -> None:
        self.process.wait()

    def __del__(self) -> None:
        if self._answers >= 0:
            os.close(self._answers)


def _worker_for(url: str, environment: Mapping[str, str]) -> _Worker:
    """A worker that rests, with the environment and plug-ins of now, or else a new one."""
    wanted = url, {**os.environ, **environment}, plugins.changed()
    with _lock:
        for worker in _resting:
            if (worker.url, worker.environment, worker.sources) == wanted and worker.process.poll() is None:
                _resting.remove(worker)
                return worker
    return _Worker(*wanted)


def _cause(code: int) -> str:
    if code >= 0:
        return f"the worker process ended early with code {code}; its last words are kept with the run; resume to go on"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    often = "; often because this machine ran out of memory" if name == "SIGKILL" else ""
    return f"the worker process was ended by {name}{often}; resume to go on from the last checkpoint"
