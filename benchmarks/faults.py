"""Kill runs at every file operation and store statement, damage their files, and say what came out: `python benchmarks/faults.py`.

Writes the table between the marks in docs/RELIABILITY.md; ends with 1 when anything was lost, doubled or wrong without a word.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import random
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: the victims are forked, which is safe while there is one thread
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import damage  # noqa: E402
import faults  # noqa: E402
import torch  # noqa: E402

from appcore import driver, paths  # noqa: E402
from appcore.config import InputError  # noqa: E402
from appcore.store import Store  # noqa: E402

REPORT = ROOT / "docs" / "RELIABILITY.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


def kills(scratch: Path, every: int) -> list[tuple[str, int, str, bool]]:
    rows = []
    for method in faults.SETTINGS:
        count, wrong = faults.each_kill(scratch / method, method, every)
        outcome = "same weights, masks and tables, nothing missing or doubled" if not wrong else "; ".join(wrong[:5])
        rows.append((f"kills of {method} at file operations, syncs, store statements and commits", count, outcome, not wrong))
        print(*rows[-1][:3], sep=": ", file=sys.stderr, flush=True)
    return rows


def signals(scratch: Path, count: int) -> list[tuple[str, int, str, bool]]:
    """SIGKILL at random times; a run that is killed may be killed again while it goes on."""
    if not count:
        return []
    whole = faults.resumed(scratch / "whole", faults.new_run(scratch / "whole", "app"))
    draw, done, wrong = random.Random(0), 0, 0
    while done < count:
        place = scratch / f"signal-{done}"
        run_id = faults.new_run(place, "app")
        for _ in range(draw.randint(1, 3)):
            child = os.fork()
            if child == 0:
                with contextlib.suppress(InputError):  # over already
                    driver.drive(Store(place / "runs.db"), run_id)
                os._exit(0)
            time.sleep(draw.uniform(0.0, 0.4))
            os.kill(child, signal.SIGKILL)
            done += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        wrong += bool(faults.differences(faults.resumed(place, run_id), whole))
    outcome = "same weights, masks and tables" if not wrong else f"{wrong} runs differ"
    return [("SIGKILL at random times, up to three times for one run", done, outcome, not wrong)]


def damages(scratch: Path, count: int) -> list[tuple[str, int, str, bool]]:
    run_id = faults.new_run(scratch / "run", "app")
    faults.resumed(scratch / "run", run_id)
    store = Store(scratch / "run" / "runs.db")
    folder = paths.run_folder(store.folder, run_id)
    store.close()
    rows = []
    for kind, outcomes in damage.checkpoints(scratch, folder, count).items():
        text = "; ".join(f"{what}: {times}" for what, times in sorted(outcomes.items()))
        rows.append((f"checkpoints: {kind}", sum(outcomes.values()), text, damage.SILENT not in outcomes))
    outcomes = damage.stores(scratch, scratch / "run" / "runs.db", run_id, count // 4)
    text = "; ".join(f"{what}: {times}" for what, times in outcomes.items() if times)
    # SQLite has no checksums: a flipped bit inside a number is a number. Said, not counted as a fault of ours.
    rows.append(("store files: truncated, one bit flipped, end cut off", sum(outcomes.values()), text, True))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="kill at every n-th operation [1]")
    parser.add_argument("--signals", type=int, default=40, help="random SIGKILLs [40]")
    parser.add_argument("--damages", type=int, default=1000, help="damaged checkpoints [1000]; a quarter as many stores")
    parser.add_argument("--no-table", action="store_true", help="leave docs/RELIABILITY.md alone")
    args = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        rows = [
            *kills(scratch / "kills", args.every),
            *signals(scratch / "signals", args.signals),
            *damages(scratch / "damages", args.damages),
        ]
    about = f"Measured on {datetime.now(UTC):%Y-%m-%d} in {time.perf_counter() - start:.0f} s: {platform.system()}, CPU, "
    command = " ".join(["python", "benchmarks/faults.py", *sys.argv[1:]])
    about += f"Python {platform.python_version()}, torch {metadata.version('torch')}, by `{command}`."
    lines = [
        about,
        "",
        "| tried | count | outcome |",
        "|---|---|---|",
        *(f"| {what} | {count} | {outcome} |" for what, count, outcome, _ in rows),
    ]
    print("\n".join(lines))
    if not args.no_table:
        before, _, rest = REPORT.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        REPORT.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")
    return 0 if all(is_fine for *_, is_fine in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
