"""Kill runs at every file operation and store statement, let each of these fail, ask them to end, damage files, and say what came out.

    python benchmarks/faults.py

Writes the tables between the marks in docs/RELIABILITY.md; ends with 1 when anything was lost, doubled or wrong without a word.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: the victims are forked, which is safe while there is one thread
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import damage  # noqa: E402
import faults  # noqa: E402
import interruptions  # noqa: E402
import tables  # noqa: E402
import torch  # noqa: E402

from appcore import paths  # noqa: E402
from appcore.errors import InputError  # noqa: E402
from appcore.runner import driver  # noqa: E402
from appcore.storage.store import Store  # noqa: E402


def strikes(scratch: Path, methods: list[str], every: int) -> list[tuple[str, int, str, bool]]:
    """Kill, and let fail, every operation of a run and of a resume."""
    rows = []
    for strike, name in ((faults.kill, "kills"), (faults.fail, "single failures (full disk, locked store, bad sector)")):
        for method in methods:
            states, wrong = Counter(), []
            for resumes in (False, True):
                found, more = faults.each(scratch / f"{strike.__name__}-{method}-{resumes}", method, strike, every=every, resumes=resumes)
                states, wrong = states + found, wrong + more
            left = "" if strike is faults.kill else ", ".join(f"{status} {count}" for status, count in states.most_common()) + "; then the "
            outcome = f"{left}same weights, masks and tables, nothing missing or doubled" if not wrong else "; ".join(wrong[:5])
            what = f"{method}: {name} at file operations, syncs, store statements and commits, from the start and in a resume"
            rows.append((what, states.total(), outcome, not wrong))
            print(*rows[-1][:3], sep=": ", file=sys.stderr, flush=True)
    return rows


def signals(scratch: Path, count: int) -> list[tuple[str, int, str, bool]]:
    """SIGKILL at random times; a run that is killed may be killed again while it goes on."""
    if not count:
        return []
    draw, done, wrong = random.Random(0), 0, 0
    while done < count:
        place = scratch / f"signal-{done}"
        run_id = faults.new_run(place, "app")
        for _ in range(draw.randint(1, 3)):
            child = faults.fork(lambda place=place, run_id=run_id: _drive(place, run_id))
            time.sleep(draw.uniform(0.0, 0.4))
            os.kill(child, signal.SIGKILL)
            done += faults.code_of(child) == -signal.SIGKILL
        wrong += bool(faults.differences(faults.resumed(place, run_id), faults.whole("app")))
    outcome = "same weights, masks and tables" if not wrong else f"{wrong} runs differ"
    return [("SIGKILL at random times, up to three times for one run", done, outcome, not wrong)]


def _drive(place: Path, run_id: str) -> int:
    with contextlib.suppress(InputError):  # over already
        driver.drive(Store(place / "runs.db"), run_id)
    return 0


def damages(scratch: Path, count: int) -> list[tuple[str, int, str, bool]]:
    run_id = faults.new_run(scratch / "run", "app")
    faults.resumed(scratch / "run", run_id)
    store = Store(scratch / "run" / "runs.db")
    folder = paths.run_folder(store.folder, run_id)
    store.close()
    found = {f"checkpoints: {kind}": outcomes for kind, outcomes in damage.checkpoints(scratch, folder, count).items()}
    stores = damage.stores(scratch, scratch / "run" / "runs.db", run_id, count // 4)
    found |= {f"store files: {kind}": outcomes for kind, outcomes in stores.items()}
    return [
        (
            what,
            sum(outcomes.values()),
            "; ".join(f"{how}: {times}" for how, times in sorted(outcomes.items())),
            damage.SILENT not in outcomes,
        )
        for what, outcomes in found.items()
    ]


def asked_to_end(scratch: Path, count: int, log: Path | None) -> list[tuple[str, int, str, bool]]:
    """SIGTERM and SIGHUP at random moments of a command line that trains. Trials that the log has are not repeated."""
    if not count:
        return []
    alone = interruptions.undisturbed(scratch / "whole")
    rows = []
    for name in interruptions.SIGNALS:
        known = [json.loads(line) for line in log.read_text().splitlines()] if log and log.exists() else []
        found = [trial for trial in known if trial["signal"] == name]
        for number, (of_run, after) in enumerate(alone.moments(count)):
            if number >= len(found):
                place = scratch / f"{name}-{number}"
                about = {"signal": name, "of_run": of_run, "after": round(after, 2)}
                found.append(about | interruptions.struck(place, name, of_run, after, alone.outcome))
                shutil.rmtree(place)
                if log:
                    with log.open("a") as file:
                        file.write(f"{json.dumps(found[-1])}\n")
                print(found[-1], file=sys.stderr, flush=True)
        rows.append(_summary(name, found[:count]))
    return rows


def _summary(name: str, found: list[dict]) -> tuple[str, int, str, bool]:
    left = ", ".join(f"{state} {times}" for state, times in Counter(trial["left"] for trial in found).most_common())
    wrong = [trial["wrong"] for trial in found if trial["wrong"]]
    slowest = max(trial["seconds"] for trial in found)
    outcome = f"{left}; finished segments that were lost: {sum(trial['lost'] for trial in found)}; over after {slowest:.1f} s at most; "
    outcome += "; ".join(wrong[:5]) or "resumed, the same weights, masks and tables"
    return f"{name}, half over the life of the command, half over that of its run", len(found), outcome, not wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=list(faults.SETTINGS), choices=list(faults.SETTINGS), help="of the runs [all]")
    parser.add_argument("--every", type=int, default=1, help="strike at every n-th operation [1]")
    parser.add_argument("--signals", type=int, default=40, help="random SIGKILLs [40]")
    parser.add_argument("--damages", type=int, default=1000, help="damaged checkpoints [1000]; a quarter as many stores")
    parser.add_argument("--interruptions", type=int, default=50, help="SIGTERMs, and as many SIGHUPs [50]")
    parser.add_argument("--log", type=Path, help="file that keeps the interruptions made, so that they can be made in several goes")
    parser.add_argument("--only", default="", choices=["strikes", "damages", "interruptions"], help="one of the tables")
    parser.add_argument("--no-table", action="store_true", help="leave docs/RELIABILITY.md alone")
    args = parser.parse_args()
    torch.set_num_threads(1)
    parts = {
        "strikes": lambda scratch: [*strikes(scratch, args.methods, args.every), *signals(scratch, args.signals)],
        "damages": lambda scratch: damages(scratch, args.damages),
        "interruptions": lambda scratch: asked_to_end(scratch, args.interruptions, args.log),
    }
    is_well = True
    for name in [args.only] if args.only else parts:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            rows = parts[name](Path(folder))
        text = tables.table(tables.measured("faults.py", start), ("tried", "count", "outcome"), [row[:3] for row in rows])
        print(text)
        if not args.no_table:
            tables.write(name, text)
        is_well &= all(is_fine for *_, is_fine in rows)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
