"""Several programs, people and clocks at one store: limits, ablations killed while they start, drivers that slept, and who waits for whom.

    python benchmarks/at_once.py

Writes its table into docs/RELIABILITY.md; ends with 1 when one thing was not well. With APPCORE_TEST_POSTGRES, the URL of a server, all of
it is tried there as well.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import at_once  # noqa: E402
import numpy  # noqa: E402
import stores  # noqa: E402
import tables  # noqa: E402
from PIL import Image  # noqa: E402
from pytest import MonkeyPatch  # noqa: E402
from standin import SETTINGS, StandIn  # noqa: E402

from appcore import paths  # noqa: E402
from appcore.config import build  # noqa: E402
from appcore.planning.plan import plan  # noqa: E402
from appcore.service.manager import Manager  # noqa: E402
from appcore.storage import checkpoint  # noqa: E402
from appcore.storage.store import Store  # noqa: E402
from appcore.testing.launcher_suite import SHORT, add  # noqa: E402

Row = tuple[str, int, str, bool]


@contextlib.contextmanager
def fresh(kind: str) -> Iterator[tuple[Store, str]]:
    """An empty store of a kind, and its address."""
    with tempfile.TemporaryDirectory() as folder, MonkeyPatch.context() as patch:
        patch.setenv("APPCORE_SLOTS", str(Path(folder) / "slots"))
        for address in stores.address(kind, Path(folder), patch):
            patch.setenv("APPCORE_STORE", address)
            store = Store(address)
            store.runs(1)
            yield store, address
            store.close()


def queue_of_one(kind: str, rounds: int) -> Row:
    """Eight processes start, or resume, one run each at the same instant."""
    let_in: list[int] = []
    for number in range(rounds):
        with fresh(kind) as (store, address):
            what, each = "start", list("abcdefgh")
            if number % 2:
                config = build(at_once.LONG)
                each = [store.create_run(config, plan_length=len(plan(config))) for _ in range(8)]
                store.update_all(each, ("queued",), status="stopped")
                what = "resume"
            paths.limits(store.folder).write_text("queue = 1", encoding="utf-8")
            let_in.append(sum("started" in answer for answer in at_once.together(what, address, each)))
    outcome = "one let in, seven told why, each time" if set(let_in) == {1} else f"let in: {sorted(let_in)}"
    return f"8 processes against `queue = 1`, started or resumed at one instant, {kind}", rounds, outcome, set(let_in) == {1}


def killed_starts(kind: str, rounds: int) -> Row:
    """A process that starts an ablation of 60 runs is killed at a random moment of it."""
    draw = random.Random(0)
    with fresh(kind) as (store, address):
        make = store.ablations.create
        sweeps = [make("killed", {**SETTINGS, "epochs": 3 + number}, at_once.AXES) for number in range(rounds)]
        at_once.kill(address, {sweep_id: draw.uniform(0.0, 1.0) for sweep_id in sweeps})
        linked = [len(store.ablations.get(sweep_id)["run_ids"]) for sweep_id in sweeps]
        is_well = set(linked) <= {0, at_once.CELLS} and len(store.runs()) == sum(linked)
        manager = Manager(store, work=StandIn())
        for sweep_id, there in zip(sweeps, linked, strict=True):
            is_well &= len(manager.ablations.run_missing(sweep_id)["started"]) == at_once.CELLS - there
        manager.close()
        is_well &= len(store.runs()) == rounds * at_once.CELLS
    whole = sum(there > 0 for there in linked)
    outcome = f"whole {whole}, not begun {rounds - whole}; Run missing then started what was missing, and no run belonged to nothing"
    return (
        f"kill -9 while an ablation of {at_once.CELLS} runs starts, {kind}",
        rounds,
        outcome if is_well else f"NOT WELL: {linked}",
        is_well,
    )


def ended_workers(kind: str, rounds: int) -> Row:
    """SIGTERM and SIGHUP to a worker process at random moments of a run."""
    draw, lost, codes = random.Random(0), [], set()
    with fresh(kind) as (store, _):
        os.environ["APPCORE_SHARE"] = "1"
        for number in range(rounds):
            run_id = add(store, {**SHORT, "epochs": 60})
            process = at_once.worker(run_id)
            while store.get(run_id)["status"] == "queued":
                time.sleep(0.01)
            time.sleep(draw.uniform(0.0, 1.5))
            process.send_signal((signal.SIGTERM, signal.SIGHUP)[number % 2])
            codes.add(process.wait())
            row = store.get(run_id)
            saved = checkpoint.load(paths.run_folder(store.folder, run_id))[1].get("cursor", 0)
            lost.append(row["cursor"] - saved if row["status"] in ("stopped", "done") else 10**6)
    is_well = max(lost) == 0 and codes <= {0, 75}
    outcome = "stopped (75), or done before (0); no finished segment lost" if is_well else f"codes {codes}, segments lost {sorted(lost)}"
    return f"SIGTERM or SIGHUP to a worker process at a random moment, {kind}", rounds, outcome, is_well


def waiting(kind: str, images: int) -> Row:
    """While one user starts a run of many small images others ask for their manager, as every page does."""
    with fresh(kind) as (store, _), tempfile.TemporaryDirectory() as folder:
        _pictures(Path(folder), images)
        manager = Manager(store)
        config = {"arch": "mlp", "dataset": f"images:{folder}", "megabatches": 2, "epochs": 1, "device": "cpu"}
        took: list[float] = []
        start = time.perf_counter()
        starting = threading.Thread(target=lambda: manager.of("ada").start([config]))
        starting.start()
        number = 0
        while starting.is_alive():
            asked = time.perf_counter()
            manager.of(f"somebody {number}").runs()
            took.append(time.perf_counter() - asked)
            number += 1
            time.sleep(0.02)
        whole = time.perf_counter() - start
        manager.close()
    outcome = (
        f"{whole:.1f} s for the start; {number} others waited {1000 * numpy.median(took):.0f} ms each, {1000 * max(took):.0f} ms at most"
    )
    return f"a start that reads {images:,} images, while others open pages, {kind}", 1, outcome, max(took) < whole / 3


def _pictures(folder: Path, count: int) -> None:
    pixels = numpy.random.default_rng(0).integers(0, 256, (8, 8), dtype=numpy.uint8)
    Image.fromarray(pixels).save(folder / "one.png")
    data = (folder / "one.png").read_bytes()
    (folder / "one.png").unlink()
    for part, share in (("train", 0.9), ("test", 0.1)):
        for name in ("cat", "dog"):
            place = folder / part / name
            place.mkdir(parents=True)
            for number in range(round(count * share / 2)):
                (place / f"{number}.png").write_bytes(data)


def large_ablation(kind: str, runs: int) -> Row:
    """An ablation of hundreds of runs is started and cancelled; others ask for places in line meanwhile."""
    with fresh(kind) as (store, _):
        manager = Manager(store, work=StandIn(step_seconds=0.01))
        sweep_id = manager.ablations.create("large", {**SETTINGS, "epochs": 500}, {"seed": list(range(runs))})
        manager.ablations.board(sweep_id)
        seconds, took = [], []
        for act in (
            lambda: manager.ablations.run_missing(sweep_id),
            lambda: manager.send([row["run_id"] for row in manager.runs()], "stop"),
        ):
            start = time.perf_counter()
            thread = threading.Thread(target=act)
            thread.start()
            while thread.is_alive():
                asked = time.perf_counter()
                manager.of("somebody").queue_position("another")
                took.append(time.perf_counter() - asked)
                time.sleep(0.01)
            seconds.append(time.perf_counter() - start)
        statuses = {row["status"] for row in store.runs()}
        manager.close()
    outcome = f"started in {seconds[0]:.1f} s, cancelled in {seconds[1]:.1f} s; others waited {1000 * max(took):.0f} ms at most"
    return f"an ablation of {runs} runs, {kind}", 1, outcome, len(statuses - {"stopped", "done", "running"}) == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="of each thing that is tried again and again [50]")
    parser.add_argument("--images", type=int, default=50_000, help="small images that are read while others wait [50000]")
    parser.add_argument("--only", default="", help="only functions whose name contains this")
    parser.add_argument("--no-table", action="store_true", help="leave docs/RELIABILITY.md alone")
    args = parser.parse_args()
    begun, rows = time.perf_counter(), []
    tried: dict[str, Callable[[str], Row]] = {
        "queue_of_one": lambda kind: queue_of_one(kind, args.rounds),
        "killed_starts": lambda kind: killed_starts(kind, args.rounds),
        "ended_workers": lambda kind: ended_workers(kind, args.rounds),
        "waiting": lambda kind: waiting(kind, args.images),
        "large_ablation": lambda kind: large_ablation(kind, 500),
    }
    for name, what in tried.items():
        for kind in ("sqlite", "postgresql") if stores.SERVER else ("sqlite",):
            if args.only in name:
                rows.append(what(kind))
                print(*rows[-1][:3], sep=": ", file=sys.stderr, flush=True)
    text = tables.table(tables.measured("at_once.py", begun), ("tried", "count", "outcome"), [row[:3] for row in rows])
    print(text)
    if not args.no_table:
        tables.write("at once", text)
    return 0 if all(is_well for *_, is_well in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
