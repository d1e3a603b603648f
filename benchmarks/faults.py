"""Kill runs and backups at every place, let operations fail, ask runs to end, damage files, let two verbs meet, and say what came out.

    nice python benchmarks/faults.py [--only strikes] [--keep FILE]

Writes its tables between the marks in docs/RELIABILITY.md; ends with 1 when anything was lost, doubled or wrong without a word. With
--keep what was done is noted in a file, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import contextlib
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

import backups  # noqa: E402
import damage  # noqa: E402
import faults  # noqa: E402
import interruptions  # noqa: E402
import pairs  # noqa: E402
import tables  # noqa: E402
import torch  # noqa: E402

from appcore import paths  # noqa: E402
from appcore.errors import InputError  # noqa: E402
from appcore.runner import driver  # noqa: E402
from appcore.storage.store import Store  # noqa: E402

Row = tuple[str, int, str, bool]


def strikes(scratch: Path, kept: tables.Kept, methods: list[str], every: int) -> list[Row]:
    """Kill, and let fail, every operation of a run and of a resume."""
    rows = []
    for strike, name in ((faults.kill, "kills"), (faults.fail, "single failures (full disk, locked store, bad sector)")):
        for method in methods:
            states, wrong = Counter(), []
            for resumes in (False, True):
                key = f"{strike.__name__}-{method}-{resumes}-{every}"
                found, more = kept(key, lambda: faults.each(scratch / key, method, strike, every=every, resumes=resumes))  # noqa: B023
                states, wrong = states + Counter(found), wrong + more
            left = "" if strike is faults.kill else ", ".join(f"{status} {count}" for status, count in states.most_common()) + "; then the "
            outcome = f"{left}same weights, masks and tables, nothing missing or doubled" if not wrong else "; ".join(wrong[:5])
            what = f"{method}: {name} at file operations, syncs, store statements and commits, from the start and in a resume"
            rows.append((what, states.total(), outcome, not wrong))
            print(*rows[-1][:3], sep=": ", file=sys.stderr, flush=True)
    return rows


def signals(scratch: Path, kept: tables.Kept, count: int) -> list[Row]:
    """SIGKILL at random times; a run that is killed may be killed again while it goes on."""
    done, wrong, number = 0, 0, 0
    while done < count:
        killed, differs = kept(f"signal-{number}", lambda: _killed(scratch / f"signal-{number}", number))  # noqa: B023
        done, wrong, number = done + killed, wrong + differs, number + 1
    outcome = "same weights, masks and tables" if not wrong else f"{wrong} runs differ"
    return [("SIGKILL at random times, up to three times for one run", done, outcome, not wrong)] if count else []


def _killed(place: Path, number: int) -> tuple[int, bool]:
    """How often one run was killed, and whether it ended otherwise than an undisturbed one."""
    draw, run_id, killed = random.Random(number), faults.new_run(place, "app"), 0
    for _ in range(draw.randint(1, 3)):
        child = faults.fork(lambda: _drive(place, run_id))
        time.sleep(draw.uniform(0.0, 0.4))
        os.kill(child, signal.SIGKILL)
        killed += faults.code_of(child) == -signal.SIGKILL
    return killed, bool(faults.differences(faults.resumed(place, run_id), faults.whole("app")))


def _drive(place: Path, run_id: str) -> int:
    with contextlib.suppress(InputError):  # over already
        driver.drive(Store(place / "runs.db"), run_id)
    return 0


def damages(scratch: Path, kept: tables.Kept, count: int) -> list[Row]:
    """Damage checkpoints and stores in a random way."""
    return [(*row[:3], bool(row[3])) for row in kept(f"damages-{count}", lambda: _damages(scratch, count))]


def _damages(scratch: Path, count: int) -> list[Row]:
    run_id = faults.new_run(scratch / "run", "app")
    store = Store(scratch / "run" / "runs.db")
    with contextlib.closing(driver.steps(store, run_id)) as driven:
        while store.get(run_id)["cursor"] < store.get(run_id)["segments"]:  # at its end it still has two checkpoints
            next(driven)
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


def asked_to_end(scratch: Path, kept: tables.Kept, count: int) -> list[Row]:
    """SIGTERM and SIGHUP at random moments of a command line that trains."""
    alone = interruptions.undisturbed(scratch / "whole")
    rows = []
    for name in interruptions.SIGNALS:
        found = []
        for number, (of_run, after) in enumerate(alone.moments(count)):
            place = scratch / f"{name}-{number}"
            found.append(kept(place.name, lambda: interruptions.struck(place, name, of_run, after, alone.outcome)))  # noqa: B023
            shutil.rmtree(place, ignore_errors=True)
            print(place.name, found[-1], file=sys.stderr, flush=True)
        rows.append(_summary(name, found))
    return rows


def _summary(name: str, found: list[dict]) -> tuple[str, int, str, bool]:
    left = ", ".join(f"{state} {times}" for state, times in Counter(trial["left"] for trial in found).most_common())
    wrong = [trial["wrong"] for trial in found if trial["wrong"]]
    slowest = max(trial["seconds"] for trial in found)
    outcome = f"{left}; finished segments that were lost: {sum(trial['lost'] for trial in found)}; over after {slowest:.1f} s at most; "
    outcome += "; ".join(wrong[:5]) or "resumed, the same weights, masks and tables"
    return f"{name}, half over the life of the command, half over that of its run", len(found), outcome, not wrong


def met(scratch: Path, kept: tables.Kept, first: int, others: int) -> list[Row]:
    """Two verbs at one moment: `first` rounds of delete against resume, `others` of each other pair."""
    rows, run_id = [], pairs.prepare(scratch)
    for pair in pairs.PAIRS:
        count, wrong = Counter(), []
        rounds = first if pair == pairs.PAIRS[0] else others
        for number in range(rounds):
            key = f"{'-'.join(pair)}-{number}"
            did, more = kept(key, lambda: pairs.meet(scratch, run_id, pair, random.Random(key)))  # noqa: B023
            count[tuple(did)] += 1
            wrong += more
        said = f"both succeeded: {count[True, True]}; the first alone: {count[True, False]}; the second alone: {count[False, True]}"
        outcome = f"{said}; files and rows together, and what is left ends with the same bits" if not wrong else "; ".join(wrong[:5])
        rows.append((" against ".join(pair), rounds, outcome, not wrong))
        print(*rows[-1][:3], sep=": ", file=sys.stderr, flush=True)
    return rows


def killed_backups(scratch: Path, kept: tables.Kept, count: int) -> list[Row]:
    """Backups that are killed at random times, now and then beside another one to the same file."""
    seconds, total, wrong = backups.prepare(scratch), Counter(), []
    for number in range(count):
        found, more = kept(f"backup-{number}", lambda: backups.one(scratch, seconds, number))  # noqa: B023
        total += Counter(found)
        wrong += more
    said = f"killed {total['killed']}, succeeded {total['succeeded']}; {total['restored']} times there was a file"
    outcome = f"{said}, each restored whole" if not wrong else "; ".join(wrong[:5])
    return [("backups of three runs, a SIGKILL at a random time, every fourth time two at once to one file", count, outcome, not wrong)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(faults.SETTINGS), choices=list(faults.SETTINGS), help="of the runs [all]")
    parser.add_argument("--every", type=int, default=1, help="strike at every n-th operation [1]")
    parser.add_argument("--signals", type=int, default=40, help="random SIGKILLs [40]")
    parser.add_argument("--damages", type=int, default=1000, help="damaged checkpoints [1000]; a quarter as many stores")
    parser.add_argument("--interruptions", type=int, default=50, help="SIGTERMs, and as many SIGHUPs [50]")
    parser.add_argument("--pairs", type=int, default=500, help="deletions against a resume [500]")
    parser.add_argument("--others", type=int, default=50, help="rounds of each other pair of verbs [50]")
    parser.add_argument("--backups", type=int, default=200, help="backups with kills [200]")
    names = ["strikes", "damages", "interruptions", "pairs", "backups"]
    parser.add_argument("--only", default="", choices=names, help="one of the tables [the first two]")
    parser.add_argument("--keep", default="", metavar="FILE", help="note what was done there, and go on from what is noted")
    parser.add_argument("--no-table", action="store_true", help="leave docs/RELIABILITY.md alone")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.keep:  # where it was noted is nothing for a table
        place = sys.argv.index("--keep")
        del sys.argv[place : place + 2]
    parts = {
        "strikes": lambda *to: [*strikes(*to, args.methods, args.every), *signals(*to, args.signals)],
        "damages": lambda *to: damages(*to, args.damages),
        "interruptions": lambda *to: asked_to_end(*to, args.interruptions),
        "pairs": lambda *to: met(*to, args.pairs, args.others),
        "backups": lambda *to: killed_backups(*to, args.backups),
    }
    is_well = True
    for name in [args.only] if args.only else ("strikes", "damages"):
        kept = tables.Kept(args.keep)
        with tempfile.TemporaryDirectory() as folder:
            rows = parts[name](Path(folder), kept)
        text = tables.table(
            tables.measured("faults.py", time.perf_counter() - kept.spent), ("tried", "count", "outcome"), [row[:3] for row in rows]
        )
        print(text)
        if not args.no_table:
            tables.write(name, text)
        is_well &= all(is_fine for *_, is_fine in rows)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
