"""Kill a run at its N-th file operation or store statement, resume it, and compare what it left with an uninterrupted run.

The victim is a forked child that ends itself with os._exit, as a kill does: no handler, no `finally`, no flush.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pandas as pd
from sqlalchemy import event
from sqlalchemy.engine import Engine

from appcore import checkpoint, driver, paths
from appcore.config import build
from appcore.plan import plan
from appcore.store import Store

KILLED, ENDED = 77, 78  # exit codes of the victim
SETTINGS: dict[str, dict[str, Any]] = {
    "app": {"method": "app", "tau": 2.0},
    "imp": {"method": "imp", "tau": 2.0},
    "cs": {"method": "cs", "tau": 2.0},
    "rigl": {"method": "rigl", "tau": 2.0, "pruner": "random"},
}
_SMALL = {"arch": "mlp", "dataset": "digits", "megabatches": 2, "epochs": 2, "limit_train": 80, "limit_test": 40, "device": "cpu"}
_AUDITED = ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate")  # what Python reports before it does it
_TIMED = ("seconds", "updated", "heartbeat")


def config(method: str) -> Any:
    """The small run of a method."""
    return build({**_SMALL, **SETTINGS[method]})


def new_run(folder: Path, method: str) -> str:
    """A queued run in a store of its own; no process holds it."""
    store = Store(folder / "runs.db")
    settings = config(method)
    run_id = store.create_run(settings, plan_length=len(plan(settings)))
    store.close()
    return run_id


def killed(folder: Path, run_id: str, at: int) -> bool:
    """Drive the run in a child that dies right before its `at`-th operation (from 1); False when it ended before that."""
    child = os.fork()
    if child == 0:
        _die_at(folder, at)
        code = 1  # a failure must not run on as a second copy of the test
        try:
            driver.drive(Store(folder / "runs.db"), run_id)
            code = ENDED
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (KILLED, ENDED), f"the victim ended with {code}"
    return code == KILLED


def _die_at(folder: Path, at: int) -> None:
    """Count operations below `folder` and statements of the store; end the process at the given one."""
    count = 0
    inside = str(folder)

    def step() -> None:
        nonlocal count
        count += 1
        if count == at:
            os._exit(KILLED)

    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        changes = name in _AUDITED and (name != "open" or (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")))
        if changes and any(isinstance(a, (str, os.PathLike)) and os.fspath(a).startswith(inside) for a in arguments[:2]):
            step()

    sync = os.fsync
    os.fsync = lambda descriptor: (step(), sync(descriptor))[1]
    sys.addaudithook(audit)
    event.listen(Engine, "before_cursor_execute", lambda *_: step())
    event.listen(Engine, "commit", lambda *_: step())


def resumed(folder: Path, run_id: str) -> dict[str, Any]:
    """Drive what is left of a run here, and what it then holds."""
    store = Store(folder / "runs.db")
    status = driver.drive(store, run_id) if store.get(run_id)["status"] != "done" else "done"
    assert status == "done", store.get(run_id)["error"]
    found = outcome(store, run_id)
    store.close()
    return found


def outcome(store: Store, run_id: str) -> dict[str, Any]:
    """All that must be equal: weights, masks of every prune point, and the tables but for times."""
    row = store.get(run_id)
    folder = paths.run_folder(store.folder, run_id)
    tables = {name: getattr(store, name)([run_id]) for name in ("epochs", "megabatches", "prunes", "layers")}
    masks = {path.name: checkpoint.load_packed(path)[0] for path in sorted((folder / "masks").glob("*.safetensors"))}
    return {
        "weights": row["totals"]["weights_hash"],
        "cer": row["totals"]["cer"],
        "cursor": row["cursor"],
        "masks": {name: {layer: bits.tobytes() for layer, bits in found.items()} for name, found in masks.items()},
        "tables": {name: _comparable(table) for name, table in tables.items()},
    }


def _comparable(table: pd.DataFrame) -> list[dict[str, Any]]:
    kept = table.drop(columns=[name for name in table if name in ("run_id", *_TIMED)])
    rows = [{name: _plain(value) for name, value in row.items()} for row in kept.to_dict("records")]
    assert len({repr(row) for row in rows}) == len(rows), "a row is there twice"
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if name not in _TIMED}
    return repr(value) if isinstance(value, (float, numpy.floating)) else value


def differences(found: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    """Names of the parts that are not equal."""
    parts = {**found, **{f"table {name}": rows for name, rows in found["tables"].items()}}
    wanted = {**whole, **{f"table {name}": rows for name, rows in whole["tables"].items()}}
    return [name for name in wanted if name != "tables" and parts.get(name) != wanted[name]]


def each_kill(
    folder: Path, method: str, every: int = 1, first: int = 1, said: Callable[[str], None] = lambda text: None
) -> tuple[int, list[str]]:
    """Kill at operations `first`, `first` + `every`, ... until the run ends first. Returns how many kills, and a line per fault found."""
    whole_folder = folder / "whole"
    whole = resumed(whole_folder, new_run(whole_folder, method))
    assert whole["masks"] and all(whole["tables"].values())
    faults, kills, at = [], 0, first
    while True:
        place = folder / f"kill-{at}"
        run_id = new_run(place, method)
        if not killed(place, run_id, at):
            break
        kills += 1
        try:
            wrong = differences(resumed(place, run_id), whole)
        except Exception as error:  # any trouble on the way is a fault found, and the next place is tried
            wrong = [f"{type(error).__name__}: {error}"]
        if wrong:
            faults.append(f"{method}, operation {at}: {', '.join(wrong)}")
            said(faults[-1])
        shutil.rmtree(place)
        at += every
    return kills, faults
