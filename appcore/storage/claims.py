"""Who may write a run: the process that claimed it last, known by the run's fence, a word that every claim draws.

A driver that was suspended, taken for lost and replaced holds an earlier fence, so that it writes nothing more when it wakes up.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, not_, null, or_, select, update

from ..errors import InputError
from ..names import RECORDED
from ..statuses import ACTIVE
from . import heartbeat
from .rows import live
from .schema import plain, runs


class TakenOverError(InputError):
    """Another process drives this run now."""


def holder() -> dict[str, Any]:
    """The columns of `runs` that make a run this process's, under a new fence."""
    return {**heartbeat.me(), "fence": secrets.token_hex(8), "heartbeat": time.time()}


def is_held_by(owner: Mapping[str, Any]) -> ColumnElement[bool]:
    """The condition that a process, as `heartbeat.of` describes it, holds a run."""
    return and_(*(runs.c[name] == owner[name] for name in ("pid", "host", "process_started")))


def is_own() -> ColumnElement[bool]:
    """The condition that a run is no recorded one, which is only read, and goes when the program brings another.

    The id of a recorded one says so too: a wrong value in the mark of any other is damage.
    """
    return or_(runs.c.recorded.is_(null()), not_(runs.c.run_id.startswith(RECORDED, autoescape=True)))


def locked(connection: Connection, run_id: str, visible: tuple, sightings: heartbeat.Sightings) -> dict[str, Any]:
    """A run as `live` gives it, which nobody else can change before the end of the transaction. InputError for a recorded one."""
    row = connection.execute(select(runs).where(runs.c.run_id == run_id, *visible).with_for_update()).mappings().one_or_none()
    if row is None:
        raise unknown(run_id)
    if row["recorded"]:
        raise read_only(run_id)
    return live(row, sightings)


def claim(
    connection: Connection, run_id: str, allowed: Sequence[str], visible: tuple, sightings: heartbeat.Sightings, columns: Mapping[str, Any]
) -> dict[str, Any]:
    """Take a run whose status is one of `allowed` for this process; returns its row as it was before, with the new fence."""
    before, mine = locked(connection, run_id, visible, sightings), holder()
    if before["status"] not in allowed:
        raise InputError(f"run {run_id} is {before['status']}; this needs one that is {' or '.join(allowed)}", "run_id")
    change(connection, run_id, {**mine, **columns}, visible)
    return before | {"fence": mine["fence"]}


def change(connection: Connection, run_id: str, columns: Mapping[str, Any], visible: tuple = (), fence: str | None = None) -> None:
    """Change columns of a run; with a `fence`, TakenOverError once another claim has followed."""
    changes = {name: plain(value) for name, value in columns.items()}
    held = () if fence is None else (runs.c.fence == fence, is_held_by(heartbeat.me()))
    result = connection.execute(
        update(runs).where(runs.c.run_id == run_id, is_own(), *visible, *held).values(revision=runs.c.revision + 1, **changes)
    )
    if result.rowcount == 0:
        query = select(runs.c.pid, runs.c.host, runs.c.recorded).where(runs.c.run_id == run_id, *visible)
        row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise unknown(run_id)
        raise read_only(run_id) if row["recorded"] else taken_over(run_id, row)


def hold(connection: Connection, chosen: tuple) -> None:
    """Lock rows in a fixed order, so that two writers on a database server never deadlock; SQLite has one writer anyway."""
    connection.execute(select(runs.c.run_id).where(*chosen).order_by(runs.c.run_id).with_for_update())


def forfeit(connection: Connection, run_id: str, owner: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
    """Change columns of an active run whose owner, a process started by this one, has died; nothing where another has it by now."""
    held = or_(is_held_by(owner), is_held_by(heartbeat.me()))  # a worker may have died before it took the run
    chosen = (runs.c.run_id == run_id, runs.c.status.in_(ACTIVE), held)
    changes = {name: plain(value) for name, value in columns.items()}
    connection.execute(update(runs).where(*chosen).values(revision=runs.c.revision + 1, **changes))


def unknown(run_id: str) -> InputError:
    """The error for a run that is not there."""
    return InputError(f"no run {run_id!r} in this store: it was deleted, or belongs to another one; see the list of all runs", "run_id")


def read_only(run_id: str) -> InputError:
    """The error for a recorded run that somebody wants to change."""
    return InputError(
        f"run {run_id} is recorded: it comes with the program and stays as it is; the page Runs hides recorded runs", "run_id"
    )


def taken_over(run_id: str, row: Mapping[Any, Any]) -> TakenOverError:
    """The error for a run that another claim took."""
    return TakenOverError(f"run {run_id} was taken over by process {row['pid']} on {row['host']}", "run_id")
