"""Strike a run at its N-th file operation or store statement, resume it, and compare what it left with an undisturbed run.

The victim is a forked child. A kill ends it with os._exit: no handler, no `finally`, no flush. A failure raises what a full disk, a
busy store or a bad sector would, once, and the victim goes on as a launcher would let it.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pandas as pd
from sqlalchemy.engine.default import DefaultDialect

from appcore import files, paths
from appcore.config import build
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.runner.lockstep import LocalJob
from appcore.storage import checkpoint, heartbeat
from appcore.storage.store import Store

STRUCK, ENDED = 77, 78  # exit codes of the victim
VICTIM_SECONDS = 120  # one that is still there after this hangs
SETTINGS: dict[str, dict[str, Any]] = {
    "app": {"method": "app", "tau": 2.0},
    "imp": {"method": "imp", "tau": 2.0},
    "cs": {"method": "cs", "tau": 2.0},
    "rigl": {"method": "rigl", "tau": 2.0, "pruner": "random"},
}
_SMALL = {"arch": "mlp", "dataset": "digits", "megabatches": 2, "epochs": 2, "limit_train": 80, "limit_test": 40, "device": "cpu"}
_AUDITED = ("open", "os.listdir", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")  # what Python reports before it does it
_TIMED = ("seconds", "updated", "heartbeat")


def new_run(folder: Path, method: str, **settings: Any) -> str:
    """A queued run of the small kind in a store of its own; no process holds it."""
    store = Store(folder / "runs.db")
    settings = build({**_SMALL, **SETTINGS[method], **settings})
    run_id = store.create_run(settings, plan_length=len(plan(settings)))
    store.close()
    return run_id


def half_run(folder: Path, method: str, **settings: Any) -> str:
    """A run that was stopped when it had a checkpoint."""
    run_id = new_run(folder, method, **settings)
    store = Store(folder / "runs.db")
    with closing(driver.steps(store, run_id)) as driven:
        while not paths.manifests(paths.run_folder(folder, run_id)):
            next(driven)
    store.close()
    return run_id


def fork(work: Callable[[], int]) -> int:
    """The pid of a forked child that does `work`; it ends by itself, in time."""
    child = os.fork()
    if child == 0:
        signal.alarm(VICTIM_SECONDS)
        heartbeat.me.cache_clear()  # a process of its own, also to itself
        code = 1  # a failure must not run on as a second copy of the test
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def in_child(work: Callable[[], int]) -> int:
    """Its exit code, minus the signal that ended it; 1 when it raised."""
    return code_of(fork(work))


def code_of(child: int) -> int:
    """The exit code of a child, once it has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def advance(folder: Path, run_id: str) -> None:
    """Drive a run to its end as launchers and workers do, whatever happens."""
    job = LocalJob(Store(folder / "runs.db"), [run_id])
    while job.advance():
        pass


def kill(what: str) -> None:
    """The end of the process."""
    os._exit(STRUCK)


def fail(what: str) -> None:
    """An error that goes by: `what` is a statement, or the path of a file."""
    if not what.startswith(("/", "read ")):
        raise sqlite3.OperationalError("database is locked" if what.startswith("BEGIN") else "database or disk is full")
    number = errno.EIO if what.startswith("read ") else errno.ENOSPC
    raise OSError(number, os.strerror(number), what.removeprefix("read "))


def struck(folder: Path, run_id: str, at: int, strike: Callable[[str], None], before: Callable[[], None] = lambda: None) -> bool:
    """Drive the run in a child that is struck right before its `at`-th operation (from 1); False when it ended before that."""

    def work() -> int:
        shim = _Shim(folder, at, strike)
        shim.install()
        before()
        advance(folder, run_id)
        return STRUCK if shim.count >= at else ENDED

    code = in_child(work)
    assert code in (STRUCK, ENDED), f"the victim ended with {code}"
    return code == STRUCK


