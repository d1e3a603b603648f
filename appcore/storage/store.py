"""The store, the only thing that runs and pages share. SQLite file by default, PostgreSQL by URL. Knows no torch.

SQLite keeps its rollback journal instead of WAL: versions before 3.51.3 can corrupt a WAL that has several writers, WAL fails on
network home folders, and one file is easy to copy.
"""

from __future__ import annotations

import copy
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, delete, insert, select, update

from .. import paths
from ..config import RunConfig
from ..errors import InputError
from ..statuses import ACTIVE, ENDED
from . import heartbeat, schema
from .ablations import AblationTable
from .database import Database, StoreError
from .rows import described, frame, live, record
from .schema import plain, runs

if TYPE_CHECKING:
    import pandas

    from ..events import Event

COMMANDS = ("pause", "resume", "stop")
_HEAVY = ("started", "traceback")  # kilobytes each, so `runs` leaves them out
_MOST_PADDED = 16_384  # ids; SQLite takes 32,766 values in a statement
_LIFE = (runs.c.status, runs.c.pid, runs.c.host, runs.c.process_started, runs.c.heartbeat)

__all__ = ["ACTIVE", "ENDED", "Store", "StoreError", "TakenOverError"]


class TakenOverError(InputError):
    """Another process drives this run now."""


