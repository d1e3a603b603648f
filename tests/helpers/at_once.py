"""Several programs at one store, really: processes that start at one instant, are killed, suspended, or asked to end.

Each child is this file with the name of a function below and its arguments; what it prints at its end is JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from standin import SETTINGS, StandIn

from appcore.errors import InputError
from appcore.service.manager import Manager
from appcore.storage.store import Store

LONG = {**SETTINGS, "epochs": 3000}
AXES = {"pruner": ["snip", "magnitude", "random"], "tau": [2.0, 4.5], "seed": list(range(10))}
HELPERS = Path(__file__).parent


# ---- what the children do


def start(address: str, when: str, owner: str) -> dict[str, Any]:
    """Start a run at an instant, as one user, and let it go on until the pipe closes."""
    return _at(address, when, lambda manager: manager.of(owner).start([LONG])[0])


def resume(address: str, when: str, run_id: str) -> dict[str, Any]:
    """Resume a run at an instant."""

    def act(manager: Manager) -> str:
        manager.resume(run_id)
        return run_id

    return _at(address, when, act)


def run_missing(address: str, when: str, sweep_id: str) -> dict[str, Any]:
    """Start what an ablation lacks at an instant."""
    return _at(address, when, lambda manager: manager.ablations.run_missing(sweep_id)["started"])


def _at(address: str, when: str, act: Callable[[Manager], Any]) -> dict[str, Any]:
    """Act, say what came out, and wait for the end of the pipe before the runs are stopped."""
    store = Store(address)
    manager = Manager(store, work=StandIn(step_seconds=0.002))
    store.runs(1)  # opened before the instant
    print("ready", flush=True)
    time.sleep(max(0.0, float(when) - time.time()))
    try:
        found = {"started": act(manager)}
    except InputError as error:
        found = {"refused": error.message}
    print(json.dumps(found), flush=True)
    sys.stdin.read()
    manager.close()
    return found


def drive(address: str, run_id: str, ahead: str, host: str) -> None:
    """Drive a run of small steps, by a clock that is some hours ahead, on a machine of this name (empty: as it is)."""
    from appcore.runner import driver

    if host:
        _elsewhere(float(ahead) * 3600, host)
    work = StandIn(step_seconds=0.01)
    print(json.dumps({"ended": driver.drive(Store(address), run_id, work=work)}), flush=True)


def _elsewhere(seconds: float, host: str) -> None:
    import socket

    real = time.time
    time.time = lambda: real() + seconds
    socket.gethostname = lambda: host


# ---- how they are started


def child(*arguments: str, **options: Any) -> subprocess.Popen:
    """A process that does one of the above."""
    path = os.pathsep.join([str(HELPERS.parents[1]), str(HELPERS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "APPCORE_SHARE": "1"}
    command = [sys.executable, str(HELPERS / "at_once.py"), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)


def worker(*run_ids: str, **options: Any) -> subprocess.Popen:
    """A worker process for the store of APPCORE_STORE."""
    path = os.pathsep.join(filter(None, [str(HELPERS.parents[1]), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen([sys.executable, "-m", "appcore.runner.worker", *run_ids], env={**os.environ, "PYTHONPATH": path}, **options)


def together(function: str, address: str, each: Sequence[str], seconds: float = 6.0) -> list[dict[str, Any]]:
    """What comes out when as many processes do this at one instant; all of them live until the last has answered."""
    when = str(time.time() + seconds)
    children = [child(function, address, when, argument) for argument in each]
    try:
        return [_answer(one) for one in children]
    finally:
        for one in children:
            one.stdin.close()
        for one in children:
            one.wait()
            one.stdout.close()


def _answer(one: subprocess.Popen) -> dict[str, Any]:
    assert one.stdout.readline() == "ready\n"
    return json.loads(one.stdout.readline())


def killed_start(store: Store, address: str, sweep_id: str, after: float) -> tuple[int, int]:
    """Kill -9 a process some time after it began to start an ablation. How many runs are there then, and how many of them belong to it."""
    one = child("run_missing", address, "0", sweep_id)
    assert one.stdout.readline() == "ready\n"
    time.sleep(after)
    one.kill()
    one.communicate()
    return len(store.runs()), len(store.ablations.get(sweep_id)["run_ids"])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
