"""A worker process: `python -m appcore.runner.worker [--tethered] RUN...` drives runs in lockstep, in the store of APPCORE_STORE.

Exit codes: 0 all are done, or were stopped by a command; 1 one has failed, or may not run; 75 one is not done, to be tried again: this
process was asked to end (SIGTERM, SIGHUP), another one has the run, or there is no room for it now.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext

from ..errors import InputError, NoRoomError
from ..statuses import ACTIVE
from ..storage import heartbeat
from ..storage.store import Store, StoreError
from . import signals, slots
from .engine_port import Engine, threads_of
from .lockstep import LocalJob

GRACE_SECONDS = 20.0  # after SIGTERM a run may go on to the end of its segment for so long; Slurm and Kubernetes kill after 30
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h
_POLL_SECONDS = 0.1


def main(arguments: list[str]) -> int:
    """Drive runs to their ends; returns the exit code. With --tethered they are stopped, resumable, when standard input closes: the parent
    has ended."""
    try:
        return _work(arguments)
    except InputError as error:
        print(f"worker: {error.message}", file=sys.stderr)
        return TRY_AGAIN if isinstance(error, StoreError) else 1


def _work(arguments: list[str]) -> int:
    store, parent_ended = Store(), threading.Event()
    turn: AbstractContextManager[None] = nullcontext()
    is_tethered = arguments[:1] == ["--tethered"]  # the parent has already waited for its slots
    run_ids = arguments[is_tethered:]
    with signals.noted() as ending:
        if is_tethered:
            threading.Thread(target=_wait_for_end, args=(parent_ended,), name="appcore-tether", daemon=True).start()
        else:
            configs = [store.get(run_id)["config"] for run_id in run_ids]
            need = threads_of(Engine(), configs)
            device = slots.device_of(configs[0].get("device", "auto"))
            turn = slots.turn(device, need, f"run {' and '.join(run_ids)}", lambda: ending.is_asked)
        job = LocalJob(store, run_ids)
        with turn, heartbeat.Heartbeat(store.beat, lambda: job.run_ids):
            _drive(store, job, ending, parent_ended)
        is_cut_short = ending.is_asked or parent_ended.is_set()
        return max((_code(store, run_id, job.refused.get(run_id), is_cut_short) for run_id in run_ids), default=0)


def _drive(store: Store, job: LocalJob, ending: signals.Ending, parent_ended: threading.Event) -> None:
    """Advance the runs to their ends. Asked to end, they are preempted: each goes on to where little is lost, for a while."""
    deadline = 0.0 if ending.is_asked else math.inf  # nothing is begun any more
    try:
        while not parent_ended.is_set() and time.monotonic() < deadline and job.advance():
            if ending.is_asked and deadline == math.inf:
                deadline = time.monotonic() + GRACE_SECONDS
                store.update_all(job.run_ids, ACTIVE, is_held=True, command="preempt")
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


def _wait_for_end(ending: threading.Event) -> None:
    while os.read(0, 1024):  # not sys.stdin: its lock, held here, would make the interpreter's exit a crash
        pass
    ending.set()


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(ended)  # all is written, and an orderly shutdown of torch costs a second
