"""How many runs at once a PostgreSQL server carries: drivers of the real program whose steps only wait, and a page that looks at them.

    python benchmarks/writers.py --store postgresql://USER@HOST/EMPTY [--runs 50,200,500] [--drivers 50] [--seconds 30] [--step 0.1]

Each run has connections and a heartbeat of its own, as a worker process has; ten steps an epoch, and after five epochs the end of a
megabatch and a prune point (19 layers). A step takes `--step` seconds: 0.1, an epoch a second, is as hard as runs get. They begin fifty
at a time. One after another is paused and resumed. Drivers in Python, which would be elsewhere, take most of this machine: with
`--drivers`, so many runs are driven by the real program, and all others say what one of them said alone, at its pace (replay.py). A driver
looks for commands less often where a look takes more than 0.01 s, and a replay does not: it is no easier for the server than drivers would
be where a look takes `--answer` seconds or more, and 0 is the hardest. The server must take two connections for each run
(max_connections). Its processor time is measured as well, which says on any machine how many runs fit. With `--kept` what was measured
stays in a file, and a call that was cut off goes on there. Writes writers.md beside itself.
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
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT), str(ROOT / "tests" / "helpers")]

import fake_runs  # noqa: E402
import psutil  # noqa: E402
import replay  # noqa: E402
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
START_SECONDS = 240.0


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


def driven(store: Store, run_id: str, work: Waiting, ending: threading.Event) -> None:
    """Drive a run until it is told to end."""
    store._database._is_open = True  # the look at the tables, which each start has, was there
    steps = driver.steps(store, run_id, work=work)
    with closing(store), heartbeat.Heartbeat(store.beat, lambda: [run_id]), closing(steps):
        for status in steps:
            if ending.is_set():
                return
            if status == "paused":
                time.sleep(driver.COMMAND_SECONDS)


def drive(address: str, calls: Connection, step: float) -> None:
    """A process: drives the runs that it is sent until it is told to end. Answers `steps` with how many all of them took."""
    work: list[Waiting] = []
    ending, compiled = threading.Event(), LRUCache(500)

    def one(run_id: str, mine: Waiting) -> None:
        store = Store(address)
        for engine in (store._database.engine, store._database._writer):  # statements as text, once for all
            engine._compiled_cache = compiled
        driven(store, run_id, mine, ending)

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


def take_down(address: str, calls: Connection, step: float, seconds: float, answer: float) -> None:
    """A process: drives a run alone for so long, and sends what it said to a server that takes `answer` seconds."""
    store, ending = Store(address), threading.Event()
    run_id = store.create_run(CONFIG, plan_length=len(plan(CONFIG)))
    recorder = replay.Recorder(store._database.engine, answer)
    threading.Timer(seconds, ending.set).start()
    driven(store, run_id, Waiting(step), ending)
    calls.send((run_id, [one for one in recorder.transactions if not any("'stopped'" in text for text in one[2])]))
    os._exit(0)


def said(address: str, step: float, seconds: float, answer: float) -> tuple[str, list[replay.Transaction]]:
    """The id of a run that was alone for so long, and all that it said."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    child = fork.Process(target=take_down, args=(address, theirs, step, seconds, answer))
    child.start()
    found = ours.recv()
    child.join()
    return found


