"""How many runs at once a PostgreSQL server carries: drivers of the real program whose steps only wait, and a page that looks at them.

    python benchmarks/writers.py --store postgresql://USER@HOST/EMPTY [--runs 50,200,500] [--seconds 30] [--step 0.1] [--kept FILE]

Each run has connections and a heartbeat of its own, as a worker process has; ten steps an epoch, and after five epochs the end of a
megabatch and a prune point (19 layers). A step takes `--step` seconds: 0.1, an epoch a second, is as hard as runs get. They begin fifty
at a time. One after another is paused and resumed. Drivers and server share this machine, and the drivers, which would be elsewhere, take
most of it: so the processor time of the server is measured as well, which says on any machine how many runs fit. The server must take two
connections for each run (max_connections). With `--kept` what was measured stays in a file, and a call that was cut off goes on there.
Writes writers.md beside itself.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT), str(ROOT / "tests" / "helpers")]

import fake_runs  # noqa: E402
import psutil  # noqa: E402
import tables  # noqa: E402
from sqlalchemy import func, select, text  # noqa: E402
from sqlalchemy.util import LRUCache  # noqa: E402
from standin import StandIn  # noqa: E402

from appcore import events  # noqa: E402
from appcore.config import build  # noqa: E402
from appcore.planning.plan import plan  # noqa: E402
from appcore.runner import driver  # noqa: E402
from appcore.storage import heartbeat, schema  # noqa: E402
from appcore.storage.store import Store  # noqa: E402

PROCESSES = 8
AT_ONCE = 50  # runs that begin in one moment
STEPS, EPOCHS = 10, 5  # steps of an epoch; epochs of a megabatch
CONFIG = build({"arch": "resnet20", "dataset": "digits", "megabatches": 100, "epochs": EPOCHS})
COUNTS = fake_runs.counts(CONFIG, 0.3)
START_SECONDS = 120.0


class Waiting(StandIn):
    """Work whose steps wait, without an end; all of it is one segment, so that no checkpoint is saved."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step, self.steps = step, 0

    def run(self, state: Any, segments: tuple) -> Generator[events.Event, None, None]:
        yield fake_runs.started(CONFIG)
        for t in range(CONFIG.megabatches):
            yield events.Pruned(0, t, 0.3, 0.3, 0.3, 0.3, COUNTS, 0.1, facts={"images": fake_runs.answers(t, right=6)})
            for epoch in range(EPOCHS):
                for step in range(STEPS):
                    time.sleep(self.step)
                    self.steps += 1
                    yield events.Progress(0, t, epoch, step + 1, STEPS, 10 * self.steps, 0.5)
                yield events.EpochDone(0, t, epoch, 0.1, 0.5, 0.8, 0.6, 0.7, 10 * self.steps, 0.3, 1.0, True)
            ends = (0.8, 0.7, 0.75, 0.6, 0.1, 5, 20, 5 * t, 10 * self.steps, 30, 2.0, "chain")
            yield events.MegabatchDone(0, t, 0.3, 0.3, 0.3, 0.3, COUNTS, *ends)


def drive(address: str, calls: Connection, step: float) -> None:
    """A process: drives the runs that it is sent until it is told to end. Answers `steps` with how many all of them took."""
    work: list[Waiting] = []
    ending, compiled = threading.Event(), LRUCache(500)

    def one(run_id: str, mine: Waiting) -> None:
        store = Store(address)
        store._database._is_open = True  # what a start computes, once for all: the look at the tables, and the statements as text
        for engine in (store._database.engine, store._database._writer):
            engine._compiled_cache = compiled
        driven = driver.steps(store, run_id, work=mine)
        with closing(store), heartbeat.Heartbeat(store.beat, lambda: [run_id]), closing(driven):
            for status in driven:
                if ending.is_set():
                    return
                if status == "paused":
                    time.sleep(driver.COMMAND_SECONDS)

    threads: list[threading.Thread] = []
    while (told := calls.recv()) != "end":
        if told == "steps":
            calls.send(sum(one.steps for one in work))
            continue
        for run_id in told:
            work.append(Waiting(step))
            threads.append(threading.Thread(target=one, args=(run_id, work[-1]), daemon=True))
            threads[-1].start()
    ending.set()
    for thread in threads:
        thread.join(START_SECONDS)
    os._exit(0)


