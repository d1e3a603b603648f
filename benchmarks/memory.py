"""Is the memory estimate right? `python benchmarks/memory.py`: runs in processes of their own, estimated and measured; writes memory.md.

Peak resident set of the whole process (ru_maxrss), as a run in a worker process or of the command line has it.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from appcore.bench import machine, timing  # noqa: E402

BASE = {"dataset": f"images:{machine.REAL_IMAGES[5_000]}", "megabatches": 2, "tau": 2.0, "epochs": 1, "device": "cpu", "limit_test": 200}
RUNS: dict[str, dict[str, Any]] = {
    "MLP, digits": {"arch": "mlp", "dataset": "digits", "limit_test": 0},
    "LeNet-5, batch 64": {"arch": "lenet5", "limit_train": 2000},
    "ResNet-20, batch 64": {"arch": "resnet20", "limit_train": 600},
    "ResNet-20, batch 512": {"arch": "resnet20", "limit_train": 1200, "batch_size": 512},
    "ResNet-20, batch 512, fp32": {"arch": "resnet20", "limit_train": 1200, "batch_size": 512, "precision": "fp32"},
    "ResNet-18, batch 64": {"arch": "resnet18", "limit_train": 300},
    "ResNet-18, batch 128, fp32": {"arch": "resnet18", "limit_train": 300, "batch_size": 128, "precision": "fp32"},
    "ResNet-18, scored on 256": {"arch": "resnet18", "limit_train": 600, "score_batch_size": 256, "score_fraction": 1.0},
    "ResNet-18, GraSP on 64": {"arch": "resnet18", "limit_train": 300, "pruner": "grasp", "score_batch_size": 64, "score_fraction": 1.0},
    "ResNet-50, batch 32": {"arch": "resnet50", "limit_train": 100, "batch_size": 32, "score_batch_size": 32},
    "ResNet-50, batch 32, tested on 1,000": {"arch": "resnet50", "limit_train": 100, "batch_size": 32, "limit_test": 1000},
    "ResNet-50, batch 64, fp32": {"arch": "resnet50", "limit_train": 150, "batch_size": 64, "precision": "fp32"},
}
_RUN = """
import json, resource, sys, tempfile
from pathlib import Path
from appcore.engine import estimate
from appcore.config import build
from appcore.runner.driver import drive
from appcore.planning.plan import plan
from appcore.storage.store import Store

config = build(json.loads(sys.argv[1]))
guess = estimate.estimate(config, [(config, 1.0)])["memory_bytes"]
with tempfile.TemporaryDirectory() as folder:
    store = Store(Path(folder) / "runs.db")
    run_id = store.create_run(config, plan_length=len(plan(config)))
    drive(store, run_id)
    row = store.get(run_id)
assert row["status"] == "done", row["error"]
unit = 1024 if sys.platform == "linux" else 1
print(json.dumps([guess, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, row["totals"]["peak_memory_bytes"]]))
"""


def measured(settings: dict[str, Any]) -> tuple[float, float, float]:
    """MB: estimated, peak of a process that did nothing else, and what the run's own totals say."""
    command = [sys.executable, "-c", _RUN, json.dumps({**BASE, **settings})]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    guess, peak, told = json.loads(done.stdout.splitlines()[-1])
    return guess / 1e6, peak / 1e6, told / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="runs whose name contains this")
    args = parser.parse_args()
    here = timing.machine()
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {here['processor']}, {here['threads']} threads, CPU, "
        f"Python {platform.python_version()}, torch {metadata.version('torch')}, by "
        "`python benchmarks/memory.py`. Peak resident set of a process that does one run.",
        "",
        "| run | estimated, MB | measured, MB | estimate / measured | in `totals`, MB |",
        "|---|---|---|---|---|",
    ]
    for name, settings in RUNS.items():
        if args.only in name:
            guess, peak, told = measured(settings)
            lines.append(f"| {name} | {guess:.0f} | {peak:.0f} | {guess / peak:.2f} | {told:.0f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    text = "# Is the memory estimate right?\n\n" + "\n".join(lines) + "\n"
    print(text)
    if not args.only:
        (Path(__file__).parent / "memory.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
