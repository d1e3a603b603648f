"""The contract of a launcher plug-in: one file that decides where runs are carried out.

A file offers `CHOICES = {name: title}` and one function, `start(store, run_ids, work) -> Job`: it starts these runs, which advance in
lockstep, and returns at once with a job that represents them. `work` is None for the engine, or a test's fake; a launcher that
carries runs out outside this process always drives the engine. Optional: `IN_THIS_PROCESS = True` where the data that the
command line loaded to check them serve the run as well.

The queue of a device (runner/device_queue) starts a job when its turn has come and then calls `advance` repeatedly, from one thread.
A job writes all results of its runs to the store and reads commands for them there; `driver.steps` and `lockstep.LocalJob` do both.
appcore/testing has the tests that every launcher passes.
"""

from __future__ import annotations

from typing import Protocol


class Job(Protocol):
    """One or more runs that advance in turn. After each `advance`, `is_running` says whether it occupies its device (not all runs paused)
    and `is_eager` whether it should be advanced again at once, or after a short wait.

    `advance` returns False when all runs have ended; `close` stops them, resumable, waiting up to `seconds`.
    """

    run_ids: list[str]
    is_running: bool
    is_eager: bool

    def advance(self) -> bool: ...
    def close(self, seconds: float = 0.0) -> None: ...
