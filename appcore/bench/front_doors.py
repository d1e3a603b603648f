"""The speed that users get: training through each entry point versus the engine alone, and two programs at the same time.

Every side runs in a process of its own, as `python -m appcore.bench.front_doors SIDE SETTINGS` or the command line itself: the difference
is in what else the process does with torch.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import build
from ..paths import STORE_VARIABLE
from ..runner.slots import SLOTS_VARIABLE
from ..storage.store import Store
from .timing import Row

WITHIN = "at most 1.05"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    images: int  # that a run trains on
    rounds: int


FULL = Size(2000, 3)
QUICK = Size(300, 1)


def rows(size: Size, device: str, dataset: str, large: str) -> Iterator[Row]:
    """Every row for one device; `large` is a data set of 50,000 images."""
    settings = {"arch": "resnet20", "dataset": dataset, "megabatches": 2, "epochs": 2, "batch_size": 64, "device": device}
    settings |= {"limit_train": size.images, "limit_test": size.images // 4}
    doors: dict[str, Callable[[], float]] = {
        "engine": lambda: _aside("engine", settings),
        "command line": lambda: _command_line(settings)[0],
        "command line, a set of 50,000 images": lambda: _command_line({**settings, "dataset": large})[0],
        "command line, a worker process": lambda: _command_line(settings, "--launcher", "process")[0],
        "the app's process after an estimate": lambda: _aside("estimate", settings),
        "the app's process after a question of What if": lambda: _aside("what_if", settings),
    }
    note = f"seconds per epoch of ResNet-20, {size.images} images, T = 2; each side a process of its own"
    found = {door: Row(f"{door} / engine alone", device, "x", WITHIN, note) for door in doors if door != "engine"}
    engine = Row("engine alone, epoch of megabatch 2", device, "s", "", note)
    start = Row("start and end of `run` beyond its run, default settings", device, "s", "under 3")
    beside = Row("two programs at once / one after the other", device, "x", "at most 1.15", "whole command lines; one waits for the other")
    if device == "cpu":
        for _ in range(size.rounds):
            seconds = {door: measure() for door, measure in doors.items()}
            engine.values.append(seconds["engine"])
            for door, row in found.items():
                row.values.append(seconds[door] / seconds["engine"])
            start.values.append(_command_line({"megabatches": 2, "epochs": 1, "device": device})[1])
            beside.values.append(_beside(settings))
    yield engine
    yield from found.values()
    yield start
    yield beside


def _aside(side: str, settings: dict[str, Any]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", __name__, side, json.dumps(settings)]
        done = subprocess.run(command, env=_environment(folder), capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _command_line(settings: dict[str, Any], *more: str) -> tuple[float, float]:
    """(seconds of an epoch of the last megabatch, seconds that the process took beyond those of its run)."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        subprocess.run([*_run(settings), *more], env=_environment(folder), capture_output=True, check=True)
        whole = time.perf_counter() - begun
        store = Store(Path(folder) / "runs.db")
        (row,) = store.runs()
        found = _epoch(store, row["run_id"])
        store.close()
    return found, whole - sum(row["totals"]["phase_seconds"].values())


def _beside(settings: dict[str, Any]) -> float:
    """Wall time of two command lines started together, divided by that of one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        environment, command, times = _environment(folder), _run(settings), []
        for is_together in (False, True):
            begun, running = time.perf_counter(), []
            for _ in range(2):
                running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
                if not is_together:
                    running[-1].wait()
            if {process.wait() for process in running} != {0}:
                raise RuntimeError(f"a program that was measured failed: {' '.join(command)}")
            times.append(time.perf_counter() - begun)
    return times[1] / times[0]


def _run(settings: dict[str, Any]) -> list[str]:
    flags = [text for name, value in settings.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    return [sys.executable, "-m", __package__.partition(".")[0], "run", "--json", *flags]


def _environment(folder: str) -> dict[str, str]:
    return {**os.environ, STORE_VARIABLE: f"sqlite:///{folder}/runs.db", SLOTS_VARIABLE: f"{folder}/slots"}


def _epoch(store: Store, run_id: str) -> float:
    """Median seconds of the last megabatch's epochs."""
    epochs = store.epochs(run_id)
    return float(epochs[epochs["megabatch"] == epochs["megabatch"].max()]["seconds"].median())


def _alone(settings: dict[str, Any]) -> float:
    from ..engine import loop

    epochs = [event for event in loop.start(build(settings)) if event.kind == "EpochDone"]
    return statistics.median(event.seconds for event in epochs if event.megabatch == epochs[-1].megabatch)


def _in_app(settings: dict[str, Any], before: Callable[[Any], None]) -> float:
    """The run in the training thread, after another thread that stays alive has used torch in the same process."""
    import threading

    from ..service.manager import Manager

    manager, asked, ended = Manager(), threading.Event(), threading.Event()

    def ask() -> None:
        before(manager)
        asked.set()
        ended.wait()

    threading.Thread(target=ask, daemon=True).start()
    asked.wait()
    (run_id,) = manager.start([settings])
    if manager.wait(run_id) != "done":
        raise RuntimeError(manager.get(run_id)["error"])
    found = _epoch(manager.store, run_id)
    ended.set()
    return found


def _what_if(manager: Any, settings: dict[str, Any]) -> None:
    while manager.scores(settings, None, "snip")["state"] in ("waiting", "scoring"):
        time.sleep(0.05)


def main(side: str, settings: dict[str, Any]) -> None:
    """Measure one side in this process and print its seconds."""
    if side == "engine":
        print(_alone(settings))
    elif side == "estimate":
        print(_in_app(settings, lambda manager: manager.estimate({**settings, "arch": "resnet32"})))
    else:
        print(_in_app(settings, lambda manager: _what_if(manager, settings)))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)
