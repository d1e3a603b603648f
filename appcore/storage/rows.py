"""Reading and writing rows: columns that follow from the settings, the status of a run whose process is gone, events, tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, delete, func, insert, select

from ..config import RunConfig, completed
from ..statuses import ACTIVE, ENDING
from . import schema
from .heartbeat import Sightings
from .schema import plain

if TYPE_CHECKING:
    import pandas

    from ..events import Event

_MOST_PADDED = 16_384  # ids; SQLite takes 32,766 values in a statement


def described(config: RunConfig) -> dict[str, Any]:
    """The columns of `runs` that follow from the settings."""
    values = {name: plain(getattr(config, name)) for name in ("method", "pruner", "arch", "dataset", "seed", "fingerprint")}
    return values | {"config": plain(config.model_dump(mode="json"))}


def live(row: Any, sightings: Sightings) -> dict[str, Any]:
    """A row of `runs` as a dict, its settings complete; the status is `lost` where it is active but the process that drove it is gone.

    Nobody is left to obey a command then, and a run that was asked to stop is stopped: it stands still, as asked.
    """
    values = dict(row)
    if isinstance(values.get("config"), dict):  # what is no settings at all is refused by whoever reads it
        values["config"] = completed(values["config"])
    if "tags" in values:  # empty in rows that are older than these columns
        values |= {"tags": values["tags"] or [], "note": values["note"] or "", "archived": bool(values["archived"])}
    if values["status"] in ACTIVE and sightings.judge(values) != "alive":
        values |= {"status": "stopped" if values["command"] in ENDING else "lost", "command": None}
    return values


def padded(run_ids: str | Iterable[str]) -> list[str]:
    """The ids, the last repeated until there are a power of two: SQLite's driver keeps a statement for each length, large for many ids."""
    listed = [run_ids] if isinstance(run_ids, str) else list(run_ids)
    missing = (1 << (len(listed) - 1).bit_length()) - len(listed) if 0 < len(listed) <= _MOST_PADDED else 0
    return listed + listed[-1:] * missing


def has(connection: Connection, run_id: str) -> bool:
    """Whether there is a run of this id, whoever owns it."""
    return connection.scalar(select(schema.runs.c.run_id).where(schema.runs.c.run_id == run_id)) is not None


def record(connection: Connection, run_id: str, event: Event, nth: int) -> None:
    """Record an event, replacing rows at the same place; by delete and insert, which every database knows."""
    for table, rows in schema.rows(run_id, event, nth):
        place = ("run_id", "segment", "point", "nth") if table is schema.layers else ("run_id", "segment", "seq")
        if rows:
            connection.execute(delete(table).where(*(table.c[name] == rows[0][name] for name in place)))
            connection.execute(insert(table), rows)


def frame(connection: Connection, table: Table, run_ids: list[str], conditions: tuple, newest: bool) -> pandas.DataFrame:
    """Rows of a table in order, for those of these runs that fulfil the conditions; `newest`: only the last segment of each run."""
    import pandas  # takes half a second, and most commands show no table

    last = table.alias()
    order = [table.c[name] for name in ("run_id", "segment", "point", "nth", "seq") if name in table.c]
    query = select(table).where(table.c.run_id.in_(run_ids)).order_by(*order)
    if conditions:
        query = query.where(table.c.run_id.in_(select(schema.runs.c.run_id).where(*conditions)))
    if newest:
        query = query.where(table.c.segment == select(func.max(last.c.segment)).where(last.c.run_id == table.c.run_id).scalar_subquery())
    found = pandas.DataFrame.from_records(connection.execute(query).all(), columns=[column.name for column in table.columns])
    return found.astype({name: kind for name, kind in schema.kinds(table).items() if kind is float or found[name].notna().all()})
