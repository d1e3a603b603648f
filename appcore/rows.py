"""Rows of `runs` and what they mean: columns that follow from the settings, whether someone is still at work, events told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert

from . import liveness, schema
from .config import RunConfig
from .schema import plain

if TYPE_CHECKING:
    from .events import Event

ACTIVE = ("queued", "running", "paused")
ENDED = ("done", "failed", "stopped", "lost")


def described(config: RunConfig) -> dict[str, Any]:
    """The columns of `runs` that follow from the settings."""
    values = {name: plain(getattr(config, name)) for name in ("method", "pruner", "arch", "dataset", "seed", "fingerprint")}
    return values | {"config": plain(config.model_dump(mode="json"))}


def live(row: Any) -> dict[str, Any]:
    """A row as a dict, its status `lost` where it says that someone is at work and nobody is."""
    values = dict(row)
    if "tags" in values:  # rows of before these columns existed have nothing there
        values |= {"tags": values["tags"] or [], "note": values["note"] or "", "archived": bool(values["archived"])}
    if values["status"] in ACTIVE and liveness.is_gone(values, time.time()):
        values["status"] = "lost"
    return values


def tell(connection: Connection, run_id: str, event: Event, nth: int) -> None:
    """Write an event's rows over what is there at the same place; delete and insert, because every database knows these."""
    for table, rows in schema.rows(run_id, event, nth):
        place = ("run_id", "segment", "point", "nth") if table is schema.layers else ("run_id", "segment", "seq")
        if rows:
            connection.execute(delete(table).where(*(table.c[name] == rows[0][name] for name in place)))
            connection.execute(insert(table), rows)
