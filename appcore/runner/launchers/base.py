"""The contract of a launcher plug-in: one file that decides where runs are carried out.

A file offers `CHOICES = {name: title}` and one function, `start(store, run_ids, work) -> Job`: it starts these runs, which advance in
lockstep, and returns at once with a job that represents them. `work` is None for the engine, or a test's fake; a launcher that
carries runs out outside this process always drives the engine. Optional:

- `IN_THIS_PROCESS = True` where runs train in this process: one job at a time, and the data that the command line loaded to check them
  serve the run as well. Without it jobs train side by side, as many at once as this machine has slots for. Where there are several GPUs
  `start` is then given `environment` as well, the variables by which a program sees the one that is meant.
- `IS_ELSEWHERE = True` where an engine carries runs out, mostly on other machines: they take no slots of this one, and go on when this
  program ends. `PlacedJob` of runner/placed is their job.
- `WAITS_UNTIL = "..."`: what a run waits for there, in words.
- `nodes()`: the machines of the engine, for the page Machines: `{"host", "is_alive", "cores", "gpus", "memory" (bytes)}` each; None where
  this program is not connected to it, which the question must not change. Asked in a thread of its own, which may be held up.
- `PACKAGE = "name"`, `VARIABLE = "NAME"`: a package, a variable of the environment that it needs; without it menus leave it out.
- `check(store)`: InputError where it cannot be used now; asked before a run is written.
- `let_go(store)`, called at the end, ends what is kept for further jobs.

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
