"""A worker process: `python -m appcore.runner.worker [--tethered] RUN...` drives runs in lockstep, in the store of APPCORE_STORE."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext

from ..storage import heartbeat
from ..storage.store import Store
from . import slots
from .engine_port import Engine, threads_of
from .lockstep import LocalJob

_POLL_SECONDS = 0.1


def main(arguments: list[str]) -> int:
    """Drive runs to their ends. With --tethered they are stopped, resumable, when standard input closes: the parent has ended."""
    store, ending = Store(), threading.Event()
    turn: AbstractContextManager[None] = nullcontext()
    if arguments[:1] == ["--tethered"]:  # the parent has already waited for its slots
        arguments = arguments[1:]
        threading.Thread(target=_wait_for_end, args=(ending,), name="appcore-tether", daemon=True).start()
    else:
        configs = [store.get(run_id)["config"] for run_id in arguments]
        device = slots.device_of(configs[0].get("device", "auto"))
        turn = slots.turn(device, threads_of(Engine(), configs), f"run {' and '.join(arguments)}")
    job = LocalJob(store, arguments)
    with turn, heartbeat.Heartbeat(store.beat, lambda: job.run_ids):
        try:
            while not ending.is_set() and job.advance():
                if not job.is_running:
                    time.sleep(_POLL_SECONDS)
        finally:
            job.close()
    return 0


def _wait_for_end(ending: threading.Event) -> None:
    while os.read(0, 1024):  # not sys.stdin: its lock, held here, would make the interpreter's exit a crash
        pass
    ending.set()


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(ended)  # all is written, and an orderly shutdown of torch costs a second
