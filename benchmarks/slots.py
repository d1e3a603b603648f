"""An ablation of eight default runs: side by side, as the page Ablations and `sweep` start it, against one after the other in one process.

    python benchmarks/slots.py [--rounds 3] [--workers N] [--ray] [--quick]

Each side is a process of its own with a store of its own and torch already imported, as in the app; worker processes import it within
the time that is measured. The sides take turns, and ratios are taken within a round. Bits (weights hash, loss of every epoch) of each run
are compared between the sides. `--ray`: the same as tasks of a Ray cluster too, which is started before: two local nodes of one core each
(needs the package ray). `--quick`: small runs, to see that it works, not to quote. Writes slots.md beside itself, unless `--quick`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import local_ray  # noqa: E402

from appcore.runner import hardware  # noqa: E402
from appcore.runner.slots import SLOTS_VARIABLE, WORKERS_VARIABLE  # noqa: E402

AXES = {"pruner": ["snip", "magnitude"], "seed": [0, 1, 2, 3]}
QUICK = {"arch": "mlp", "epochs": 3, "megabatches": 2, "limit_train": 300, "limit_test": 100}
LAUNCHERS = {"one after the other": "thread", "side by side": "process"}
ON_RAY = {"through Ray": "ray"}


def side(launcher: str, base: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Carry an ablation out; seconds from its start to its last run, and the bits of all."""
    from appcore.engine import flops, loop  # noqa: F401, as the app has imported them
    from appcore.runner import driver  # noqa: F401
    from appcore.runner.launcher import check
    from appcore.service.manager import Manager
    from appcore.storage.store import Store

    manager = Manager(Store(folder / "runs.db"))
    check(manager.store, launcher)  # which joins a cluster
    sweep_id = manager.ablations.create("eight", base, AXES)
    begun = time.perf_counter()
    run_ids = manager.ablations.run_missing(sweep_id, launcher)["started"]
    statuses = [manager.wait(run_id) for run_id in run_ids]
    seconds = time.perf_counter() - begun
    rows = [manager.get(run_id) for run_id in run_ids]
    bits = {
        row["fingerprint"]: [row["totals"]["weights_hash"], manager.store.epochs(row["run_id"])["train_loss"].tolist()]
        for row, status in zip(rows, statuses, strict=True)
        if status == "done"
    }
    manager.close()
    return {"seconds": seconds, "bits": bits, "processes": len({row["pid"] for row in rows}), "versions": rows[0]["versions"]}


def measured(name: str, base: dict[str, Any]) -> dict[str, Any]:
    """One side in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, SLOTS_VARIABLE: str(Path(folder) / "slots"), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, __file__, "--side", (LAUNCHERS | ON_RAY)[name], "--base", json.dumps(base), "--folder", folder]
        found = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    print(f"{name}: {found['seconds']:.1f} s, {found['processes']} processes", flush=True)
    assert len(found["bits"]) == 8, "not all runs are done"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--base", type=json.loads, default={}, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(side(args.side, args.base, args.folder)))
        return
    if args.workers:
        os.environ[WORKERS_VARIABLE] = str(args.workers)
    base = QUICK if args.quick else {}
    sides = LAUNCHERS | (ON_RAY if args.ray else {})
    with local_ray.cluster(2) if args.ray else contextlib.nullcontext():
        rounds = [{name: measured(name, base) for name in sides} for _ in range(args.rounds)]
    ratios = [one["one after the other"]["seconds"] / one["side by side"]["seconds"] for one in rounds]
    first = rounds[0]["one after the other"]
    is_same = all(found["bits"] == first["bits"] for one in rounds for found in one.values())
    times = {name: [one[name]["seconds"] for one in rounds] for name in sides}
    processes = rounds[0]["side by side"]["processes"]
    lines = [
        "# An ablation of eight default runs, side by side",
        "",
        f"`python benchmarks/{' '.join(['slots.py', *sys.argv[1:]])}`, {datetime.now(UTC):%Y-%m-%d}, {hardware.cores()} cores, "
        f"{platform.machine()} {first['versions'].get('cpu', '')}, Python {platform.python_version()}, torch {metadata.version('torch')}.",
        "",
        "| | seconds, median (lowest to highest) |",
        "|---|---|",
        *(f"| {name} | {statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f}) |" for name, found in times.items()),
        "",
        f"**{statistics.median(ratios):.2f} times as fast** ({min(ratios):.2f} to {max(ratios):.2f}) in {processes} processes; "
        f"bits of all runs {'equal' if is_same else '**differ**'}.",
        "",
    ]
    if args.ray:
        by_ray = [one["through Ray"]["seconds"] / one["side by side"]["seconds"] for one in rounds]
        found = f"{statistics.median(by_ray):.2f} times as long as side by side ({min(by_ray):.2f} to {max(by_ray):.2f})"
        lines += [f"Through Ray, with two local nodes of one core, it takes {found}; start of the cluster left out.", ""]
    print("\n".join(lines))
    if not args.quick:
        Path(__file__).with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")
    if not is_same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