class Store:
    """Runs and their events. Thread-safe; every call is one short transaction. Problems raise StoreError (an InputError)."""

    def __init__(self, address: str | Path | None = None, *, busy_seconds: float = 10.0):
        self._database = Database(address if address is not None else paths.store_address(), busy_seconds)
        self.url: str = self._database.url
        self.folder: Path = self._database.folder
        self.ablations = AblationTable(self._database)
        self.owner = ""  # of the runs that are added here
        self._mine: tuple = ()  # what a row of `runs` must fulfil to be seen or changed here

    def of(self, owner: str, *, sees_all: bool = False) -> Store:
        """This store as one user sees it: runs that they add are theirs, and unless `sees_all` no others exist."""
        seen = copy.copy(self)
        seen.owner, seen._mine = owner, () if sees_all else (runs.c.owner == owner,)
        seen.ablations = AblationTable(self._database, owner, sees_all)
        return seen

    def close(self) -> None:
        """Close the connections; they are opened again when needed."""
        self._database.engine.dispose()

    # ---- writing

    def create_run(self, config: RunConfig, *, group: str = "", launcher: str = "", plan_length: int, title: str = "") -> str:
        """Add a queued run owned by this process; returns its id."""
        now = datetime.now(UTC)
        values = described(config) | {"created": now.isoformat(), "status": "queued", "group_id": group, "launcher": launcher}
        values |= {"segments": plan_length, "title": plain(title), "notes": [], "heartbeat": time.time()}
        values["owner"] = self.owner
        run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        with self._database.write() as connection:
            while connection.scalar(select(runs.c.run_id).where(runs.c.run_id == run_id)):
                run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
            connection.execute(insert(runs).values(run_id=run_id, **values, **heartbeat.me()))
        return run_id

    def add(
        self, run_id: str, config: RunConfig, events: Iterable[Event], *, seqs: Sequence[int], place: Callable[[], None], **columns: Any
    ) -> None:
        """Add a run that ended elsewhere, all of it in one transaction; InputError when its id is taken.

        `place` moves its files into place at the end of the transaction, when no other process can touch the same run.
        """
        values = described(config) | {name: plain(value) for name, value in columns.items()}
        values |= {"owner": self.owner, "heartbeat": time.time()}
        with self._database.write() as connection:
            if connection.scalar(select(runs.c.run_id).where(runs.c.run_id == run_id)):
                raise InputError(f"run {run_id} is in this store already", "run_id")
            connection.execute(insert(runs).values(run_id=run_id, **values))
            for event, nth in zip(events, seqs, strict=True):
                record(connection, run_id, event, nth)
            place()

    def write(self, run_id: str, events: Iterable[Event] = (), *, seqs: Sequence[int] | None = None, **columns: Any) -> None:
        """Write events and columns of `runs` in one transaction; an event written again overwrites itself.

        `seqs` says for each event which one of its kind in its segment it is (default: the first).
        """
        events = list(events)
        changes = {name: value for event in events for name, value in schema.columns(event).items()}
        with self._database.write() as connection:
            self._change(connection, run_id, changes | columns)
            for event, nth in zip(events, seqs or [0] * len(events), strict=True):
                record(connection, run_id, event, nth)

    def update(self, run_id: str, **columns: Any) -> None:
        """Change columns of a run."""
        self.write(run_id, **columns)

    def claim(self, run_id: str, allowed: Sequence[str], **columns: Any) -> dict[str, Any]:
        """Take over a run whose status is one of `allowed` for this process, so that two processes never drive one run.

        Returns the row as it was before.
        """
        with self._database.write() as connection:
            row = connection.execute(select(runs).where(runs.c.run_id == run_id, *self._mine).with_for_update()).mappings().one_or_none()
            if row is None:
                raise _unknown(run_id)
            before = live(row)
            if before["status"] not in allowed:
                raise InputError(f"run {run_id} is {before['status']}; this needs one that is {' or '.join(allowed)}", "run_id")
            self._change(connection, run_id, {**heartbeat.me(), "heartbeat": time.time(), **columns})
        return before

    def rewind(self, run_id: str, cursor: int, **columns: Any) -> None:
        """Drop the rows of segments from `cursor` on, which a resume will write again."""
        with self._database.write() as connection:
            for table in schema.EVENT_TABLES:
                connection.execute(delete(table).where(table.c.run_id == run_id, table.c.segment >= cursor))
            self._change(connection, run_id, {"cursor": cursor, **columns})

    def beat(self, run_ids: list[str]) -> None:
        """Record a heartbeat: this process still owns these runs. No new revision, since nothing that a page shows has changed."""
        with self._database.write() as connection:
            chosen = (runs.c.run_id.in_(run_ids),)
            _hold(connection, chosen)
            connection.execute(update(runs).where(*chosen).values(heartbeat=time.time()))

    def delete(self, run_id: str) -> None:
        """Remove an ended run with its rows and files."""
        row = self.get(run_id)
        if row["status"] in ACTIVE:
            raise InputError(f"run {row['run_id']} is {row['status']}; stop it before deleting it", "run_id")
        with self._database.write() as connection:
            for table in (*schema.OWNED_TABLES, runs):
                connection.execute(delete(table).where(table.c.run_id == row["run_id"]))
        shutil.rmtree(paths.run_folder(self.folder, row["run_id"]), ignore_errors=True)

    def _change(self, connection: Connection, run_id: str, columns: dict[str, Any]) -> None:
        changes = {name: plain(value) for name, value in columns.items()}
        result = connection.execute(
            update(runs).where(runs.c.run_id == run_id, *self._mine).values(revision=runs.c.revision + 1, **changes)
        )
        if result.rowcount == 0:
            raise _unknown(run_id)

    # ---- commands

    def command(self, run_id: str) -> str | None:
        """The command that waits for the driver of a run."""
        with self._database.read() as connection:
            return connection.scalar(select(runs.c.command).where(runs.c.run_id == run_id))

    def commands(self, run_ids: Iterable[str]) -> dict[str, str]:
        """The commands that wait, by run."""
        with self._database.read() as connection:
            query = select(runs.c.run_id, runs.c.command).where(runs.c.run_id.in_(list(run_ids)), runs.c.command.is_not(None))
            return dict(connection.execute(query).all())

    def set_command(self, run_id: str, command: str | None) -> None:
        """Ask the driver of a run, in whatever process, to pause, resume or stop."""
        assert command is None or command in COMMANDS, command
        self.update(run_id, command=command)

    def update_all(self, run_ids: Iterable[str], statuses: Sequence[str], **columns: Any) -> None:
        """Change columns of those of these runs whose status is one of `statuses`, in one transaction."""
        changes = {name: plain(value) for name, value in columns.items()}
        chosen = (runs.c.run_id.in_(list(run_ids)), runs.c.status.in_(statuses), *self._mine)
        with self._database.write() as connection:
            _hold(connection, chosen)
            connection.execute(update(runs).where(*chosen).values(revision=runs.c.revision + 1, **changes))

    def take_command(self, run_id: str) -> str | None:
        """The waiting command, which is cleared. Reads before it writes: the driver asks ten times a second.

        TakenOverError when this process no longer holds the run: it was suspended, taken for lost, and the run resumed elsewhere.
        """
        with self._database.read() as connection:
            row = connection.execute(select(runs.c.command, *_LIFE).where(runs.c.run_id == run_id)).mappings().one_or_none()
        if row is None:
            raise _unknown(run_id)
        if not heartbeat.is_mine(row):
            raise TakenOverError(f"run {run_id} was taken over by process {row['pid']} on {row['host']}", "run_id")
        if row["command"] is None:
            return None
        with self._database.write() as connection:
            command = connection.scalar(select(runs.c.command).where(runs.c.run_id == run_id).with_for_update())
            self._change(connection, run_id, {"command": None})
        return command

    # ---- reading

    def get(self, run_id: str) -> dict[str, Any]:
        """All columns of a run, which may be named by a unique beginning of its id."""
        with self._database.read() as connection:
            found = connection.execute(select(runs).where(runs.c.run_id == run_id, *self._mine)).mappings().all()
            if not found and run_id:
                query = select(runs).where(runs.c.run_id.startswith(run_id, autoescape=True), *self._mine)
                found = connection.execute(query.order_by(runs.c.run_id).limit(5)).mappings().all()
        if len(found) > 1:
            raise InputError(f"{run_id!r} fits several runs: {', '.join(row['run_id'] for row in found)}; give more of the id", "run_id")
        if not found:
            raise _unknown(run_id)
        return live(found[0])

    def runs(self, limit: int | None = None) -> list[dict[str, Any]]:
        """Every run, newest first, without the long columns `started` and `traceback` (see `get`)."""
        light = [column for column in runs.columns if column.name not in _HEAVY]
        with self._database.read() as connection:
            query = select(*light).where(*self._mine).order_by(runs.c.created.desc(), runs.c.run_id.desc()).limit(limit)
            found = connection.execute(query).mappings().all()
        return [live(row) for row in found]

    def revision(self, run_ids: str | Iterable[str] | None = None) -> tuple:
        """A token that changes whenever pages would show something else of these runs (default: of all). Cheap: made for polling."""
        query = select(runs.c.run_id, runs.c.revision, *_LIFE).where(*self._mine).order_by(runs.c.run_id)
        query = query if run_ids is None else query.where(runs.c.run_id.in_(_listed(run_ids)))
        with self._database.read() as connection:
            return tuple((row["run_id"], row["revision"], live(row)["status"]) for row in connection.execute(query).mappings())

    def epochs(self, run_ids: str | Iterable[str]) -> pandas.DataFrame:
        """One row for each epoch of these runs, in order."""
        return self._frame(schema.epochs, run_ids)

    def megabatches(self, run_ids: str | Iterable[str], *, newest: bool = False) -> pandas.DataFrame:
        """One row for each finished megabatch of these runs, in order; or only the newest of each run, which is fast for many runs."""
        return self._frame(schema.megabatches, run_ids, newest)

    def prunes(self, run_ids: str | Iterable[str]) -> pandas.DataFrame:
        """One row for each prune point of these runs, in order."""
        return self._frame(schema.prunes, run_ids)

    def layers(self, run_ids: str | Iterable[str]) -> pandas.DataFrame:
        """Counts of each layer at each prune point and megabatch end of these runs; `seq` is the position in network order."""
        return self._frame(schema.layers, run_ids)

    def _frame(self, table: Table, run_ids: str | Iterable[str], newest: bool = False) -> pandas.DataFrame:
        with self._database.read() as connection:
            return frame(connection, table, _listed(run_ids), self._mine, newest)


def _hold(connection: Connection, chosen: tuple) -> None:
    """Lock rows in a fixed order, so that two writers on a database server never deadlock; SQLite has one writer anyway."""
    connection.execute(select(runs.c.run_id).where(*chosen).order_by(runs.c.run_id).with_for_update())


def _listed(run_ids: str | Iterable[str]) -> list[str]:
    """The ids, the last repeated until there are a power of two: SQLite's driver keeps a statement for each length, large for many ids."""
    listed = [run_ids] if isinstance(run_ids, str) else list(run_ids)
    missing = (1 << (len(listed) - 1).bit_length()) - len(listed) if 0 < len(listed) <= _MOST_PADDED else 0
    return listed + listed[-1:] * missing


def _unknown(run_id: str) -> InputError:
    return InputError(f"no run {run_id!r} in this store; `python -m appcore list` shows those that are", "run_id")
