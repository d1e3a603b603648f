"""Backups that are killed, beside others to the same file: each that said it succeeded restores, and so does what a kill left."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import faults

from appcore import paths
from appcore.storage.store import Store
from appcore.transfer.backup import backup, restore

RUNS = 3


def prepare(folder: Path) -> float:
    """A store with some runs, and how long a backup of it takes."""
    run_ids = [faults.half_run(folder / "store", method) for method in list(faults.SETTINGS)[:RUNS]]
    with closing(Store(folder / "store" / "runs.db")) as store:
        exports = paths.model_file(paths.run_folder(store.folder, run_ids[0]), "onnx", 1)
        exports.parent.mkdir()
        exports.write_bytes(bytes(8 * 2**20))  # packs into next to nothing
        begun = time.perf_counter()
        backup(store, folder / "first.zip")
        return time.perf_counter() - begun


def one(folder: Path, seconds: float, number: int) -> tuple[dict[str, int], list[str]]:
    """One round: a backup that may be killed, now and then beside a second one to the same file. Counts, and what is wrong."""
    draw, to = random.Random(f"backup/{number}"), folder / "b.zip"
    if number % 3 == 0:
        to.unlink(missing_ok=True)
    before = to.read_bytes() if to.exists() else None
    children = []
    for _ in range(1 + (number % 4 == 0)):
        children.append(faults.fork(lambda: backup(Store(folder / "store" / "runs.db"), to)["runs"]))
        time.sleep(draw.uniform(0, seconds / 4))
    time.sleep(draw.uniform(0, 1.4 * seconds))
    victim = draw.choice(children)
    os.kill(victim, signal.SIGKILL)
    codes = [faults.code_of(child) for child in children]
    succeeded = codes.count(RUNS)
    wrong = [f"ended with {code}" for code in codes if code not in (RUNS, -signal.SIGKILL)]
    if to.exists():
        wrong += _unlike(folder, to)
    elif succeeded:
        wrong.append("succeeded, and there is no file")
    if not succeeded and before is not None and not to.exists():
        wrong.append("the file of before is gone")
    left = [path.name for path in folder.glob("b.zip.*")]
    if len(left) > 1:
        wrong.append(f"leftovers pile up: {left}")
    return {"succeeded": succeeded, "killed": codes.count(-signal.SIGKILL), "restored": int(to.exists())}, [
        f"round {number}: {line}" for line in wrong
    ]


def _unlike(folder: Path, file: Path) -> list[str]:
    """What a restore of the file has otherwise than the store."""
    place = folder / "restored"
    try:
        with closing(Store(place / "runs.db")) as store:
            restore(store, file)
        found, wanted = _everything(place), _everything(folder / "store")
        return [f"{name} differs after the restore" for name in wanted if found[name] != wanted[name]]
    except ValueError as error:
        return [f"no restore: {error}"]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _everything(folder: Path) -> dict[str, Any]:
    with closing(Store(folder / "runs.db")) as store:
        run_ids = sorted(run["run_id"] for run in store.runs())
        rows = [{name: value for name, value in store.get(run_id).items() if name != "revision"} for run_id in run_ids]
        tables = {name: getattr(store, name)(run_ids).to_json() for name in ("epochs", "megabatches", "prunes", "layers")}
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for run_id in run_ids
        for path in sorted(paths.run_folder(folder, run_id).rglob("*"))
        if path.is_file()
    }
    return {"rows": rows, **tables, "files": files}