def measured(address: str, runs: int, seconds: float, step: float) -> dict[str, float]:
    """What so many runs at once do for so many seconds."""
    fork = multiprocessing.get_context("fork")
    pipes = [fork.Pipe() for _ in range(PROCESSES)]  # forked before a connection to the store is open
    children = [fork.Process(target=drive, args=(address, theirs, step)) for _, theirs in pipes]
    for child in children:
        child.start()
    ends = [ours for ours, _ in pipes]
    with closing(Store(address)) as store:
        new: list[str] = []
        begun, length = time.monotonic(), len(plan(CONFIG))
        for first in range(0, runs, AT_ONCE):  # nobody's heart beats for runs that wait here: made all at once the last would be lost
            new += [store.create_run(CONFIG, plan_length=length) for _ in range(min(AT_ONCE, runs - first))]
            for number, end in enumerate(ends):
                end.send(new[first:][number::PROCESSES])
            while running(store) < min(runs, first + AT_ONCE) and time.monotonic() - begun < START_SECONDS:
                time.sleep(0.2)
        started = time.monotonic() - begun
        before, first, server = steps(ends), revisions(store), processor_seconds(store)
        begun, quiet, answers = time.monotonic(), 0.0, []
        while time.monotonic() - begun < seconds:
            answers.append(paused(store, new[len(answers) % runs], seconds))
            quiet = max(quiet, oldest(store, new))
        spent = time.monotonic() - begun
        found = {
            "started, s": started,
            "of their pace": (steps(ends) - before) * step / spent / (runs - 0.5),  # one is paused half of the time
            "writes a second": (revisions(store) - first) / spent,
            "server, cores": (processor_seconds(store) - server) / spent,
            "oldest heartbeat, s": quiet,
            "pause answered, s (median)": statistics.median(answers),
            "pause answered, s (most)": max(answers),
            "connections": connections(store),
            "lost or failed": sum(row["status"] not in ("running", "paused") for row in store.runs() if row["run_id"] in set(new)),
        }
        for end in ends:
            end.send("end")
        for child in children:
            child.join(2 * START_SECONDS)
    return {name: round(value, 3) for name, value in found.items()}


def steps(ends: list[Connection]) -> int:
    for end in ends:
        end.send("steps")
    return sum(end.recv() for end in ends)


def running(store: Store) -> int:
    query = select(func.count()).where(schema.runs.c.status == "running", schema.runs.c.started.is_not(None))
    with store._database.read() as connection:
        return connection.scalar(query) or 0


def revisions(store: Store) -> int:
    with store._database.read() as connection:
        return connection.scalar(select(func.sum(schema.runs.c.revision))) or 0


def oldest(store: Store, run_ids: list[str]) -> float:
    with store._database.read() as connection:
        return time.time() - (connection.scalar(select(func.min(schema.runs.c.heartbeat)).where(schema.runs.c.run_id.in_(run_ids))) or 0.0)


def paused(store: Store, run_id: str, most: float) -> float:
    """Seconds until a run is paused; it goes on afterwards."""
    begun = time.monotonic()
    store.set_command(run_id, "pause")
    while store.get(run_id)["status"] != "paused" and time.monotonic() - begun < most:
        time.sleep(0.02)
    took = time.monotonic() - begun
    store.set_command(run_id, "resume")
    return took


def processor_seconds(store: Store) -> float:
    """What all processes of the server have computed so far."""
    with store._database.read() as connection:
        server = psutil.Process(connection.scalar(text("SELECT pg_backend_pid()"))).parent()
    assert server, "the server is on another machine"
    return sum(sum(process.cpu_times()[:2]) for process in (server, *server.children(recursive=True)))


def connections(store: Store) -> int:
    with store._database.read() as connection:
        return connection.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")) or 0


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True, help="an empty PostgreSQL database")
    parser.add_argument("--runs", default="100,300,500")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each number of runs [30]")
    parser.add_argument("--step", type=float, default=0.1, help="seconds of a step of training [0.1]")
    parser.add_argument("--kept", default="", help="a file that keeps what was measured")
    args = parser.parse_args()
    kept = tables.Kept(args.kept)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["APPCORE_RUNS"] = folder
        for runs in map(int, args.runs.split(",")):
            found[runs] = kept(f"{runs} runs", partial(measured, args.store, runs, args.seconds, args.step))
            print(runs, found[runs], file=sys.stderr, flush=True)
    where = f"{datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}"
    about = f"Measured on {where}, by `python benchmarks/writers.py --store URL --runs {args.runs} --step {args.step:g}`."
    rows = [[runs, *(f"{value:.2f}" for value in one.values())] for runs, one in found.items()]
    report = tables.table(about, ["runs", *next(iter(found.values()))], rows)
    print(report)
    (Path(__file__).parent / "writers.md").write_text(f"# Runs at once at one PostgreSQL server\n\n{report}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
