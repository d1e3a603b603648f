"""Who may read a run besides its owner: whoever asked the same question while it was there, and everybody where its owner said so.
What they do not see of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from .. import names
from .schema import run_readers, runs

EVERYBODY = "*"  # no user's name: those are addresses, or say "account"


def may_read(user: str) -> ColumnElement[bool]:
    """The condition that a run is shared with a user."""
    return runs.c.run_id.in_(select(run_readers.c.run_id).where(run_readers.c.owner.in_((user, EVERYBODY))))


def add(connection: Connection, run_ids: Iterable[str], user: str) -> None:
    """Share runs with a user, or with `EVERYBODY`."""
    wanted = set(run_ids)
    known = select(run_readers.c.run_id).where(run_readers.c.run_id.in_(wanted), run_readers.c.owner == user)
    new = wanted.difference(connection.scalars(known))
    if new:
        connection.execute(insert(run_readers), [{"run_id": run_id, "owner": user} for run_id in sorted(new)])


def remove(connection: Connection, run_id: str, user: str) -> bool:
    """Share a run with a user no longer; whether it was."""
    return bool(connection.execute(delete(run_readers).where(run_readers.c.run_id == run_id, run_readers.c.owner == user)).rowcount)


def has(connection: Connection, run_id: str, user: str) -> bool:
    """Whether a run is shared with a user."""
    query = select(run_readers.c.run_id).where(run_readers.c.run_id == run_id, run_readers.c.owner == user)
    return connection.scalar(query) is not None


def next_owner(connection: Connection, run_id: str) -> str | None:
    """A user with whom a run is shared, and who can take it over from its owner."""
    query = select(run_readers.c.owner).where(run_readers.c.run_id == run_id, run_readers.c.owner != EVERYBODY)
    return connection.scalar(query.order_by(run_readers.c.owner).limit(1))


def unlabelled(row: Mapping[str, Any]) -> dict[str, Any]:
    """The labels of a run that nobody has labelled, and no traceback, which names its owner's folders."""
    title = names.of_run(row["method"], row["pruner"], row["arch"], row["dataset"])
    return {"title": title, "tags": [], "note": "", "archived": False, "traceback": None}
