"""A worker process: `python -m appcore.runner.worker RUN...` drives runs in lockstep, in the store of APPCORE_STORE.

Exit codes: 0 all are done, or were stopped by a command; 1 one has failed, or may not run; 75 one is not done, to be tried again: this
process was asked to end (SIGTERM, SIGHUP), another one has the run, or there is no room for it now.

With `--placed` before the runs an engine has given this process its place (see placed.py): it does not wait for slots of this machine, and
what it prints is kept with the runs (run_log.py). Asked to end, it says so on its runs, whom somebody else may then place again.

With `--tethered N` it drives one job after another for the process that started it, which has waited for their slots: each is a line of
JSON on standard input, `{"runs": [...], "log": whether they need a new one}`, answered by a line with its exit code at the file
descriptor N. When standard input closes, that process has ended: what trains is stopped, resumable.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import IO, Any

from ..errors import InputError, NoRoomError
from ..statuses import ACTIVE
from ..storage import heartbeat
from ..storage.store import Store, StoreError
from ..trackers import on_end
from . import hardware, run_log, signals, slots
from .engine_port import Engine, need_of
from .lockstep import LocalJob

GRACE_SECONDS = 20.0  # after SIGTERM a run may go on to the end of its segment for so long; Slurm and Kubernetes kill after 30
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h
PREEMPTED = "its worker was asked to end by the cluster or the machine; resume goes on with it"  # the error of a run, said before it stops
PLACED = "--placed"
_POLL_SECONDS = 0.1


def main(arguments: list[str]) -> int:
    """Drive runs to their ends; returns the exit code."""
    try:
        if arguments[:1] == ["--tethered"]:
            return _serve(int(arguments[1]))
        with signals.noted() as ending:
            return _judged(lambda: _work(arguments, ending))
    finally:
        on_end.wait()


def _judged(work: Callable[[], int]) -> int:
    try:
        return work()
    except InputError as error:
        print(f"worker: {error.message}", file=sys.stderr)
        return TRY_AGAIN if isinstance(error, StoreError) else 1


def _work(run_ids: list[str], ending: signals.Ending) -> int:
    store = Store()
    if run_ids[:1] == [PLACED]:
        run_ids = run_ids[1:]
        _print_to(run_log.begin(store.folder, run_ids))
        return _drive_all(store, run_ids, ending, threading.Event(), {"error": PREEMPTED})
    configs = [store.get(run_id)["config"] for run_id in run_ids]
    device, need = hardware.device_of(configs[0].get("device", "auto")), need_of(Engine(), configs)
    gpu, what = hardware.own_gpu(), f"run {' and '.join(run_ids)}"
    with slots.turn(device, need.slots, what, lambda: ending.is_asked, size=need.size, gpu=gpu):
        return _drive_all(store, run_ids, ending, threading.Event())


def _serve(answers: int) -> int:
    """Drive one job after another for the parent, as standard input says."""
    jobs: SimpleQueue[dict[str, Any]] = SimpleQueue()
    parent_ended, code, store = threading.Event(), 0, Store()
    threading.Thread(target=_listen, args=(jobs, parent_ended), name="appcore-tether", daemon=True).start()
    with signals.noted() as ending:
        while not (parent_ended.is_set() or ending.is_asked):
            try:
                job = jobs.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            if job["log"]:
                _print_to(run_log.begin(store.folder, job["runs"]))
            code = _judged(partial(_drive_all, store, job["runs"], ending, parent_ended))
            with suppress(OSError):  # the parent has ended
                os.write(answers, f"{code}\n".encode())
    return code


def _print_to(log: IO[bytes]) -> None:
    """Let all that this process prints from here on be written to a file, line by line."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        if isinstance(stream, io.TextIOWrapper):  # an engine may have put something else there
            stream.reconfigure(line_buffering=True)
    with log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)


def _listen(jobs: SimpleQueue[dict[str, Any]], parent_ended: threading.Event) -> None:
    rest = b""
    while data := os.read(0, 65_536):  # not sys.stdin: its lock, held here, would make the interpreter's exit a crash
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            jobs.put(json.loads(line))
    parent_ended.set()


def _drive_all(
    store: Store, run_ids: list[str], ending: signals.Ending, parent_ended: threading.Event, told: Mapping[str, str] = MappingProxyType({})
) -> int:
    """Drive runs in lockstep to their ends; returns the exit code. `told`: what is written on those that must end before they are done."""
    job = LocalJob(store, run_ids)
    with heartbeat.Heartbeat(store.beat, lambda: job.run_ids):
        _drive(store, job, ending, parent_ended, told)
    is_cut_short = ending.is_asked or parent_ended.is_set()
    return max((_code(store, run_id, job.refused.get(run_id), is_cut_short) for run_id in run_ids), default=0)


def _drive(store: Store, job: LocalJob, ending: signals.Ending, parent_ended: threading.Event, told: Mapping[str, str]) -> None:
    """Advance the runs to their ends. Asked to end, they are preempted: each goes on to where little is lost, for a while."""
    deadline = 0.0 if ending.is_asked else math.inf  # nothing is begun any more
    try:
        while not parent_ended.is_set() and time.monotonic() < deadline and job.advance():
            if ending.is_asked and deadline == math.inf:
                deadline = time.monotonic() + GRACE_SECONDS
                store.update_all(job.run_ids, ACTIVE, is_held=True, command="preempt", **told)
            if not job.is_running:
                time.sleep(_POLL_SECONDS)
    finally:
        job.close()


def _code(store: Store, run_id: str, refusal: InputError | None, is_cut_short: bool) -> int:
    """The exit code for one run, by what the store says of it; the largest counts."""
    try:
        status = store.get(run_id)["status"]
    except StoreError:
        raise
    except InputError:  # deleted
        return 1
    if status == "done" or (status == "stopped" and not refusal and not is_cut_short):
        return 0
    if status == "failed" or (status not in ACTIVE and refusal and not isinstance(refusal, (NoRoomError, StoreError))):
        return 1
    return TRY_AGAIN


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(ended)  # all is written, and an orderly shutdown of torch costs a second
