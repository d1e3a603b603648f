"""Several programs at one store, really: processes that start at one instant, are killed, suspended, or asked to end.

This file is run as a program that imports what they need once, and forks them; what they answer is a line of JSON each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from standin import SETTINGS, StandIn

from appcore.errors import InputError
from appcore.runner import driver
from appcore.service.manager import Manager
from appcore.storage.store import Store

LONG = {**SETTINGS, "epochs": 3000}
AXES = {"pruner": ["snip", "magnitude", "random"], "tau": [2.0, 4.5], "seed": list(range(10))}
CELLS = 60
HELPERS = Path(__file__).parent
ROOT = HELPERS.parents[1]
DONE = -1.0  # in place of seconds: when it has started all of them
_LEAD = 1.0  # seconds in which all of them are ready


# ---- what each does; the argument is a user, a run or an ablation


def start(manager: Manager, owner: str) -> Any:
    return manager.of(owner).start([LONG])


def resume(manager: Manager, run_id: str) -> Any:
    manager.resume(run_id)
    return [run_id]


def run_missing(manager: Manager, sweep_id: str) -> Any:
    return manager.ablations.run_missing(sweep_id)["started"]


# ---- in the program


def _together(address: str, what: str, *each: str) -> None:
    """Fork a process for each argument; all of them act at one instant and live until the pipe closes."""
    when = time.time() + _LEAD
    children = [_fork(lambda argument=argument: _act(address, globals()[what], argument, when)) for argument in each]
    for child in children:
        os.waitpid(child, 0)


def _act(address: str, what: Callable[[Manager, str], Any], argument: str, when: float) -> None:
    store = Store(address)
    manager = Manager(store, work=StandIn(step_seconds=0.002))
    store.runs(1)  # opened before the instant
    time.sleep(max(0.0, when - time.time()))
    try:
        answer = {"started": what(manager, argument)}
    except InputError as error:
        answer = {"refused": error.message}
    except Exception as error:  # an answer in any case: somebody waits for it
        answer = {"failed": repr(error)}
    os.write(sys.stdout.fileno(), f"{json.dumps(answer)}\n".encode())  # in one piece: the others write there too
    sys.stdin.read()
    manager.close()


def _killed(address: str, *each: str) -> None:
    """One after another, fork a process that starts an ablation, and kill -9 it a while after it has begun to."""
    for argument in each:
        sweep_id, after = argument.split(":")
        ready, tell = os.pipe()

        def begin(sweep_id: str = sweep_id, tell: int = tell) -> None:
            store = Store(address)
            manager = Manager(store, work=StandIn(step_seconds=0.002))
            store.runs(1)
            os.write(tell, b".")
            run_missing(manager, sweep_id)
            os.write(tell, b"!")
            time.sleep(600)

        child = _fork(begin)
        os.close(tell)
        os.read(ready, 1)
        if float(after) == DONE:
            os.read(ready, 1)
        else:
            time.sleep(float(after))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        print(json.dumps(sweep_id), flush=True)


def _drive(address: str, run_id: str, ahead: str, host: str) -> None:
    """Drive a run of small steps, by a clock that is some hours ahead, on a machine of this name (empty: as it is)."""
    import socket

    real = time.time
    if host:
        time.time = lambda: real() + float(ahead) * 3600
        socket.gethostname = lambda: host
    print(json.dumps(driver.drive(Store(address), run_id, work=StandIn(step_seconds=0.01))), flush=True)


def _fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    return child


# ---- outside of it


def program(*arguments: object) -> subprocess.Popen:
    """The program, doing one of the above."""
    path = os.pathsep.join(filter(None, [str(ROOT), str(HELPERS), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "APPCORE_SHARE": "1"}
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def together(what: str, address: str, each: Sequence[str]) -> list[dict[str, Any]]:
    """The answers of as many processes that act at one instant: {"started": ids}, or {"refused": why}."""
    with program("_together", address, what, *each) as process:
        assert process.stdin is not None and process.stdout is not None
        answers = [json.loads(process.stdout.readline()) for _ in each]
        process.stdin.close()
    return answers


def kill(address: str, after: dict[str, float]) -> None:
    """Kill -9 a process so many seconds after it began to start an ablation, for each of these ablations."""
    with program("_killed", address, *(f"{sweep_id}:{seconds}" for sweep_id, seconds in after.items())) as process:
        assert process.stdout is not None
        assert [json.loads(line) for line in process.stdout] == list(after)


def worker(*run_ids: str, **options: Any) -> subprocess.Popen:
    """A worker process for the store of APPCORE_STORE."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen([sys.executable, "-m", "appcore.runner.worker", *run_ids], env={**os.environ, "PYTHONPATH": path}, **options)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