def measured(address: str, runs: int, drivers: int, seconds: float, step: float, answer: float, folder: str) -> dict[str, float]:
    """What so many runs at once do for so many seconds, the first `drivers` of them by the program itself."""
    drivers = min(drivers, runs)
    alone = said(address, step, 10 + replay.AGAIN, answer) if drivers < runs else None
    fork = multiprocessing.get_context("fork")
    pipes = [fork.Pipe() for _ in range(PROCESSES)]  # forked before a connection to the store is open
    children = [fork.Process(target=drive, args=(address, theirs, step)) for _, theirs in pipes]
    for child in children:
        child.start()
    ends = [ours for ours, _ in pipes]
    with ExitStack() as stack:
        store = stack.enter_context(closing(Store(address)))
        players = stack.enter_context(closing(replay.Players(address, alone[1], alone[0], Path(folder)))) if alone else None
        new: list[str] = []
        begun, length = time.monotonic(), len(plan(CONFIG))
        for first in range(0, runs, AT_ONCE):  # nobody's heart beats for runs that wait here: made all at once the last would be lost
            new += [store.create_run(CONFIG, plan_length=length) for _ in range(min(AT_ONCE, runs - first))]
            for number, end in enumerate(ends):
                end.send(new[first:drivers][number::PROCESSES])
            if players:
                players.start(new[max(first, drivers) :])
            while running(store, new) < min(runs, first + AT_ONCE) and time.monotonic() - begun < START_SECONDS:
                time.sleep(0.2)
        started = time.monotonic() - begun
        replayed = new[drivers:]
        before, first, server = steps(ends), revisions(store, new), processor_seconds(store)
        first_replayed = revisions(store, replayed)
        begun, quiet, answers, looks = time.monotonic(), 0.0, [], []
        while time.monotonic() - begun < seconds:
            looks.append(look(store, new[-1]))
            answers.append(paused(store, new[len(answers) % drivers], seconds))
            quiet = max(quiet, oldest(store, new))
        spent = time.monotonic() - begun
        written = revisions(store, replayed) - first_replayed
        found = {
            "driven": drivers,
            "started, s": started,
            "of their pace": (steps(ends) - before) * step / spent / (drivers - 0.5),  # one is paused half of the time
            "writes a second": (revisions(store, new) - first) / spent,
            "server, cores": (processor_seconds(store) - server) / spent,
            "a look, ms (median)": 1000 * statistics.median(looks),
            "oldest heartbeat, s": quiet,
            "pause answered, s (median)": statistics.median(answers),
            "pause answered, s (most)": max(answers),
            "connections": connections(store),
            "lost or failed": sum(row["status"] not in ("running", "paused") for row in store.runs() if row["run_id"] in set(new)),
        }
        for end in ends:
            end.send("end")
        if players:
            found["replayed, of its pace"] = written / spent / (players.writes / players.again) / len(replayed)
            found["lost or failed"] += players.failed()
        for child in children:
            child.join(2 * START_SECONDS)
    return {name: round(value, 3) for name, value in found.items()}


def steps(ends: list[Connection]) -> int:
    for end in ends:
        end.send("steps")
    return sum(end.recv() for end in ends)


def running(store: Store, run_ids: list[str]) -> int:
    table = schema.runs.c
    query = select(func.count()).where(table.run_id.in_(run_ids), table.status == "running", table.started.is_not(None))
    with store._database.read() as connection:
        return connection.scalar(query) or 0


def revisions(store: Store, run_ids: list[str]) -> int:
    with store._database.read() as connection:
        return connection.scalar(select(func.sum(schema.runs.c.revision)).where(schema.runs.c.run_id.in_(run_ids))) or 0


def oldest(store: Store, run_ids: list[str]) -> float:
    with store._database.read() as connection:
        return time.time() - (connection.scalar(select(func.min(schema.runs.c.heartbeat)).where(schema.runs.c.run_id.in_(run_ids))) or 0.0)


def look(store: Store, run_id: str) -> float:
    """Seconds that reading a run takes, as each driver does up to ten times a second."""
    begun = time.monotonic()
    store.get(run_id)
    return time.monotonic() - begun


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
    parser.add_argument("--drivers", type=int, default=10**6, help="runs that the program itself drives, the others are replayed [all]")
    parser.add_argument("--answer", type=float, default=0.0, help="seconds that the server took to answer the run that is replayed [0]")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each number of runs [30]")
    parser.add_argument("--step", type=float, default=0.1, help="seconds of a step of training [0.1]")
    parser.add_argument("--kept", default="", help="a file that keeps what was measured")
    args = parser.parse_args()
    kept = tables.Kept(args.kept)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["APPCORE_RUNS"] = folder
        for runs in map(int, args.runs.split(",")):
            how = args.drivers, args.seconds, args.step, args.answer, folder
            found[runs] = kept(f"{runs} runs", partial(measured, args.store, runs, *how))
            print(runs, found[runs], file=sys.stderr, flush=True)
    where = f"{datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}"
    drivers = f" --drivers {args.drivers} --answer {args.answer:g}" if args.drivers < max(found) else ""
    about = f"Measured on {where}, by `python benchmarks/writers.py --store URL --runs {args.runs}{drivers} --step {args.step:g}`."
    rows = [[runs, *(f"{value:.2f}" for value in one.values())] for runs, one in found.items()]
    report = tables.table(about, ["runs", *next(iter(found.values()))], rows)
    print(report)
    (Path(__file__).parent / "writers.md").write_text(f"# Runs at once at one PostgreSQL server\n\n{report}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
