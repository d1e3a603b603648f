"""The queue of one device: its jobs, and the thread that advances them. Knows no launchers.

In this process one job at a time trains on a device; the next begins when it has ended or all of it is paused. Jobs with processes of
their own train side by side, as many as there are slots for on this machine, or as users have chosen; those that an engine places elsewhere
take no slots of this machine. A resumed run carries on at once, beside the jobs that train by then. Users are served in turn
(fair_order.py).
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..errors import BusyError, InputError
from ..statuses import ENDING, WAITING
from ..storage import heartbeat
from ..storage.store import Store
from . import hardware, over, slots
from .engine_port import Engine, Need, Work, need_of
from .fair_order import fair_order
from .launchers.base import Job
from .slots import Slot

Start = Callable[..., Job]  # a launcher's `start`
POLL_SECONDS = 0.1  # how soon a resumed run or an ended worker is noticed


@dataclass(eq=False)
class _Waiting:
    """A job that has not begun. A held one lets later jobs begin first. Of a run whose fence has changed another process took hold."""

    run_ids: list[str]
    fences: Mapping[str, str | None] = field(default_factory=dict)
    owner: str = ""
    is_held: bool = False
    need: Need | None = None  # once it has been asked for: that takes a while


@dataclass(eq=False)
class _Begun:
    """A job that has begun, and the slots that it holds while it trains."""

    job: Job
    slot: Slot
    owner: str
    need: Need

    @property
    def run_ids(self) -> list[str]:
        return self.job.run_ids


class Queue:
    """The jobs of one device, begun by one daemon thread that survives any exception of a run.

    `most`: how many may train at once, asked again and again; None: as many as this machine has slots for. `is_here`: they train in this
    process, one at a time. `is_elsewhere`: an engine finds the place for each.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        start: Start,
        work: Work | None,
        *,
        is_here: bool = True,
        is_elsewhere: bool = False,
        most: Callable[[], int | None] = lambda: None,
    ):
        self._name, self._store, self._start, self._work = name, store, start, work
        self._is_here, self._is_elsewhere = is_here, is_elsewhere
        self._ask_most, self._most = most, 1 if is_here else None
        self._lock, self._sweeping = threading.Condition(), threading.Lock()
        self._waiting: list[_Waiting] = []  # each user's in the order that they want
        self._started: list[_Begun] = []
        self._served: dict[str, int] = {}  # how many jobs had begun when a job of a user began last
        self._line = self._new_slot()  # the place of the next job among the programs of this machine
        self._calls: list[tuple[Future[Any], Callable[[], Any]]] = []
        self._is_closing, self._deadline = False, 0.0
        self._thread: threading.Thread | None = None

    def _new_slot(self) -> Slot:
        return Slot(self._name, hardware.own_gpu() if self._is_here else None)

    def add(self, run_ids: list[str], fences: Mapping[str, str | None], owner: str = "") -> None:
        with self._lock:
            if self._is_closing:
                raise InputError("the program is ending; start it again, then resume", "launcher")
            self._waiting.append(_Waiting(list(run_ids), fences, owner))
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
            jobs: list[_Waiting | _Begun] = [*self._waiting, *self._started]
            return [run_id for job in jobs for run_id in job.run_ids]

    def position(self, run_id: str) -> int | None:
        """0: begun; n: the n-th to wait; None: not here."""
        with self._lock:
            jobs: list[_Waiting | _Begun] = [*self._started, *self._in_order()]
            found = [index for index, job in enumerate(jobs) if run_id in job.run_ids]
            return max(0, found[0] - len(self._started) + 1) if found else None

    def waits_for(self, run_id: str) -> str:
        """The other programs that the next run here waits for, in words; empty for any other run."""
        others = [one for one in self._line.ahead if one["pid"] != os.getpid()]
        return slots.in_words(others) if self.position(run_id) == 1 else ""

    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def waiting(self) -> list[str]:
        """The runs that wait, in the order in which they will begin."""
        with self._lock:
            return [run_id for job in self._in_order() for run_id in job.run_ids]

    def _in_order(self) -> Iterator[_Waiting]:
        """The jobs that wait, in the order in which they will begin."""
        waiting = list(self._waiting)
        training = Counter(begun.owner for begun in self._started if begun.job.is_running)
        return (waiting[place] for place in fair_order([job.owner for job in waiting], training, self._served))

    def move(self, run_id: str, where: str) -> bool:
        """Let a job that waits begin earlier or later than the others of its user; False when it is not waiting here."""
        with self._lock:
            moved = next((job for job in self._waiting if run_id in job.run_ids), None)
            if moved is None:
                return False
            line = [job for job in self._waiting if job.owner == moved.owner]
            place = line.index(moved)
            line.remove(moved)
            line.insert({"front": 0, "up": max(0, place - 1), "down": place + 1, "back": len(line)}[where], moved)
            order = iter(line)
            self._waiting = [next(order) if job.owner == moved.owner else job for job in self._waiting]
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
            asked = [job for job in jobs if not job.is_held and {commands.get(run_id) for run_id in job.run_ids} == {"pause"}]
            if asked:  # what an earlier worker left stopped, with the word to stay paused, begins and is held there: see placed
                queued = self._store.queued([run_id for job in asked for run_id in job.run_ids])
                self._hold([job for job in asked if set(job.run_ids) <= queued.keys()])
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
            for patience in (0.0, 1.0):  # all of them are asked to end before any is waited for
                for begun in self._started:
                    with suppress(Exception):
                        begun.job.close(patience * max(0.0, self._deadline - time.monotonic()))
            for begun in self._started:
                begun.slot.release()
            self._started = []
            self._line.release()
            for called, _ in self._calls:
                called.set_exception(BusyError())

    def _round(self) -> None:
        """Begin the next job where there is room, then give each begun one a turn."""
        if not self._is_here:
            self._most = self._ask_most()
        with self._lock:
            if not (self._waiting or self._started or self._calls or self._is_closing):
                self._lock.wait()
            elif not (any(begun.job.is_eager for begun in self._started) or self._next() or self._calls):
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
        for begun in self._started:
            if self._is_closing:
                return
            if not begun.job.advance():
                self._started = [other for other in self._started if other is not begun]  # never changed in place: other threads read it
                begun.slot.release()
        self._keep_slots()

    def _begin_in_turn(self, job: _Waiting) -> None:
        """Begin a job as soon as it gets its slots on this machine, unless it was held, moved or stopped meanwhile."""
        found = self._store.queued(job.run_ids)
        if job.need is None and not self._is_elsewhere:
            job.need = need_of(self._work or Engine(), [row["config"] for row in found.values()])
        is_our_turn = self._take(self._line, job.run_ids, job.need or Need())
        with self._lock:
            if is_our_turn and job is self._next() and not self._is_closing:
                self._waiting.remove(job)
                self._begin(job, [run_id for run_id in job.run_ids if job.fences.get(run_id) == found.get(run_id, {}).get("fence")])
            elif not self._is_closing:
                self._lock.wait(POLL_SECONDS)

    def _keep_slots(self) -> None:
        """Hold slots only for jobs that train: other programs get their turn between two jobs, and a resumed run takes them at once."""
        for begun in self._started:
            if begun.job.is_running and not begun.slot.is_taken:
                self._take(begun.slot, begun.run_ids, begun.need, at_once=True)
            elif begun.slot.is_taken and not begun.job.is_running:
                begun.slot.release()
        if not self._next():
            self._line.release()

    def _take(self, slot: Slot, run_ids: list[str], need: Need, at_once: bool = False) -> bool:
        most = None if self._is_here else self._most
        return self._is_elsewhere or slot.take(need.slots, f"run {' and '.join(run_ids)}", at_once, size=need.size, most=most)

    def _next(self) -> _Waiting | None:
        """The job that may begin now; none while as many train as may."""
        if self._most is not None and sum(begun.job.is_running for begun in self._started) >= self._most:
            return None
        return next((job for job in self._in_order() if not job.is_held), None)

    def _begin(self, job: _Waiting, run_ids: list[str]) -> None:
        """Start a job with the slots that were taken for it; runs that were taken elsewhere are left out."""
        if not run_ids:
            return
        try:
            slot, several = self._line, len(hardware.gpus()) > 1 and self._name != "cpu" and not (self._is_here or self._is_elsewhere)
            where = {"environment": hardware.only(slot.gpu)} if several and slot.gpu else {}
            begun = _Begun(self._start(self._store, run_ids, self._work, **where), slot, job.owner, job.need or Need())
        except Exception as error:
            print(f"runs {', '.join(run_ids)}: {error}", file=sys.stderr)
            for run_id in run_ids:
                with suppress(InputError):
                    words = f"could not be started: {error}"
                    self._store.claim(run_id, ("queued",), status="failed", error=words)
                    over.tell(self._store, run_id, "failed", words)
            return
        self._line, self._started = self._new_slot(), [*self._started, begun]
        self._served[job.owner] = max(self._served.values(), default=0) + 1
