"""The contract of a launcher: one file that says where runs are carried out.

A file offers `CHOICES = {name: title}` and one function, `start(store, run_ids, work) -> Job`: it sets these runs going, which advance in
lockstep, and returns at once with the job that stands for them. `work` is None for the engine, or a stand-in of a test; a launcher that
carries runs out elsewhere than in this process drives the engine in any case. Optional: `IN_THIS_PROCESS = True` where the data that the
command line loaded to check them serve the run as well.

The queue of a device (runner/device_queue) starts a job when its turn has come and then calls `advance` again and again, from one thread.
What a job does to its runs it writes into the store, where commands for them lie too; `driver.steps` and `lockstep.LocalJob` do both.
appcore/testing has the tests that every launcher passes.
"""

from __future__ import annotations

from typing import Protocol


class Job(Protocol):
    """Runs that advance in turn. It says after each `advance` whether it occupies its device (`is_running`: not all paused) and whether it
    wants its next turn at once (`is_eager`) or can be looked at again a moment later.

    `advance` is False when all runs have ended; `close` stops them, resumable, and waits for that up to `seconds`.
    """

    run_ids: list[str]
    is_running: bool
    is_eager: bool

    def advance(self) -> bool: ...
    def close(self, seconds: float = 0.0) -> None: ...
