"""Make the faults of disk, store, clock, memory, data, threads and processes, and say how the run ended.

    python benchmarks/resources.py

Writes its table into docs/RELIABILITY.md; ends with 1 when one was not well.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: the victims are forked, which is safe while there is one thread
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import processes  # noqa: E402
import psutil  # noqa: E402
import resources  # noqa: E402
import tables  # noqa: E402
import torch  # noqa: E402

SLOW = ("store locked",)


def made(what: str, folder: Path) -> tuple[str, bool]:
    """How the run ended, and whether that is well."""
    folder.mkdir()
    try:
        return {**resources.FAULTS, **processes.FAULTS}[what](folder), True
    except PermissionError:
        return "not tried: a file system can be made by root only", True
    except Exception as error:  # whatever it is, it is what came out
        return f"NOT WELL: {type(error).__name__}: {' '.join(str(error).split())}", False


def tested(arguments: str) -> bool:
    """Whether these tests pass, and there are some."""
    file, _, words = arguments.partition(" -k ")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file, "-k", words]
    return subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode == 0


def left_behind() -> list[str]:
    """Processes that should be gone."""
    return [f"{child.pid} {child.status()} {child.name()}" for child in psutil.Process().children(recursive=True)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out what waits for a lock, and what tests make")
    parser.add_argument("--only", default="", help="only what contains these words")
    parser.add_argument("--no-table", action="store_true", help="leave docs/RELIABILITY.md alone")
    args = parser.parse_args()
    torch.set_num_threads(1)
    begun, rows, is_well = time.perf_counter(), [], True
    own = "`python benchmarks/resources.py`"
    with tempfile.TemporaryDirectory() as folder:
        for number, what in enumerate([*resources.FAULTS, *processes.FAULTS]):
            if args.only in what and not (args.quick and what.startswith(SLOW)):
                outcome, well = made(what, Path(folder) / str(number))
                rows.append((what, 1, outcome, own))
                is_well &= well
                print(*rows[-1][:3], sep=": ", flush=True)
        for what, (arguments, outcome) in processes.TESTS.items() if not args.quick else ():
            if args.only in what:
                well = tested(arguments)
                file, _, words = arguments.partition(" -k ")
                rows.append((what, 1, outcome if well else "NOT WELL", f'`python -m pytest {file} -k "{words}"`'))
                is_well &= well
    zombies = left_behind()
    rows.append(("after all of these: processes left", len(zombies), "; ".join(zombies) or "none", own))
    text = tables.table(tables.measured("resources.py", begun), ("tried", "count", "outcome", "command"), rows)
    print(text)
    if not args.no_table:
        tables.write("resources", text)
    return 0 if is_well and not zombies else 1


if __name__ == "__main__":
    sys.exit(main())
