"""The queue of one device: its jobs, and the thread that advances them. Knows no launchers.

One job at a time trains on a device; the next begins when it has ended or all of it is paused. A resumed run carries on at once,
in turn with the job that trains by then.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..errors import BusyError, InputError
from ..statuses import ENDING, WAITING
from ..storage import heartbeat
from ..storage.store import Store
from .engine_port import Engine, Work, threads_of
from .launchers.base import Job
from .slots import Slot

Start = Callable[[Store, list[str], Work | None], Job]  # a launcher's `start`
POLL_SECONDS = 0.1  # how soon a resumed run or an ended worker is noticed


@dataclass(eq=False)
class _Waiting:
    """A job that has not begun. A held one lets later jobs begin first. Of a run whose fence has changed another process took hold."""

    run_ids: list[str]
    fences: Mapping[str, str | None] = field(default_factory=dict)
    is_held: bool = False


class Queue:
    """The jobs of one device, begun in order of arrival by one daemon thread that survives any exception of a run."""

    def __init__(self, name: str, store: Store, start: Start, work: Work | None):
        self._name, self._store, self._start, self._work = name, store, start, work
        self._lock, self._sweeping = threading.Condition(), threading.Lock()
        self._waiting: list[_Waiting] = []
        self._started: list[Job] = []
        self._slot = Slot(name)
        self._calls: list[tuple[Future[Any], Callable[[], Any]]] = []
        self._is_closing, self._deadline = False, 0.0
        self._thread: threading.Thread | None = None

    def add(self, run_ids: list[str], fences: Mapping[str, str | None]) -> None:
        with self._lock:
            if self._is_closing:
                raise InputError("the program is ending; start it again, then resume", "launcher")
            self._waiting.append(_Waiting(list(run_ids), fences))
            self._wake()

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._serve, name=f"appcore-{self._name}", daemon=True)
            self._thread.start()
            heartbeat.Heartbeat(self._beat, self.run_ids, self._thread.is_alive).start()
        self._lock.notify()

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function in the training thread and return its result; `BusyError` while a job trains or waits to.

        The training thread is the only one that computes with several threads.
        """
        called: Future[Any] = Future()
        with self._lock:
            if self._waiting or self._started or self._is_closing:
                raise BusyError
            self._calls.append((called, function))
            self._wake()
        return called.result()

    def run_ids(self) -> list[str]:
        """The runs here that have not ended, waiting ones included."""
        with self._lock:
            jobs: list[_Waiting | Job] = [*self._waiting, *self._started]
            return [run_id for job in jobs for run_id in job.run_ids]

    def position(self, run_id: str) -> int | None:
        """0: begun; n: the n-th to wait; None: not here."""
        with self._lock:
            jobs: list[_Waiting | Job] = [*self._started, *self._waiting]
            found = [index for index, job in enumerate(jobs) if run_id in job.run_ids]
            return max(0, found[0] - len(self._started) + 1) if found else None

    def waits_for(self, run_id: str) -> str:
        """The other program that the next run here waits for, in words; empty for any other run."""
        return self._slot.waits_for if self.position(run_id) == 1 else ""

    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def waiting(self) -> list[str]:
        """The runs that wait, in the order in which they will begin."""
        with self._lock:
            return [run_id for job in self._waiting for run_id in job.run_ids]

    def move(self, run_id: str, where: str) -> bool:
        """Let a job that waits begin earlier or later; False when it is not waiting here."""
        with self._lock:
            place = next((index for index, job in enumerate(self._waiting) if run_id in job.run_ids), None)
            if place is None:
                return False
            job = self._waiting.pop(place)
            self._waiting.insert({"front": 0, "up": max(0, place - 1), "down": place + 1, "back": len(self._waiting)}[where], job)
            return True

    def sweep(self) -> None:
        """Obey the commands sent to waiting jobs: stop takes a run out, pause holds a job, resume puts it back in line.

        The store is never waited for with the lists locked, for all pages look into them.
        """
        with self._sweeping:
            waiting = self.waiting()
            commands = self._store.commands(waiting) if waiting else {}
            self._stop_waiting([run_id for run_id in commands if commands[run_id] in ENDING])
            with self._lock:
                jobs = list(self._waiting)
            self._hold([job for job in jobs if not job.is_held and {commands.get(run_id) for run_id in job.run_ids} == {"pause"}])
            self._release([job for job in jobs if job.is_held and "resume" in {commands.get(run_id) for run_id in job.run_ids}])
            with self._lock:
                self._lock.notify()

    def _hold(self, jobs: list[_Waiting]) -> None:
        """Only whole jobs are held; a single run of several that advance in turn is paused when its job begins."""
        with self._lock:
            jobs = [job for job in jobs if job in self._waiting]
            for job in jobs:
                job.is_held = True
        try:
            self._change(jobs, "pause", ("queued",), status="paused")
        except InputError:  # the next sweep tries again
            for job in jobs:
                job.is_held = False
            raise

    def _release(self, jobs: list[_Waiting]) -> None:
        self._change(jobs, "resume", ("paused",), status="queued")
        for job in jobs:
            job.is_held = False

    def _change(self, jobs: list[_Waiting], command: str, statuses: tuple[str, ...], **columns: Any) -> None:
        run_ids = [run_id for job in jobs for run_id in job.run_ids]
        if run_ids:
            self._store.update_all(run_ids, statuses, is_held=True, obeying=(command,), **columns)

    def close(self, deadline: float) -> None:
        with self._lock:
            self._is_closing, self._deadline = True, deadline
        self._stop_waiting(self.waiting())
        with self._lock:
            self._lock.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _stop_waiting(self, run_ids: list[str]) -> None:
        """Take runs out of the line; one that has begun meanwhile obeys its command by itself."""
        chosen = set(run_ids)
        with self._lock:
            stopped = [run_id for job in self._waiting for run_id in job.run_ids if run_id in chosen]
            for job in self._waiting:
                job.run_ids = [run_id for run_id in job.run_ids if run_id not in chosen]
            self._waiting = [job for job in self._waiting if job.run_ids]
        if stopped:
            self._store.update_all(stopped, WAITING, is_held=True, status="stopped", command=None)

    def _beat(self, run_ids: list[str]) -> None:
        self._store.beat(run_ids)
        self.sweep()

    def _serve(self) -> None:
        try:
            while not self._is_closing:
                try:
                    self._round()
                except BaseException:  # an error of the queue itself, e.g. a locked store: runs go on at the next round
                    traceback.print_exc()
                    time.sleep(POLL_SECONDS)
        finally:  # else the thread would die unnoticed: the runs that it had begun are stopped, not continued in the next one
            for job in self._started:
                with suppress(Exception):
                    job.close(max(0.0, self._deadline - time.monotonic()))
            self._started = []
            self._slot.release()
            for called, _ in self._calls:
                called.set_exception(BusyError())

    def _round(self) -> None:
        """Begin the next job when none is running, then give each begun one a turn."""
        with self._lock:
            if not (self._waiting or self._started or self._calls or self._is_closing):
                self._lock.wait()
            elif not (any(job.is_eager for job in self._started) or self._next() or self._calls):
                self._lock.wait(POLL_SECONDS)
            next_job = None if self._is_closing else self._next()
            calls, self._calls = self._calls, []
        for called, function in calls:
            try:
                called.set_result(function())
            except Exception as error:  # the caller's
                called.set_exception(error)
        if next_job:
            self._begin_in_turn(next_job)
        for job in self._started:
            if self._is_closing:
                return
            if not job.advance():
                self._started = [other for other in self._started if other is not job]  # never changed in place: other threads read it
        self._keep_slot()

    def _begin_in_turn(self, job: _Waiting) -> None:
        """Begin a job as soon as it gets its slots on this machine, unless it was held, moved or stopped meanwhile."""
        found = self._store.queued(job.run_ids)
        is_our_turn = self._take_slot(job.run_ids, [row["config"] for row in found.values()])
        with self._lock:
            if is_our_turn and job is self._next() and not self._is_closing:
                self._waiting.remove(job)
                self._begin([run_id for run_id in job.run_ids if job.fences.get(run_id) == found.get(run_id, {}).get("fence")])
            elif not self._is_closing:
                self._lock.wait(POLL_SECONDS)

    def _keep_slot(self) -> None:
        """Hold slots only while a job trains: other programs get their turn between two jobs, and a resumed run takes them at once."""
        training = next((job for job in self._started if job.is_running), None)
        if training and not self._slot.is_taken:
            configs = []
            for run_id in training.run_ids:
                with suppress(InputError):  # deleted meanwhile
                    configs.append(self._store.get(run_id)["config"])
            self._take_slot(training.run_ids, configs, at_once=True)
        elif not training and (self._slot.is_taken or not self._next()):
            self._slot.release()

    def _take_slot(self, run_ids: list[str], configs: list[dict[str, Any]], at_once: bool = False) -> bool:
        return self._slot.take(threads_of(self._work or Engine(), configs), f"run {' and '.join(run_ids)}", at_once)

    def _next(self) -> _Waiting | None:
        """The job that may begin now; none while another one trains."""
        if any(job.is_running for job in self._started):
            return None
        return next((job for job in self._waiting if not job.is_held), None)

    def _begin(self, run_ids: list[str]) -> None:
        if not run_ids:  # all of them were taken elsewhere
            return
        try:
            self._started = [*self._started, self._start(self._store, run_ids, self._work)]
        except Exception as error:
            print(f"runs {', '.join(run_ids)}: {error}", file=sys.stderr)
            for run_id in run_ids:
                with suppress(InputError):
                    self._store.claim(run_id, ("queued",), status="failed", error=f"could not be started: {error}")