class _Shim:
    """Counts operations below a folder and statements of the store, and strikes at one of them."""

    def __init__(self, folder: Path, at: int, strike: Callable[[str], None]):
        self._inside, self._at, self._strike = str(folder), at, strike
        self.count = 0

    def step(self, what: str, is_written: bool = False) -> None:
        self.count += 1
        if self.count == self._at:
            if is_written:
                os.truncate(what, Path(what).stat().st_size // 2)  # a full disk leaves half a file
            self._strike(what)

    def install(self) -> None:
        sync = os.fsync
        os.fsync = lambda descriptor: (self.step(str(Path(f"/dev/fd/{descriptor}").readlink())), sync(descriptor))[1]
        sys.addaudithook(self._audit)
        for name in ("do_execute", "do_executemany", "do_execute_no_params", "do_commit"):
            setattr(DefaultDialect, name, self._before(getattr(DefaultDialect, name)))
        files.commit = self._halfway(files.commit)

    def _audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name not in _AUDITED:
            return
        inside = [os.fspath(a) for a in arguments[:2] if isinstance(a, (str, os.PathLike)) and os.fspath(a).startswith(self._inside)]
        reads = name == "os.listdir" or (name == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")))
        if inside and not (reads and self._strike is kill):  # before reading is where it was before
            self.step(f"read {inside[0]}" if reads else inside[0])

    def _before(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(dialect: Any, subject: Any, *rest: Any, **named: Any) -> Any:
            self.step(rest[0] if rest else "COMMIT")
            return method(dialect, subject, *rest, **named)

        return stepping

    def _halfway(self, commit: Callable[..., None]) -> Callable[..., None]:
        def stepping(path: Path, fill: Callable[[Any], Any], *rest: Any, **named: Any) -> None:
            def filled(file: Any) -> None:
                fill(file)
                file.flush()
                self.step(file.name, is_written=True)

            commit(path, filled, *rest, **named)

        return stepping


def resumed(folder: Path, run_id: str) -> dict[str, Any]:
    """Drive what is left of a run here, and what it then holds."""
    store = Store(folder / "runs.db")
    status = driver.drive(store, run_id) if store.get(run_id)["status"] != "done" else "done"
    assert status == "done", store.get(run_id)["error"]
    found = outcome(store, run_id)
    store.close()
    return found


@cache
def whole(method: str, **settings: Any) -> dict[str, Any]:
    """What a run leaves that nothing disturbed."""
    with tempfile.TemporaryDirectory() as place:
        return resumed(Path(place), new_run(Path(place), method, **settings))


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
    assert whole["masks"] and all(whole["tables"].values())
    parts = {**found, **{f"table {name}": rows for name, rows in found["tables"].items()}}
    wanted = {**whole, **{f"table {name}": rows for name, rows in whole["tables"].items()}}
    return [name for name in wanted if name != "tables" and parts.get(name) != wanted[name]]


def told(row: dict[str, Any]) -> list[str]:
    """What is wrong with the end of a run that was struck by an error: its state has a name, its cause and the remedy are one line."""
    if row["status"] == "done":
        return []
    error = row["error"] or ""
    if row["status"] not in ("failed", "stopped", "lost") or "\n" in error:
        return [f"left {row['status']}: {error!r}"]
    is_named = any(sign in error for sign in ("disk is full", "locked", "No space left", "Input/output error"))
    return [] if is_named and ("resume" in error or "try again" in error) else [f"{row['status']} without cause or remedy: {error!r}"]


def each(folder: Path, method: str, strike: Callable[[str], None], *, every: int = 1, resumes: bool = False) -> tuple[Counter, list[str]]:
    """Strike at operations 1, 1 + `every`, ... of a run, or of a resume, until it ends first.

    Returns how many runs were left in which state, and a line for each fault found.
    """
    begun = folder / "begun"
    run_id = (half_run if resumes else new_run)(begun, method)
    with closing(Store(begun / "runs.db")) as store:
        store.update(run_id, status="queued")  # as the manager leaves one that is resumed
    found, faults, at = Counter(), [], 1
    while True:
        place = folder / f"strike-{at}"
        shutil.copytree(begun, place)
        with closing(Store(place / "runs.db")) as store:
            store.beat([run_id])  # as the manager does for what waits, or a child would look for 5 s whether this process is there
        try:
            if not struck(place, run_id, at, strike):
                return found, faults
            with closing(Store(place / "runs.db")) as store:
                row = store.get(run_id)
            found[row["status"]] += 1
            wrong = told(row) if strike is fail else []
            wrong += differences(resumed(place, run_id), whole(method))
        except Exception as error:  # any trouble on the way is a fault found, and the next place is tried
            wrong = [f"{type(error).__name__}: {error}"]
        if wrong:
            faults.append(f"{method}, operation {at}: {', '.join(wrong)}")
        shutil.rmtree(place)
        at += every
