"""Reading and writing rows: columns that follow from the settings, the status of a run whose process is gone, events, tables.

Rows that break a rule (row_rules.py) are never given out: one of them must not end what shows all the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Select, Table, delete, func, insert, select

from ..config import RunConfig, completed
from ..errors import InputError
from ..statuses import ACTIVE, ENDING
from . import row_rules, schema
from .heartbeat import Sightings
from .schema import plain

if TYPE_CHECKING:
    import pandas

    from ..events import Event

_MOST_PADDED = 16_384  # ids; SQLite takes 32,766 values in a statement
_OF_LAYERS = ["run_id", "segment", "point", "nth", "seq"]  # the order of rows of layers


_Lengths = dict[str, int]  # megabatches of each run


class Unreadable(NamedTuple):
    """A row that breaks a rule: its table, the run or ablation that it belongs to, and which rule."""

    table: str
    of: str
    problem: str

    def __str__(self) -> str:
        return f"{'' if self.table in ('runs', 'sweeps') else f'{self.table} of '}{self.of} ({self.problem})"


def described(config: RunConfig) -> dict[str, Any]:
    """The columns of `runs` that follow from the settings."""
    values = {name: plain(getattr(config, name)) for name in ("method", "pruner", "arch", "dataset", "seed", "fingerprint")}
    return values | {"config": plain(config.model_dump(mode="json"))}


def judged(table: Table, rows: Iterable[Mapping[Any, Any]]) -> tuple[list[dict[str, Any]], list[Unreadable]]:
    """The rows that keep the rules, and what is wrong with the others."""
    good: list[dict[str, Any]] = []
    bad: list[Unreadable] = []
    for row in rows:
        found = row_rules.problem(table, row)
        if found:
            bad.append(Unreadable(table.name, str(row["sweep_id" if table is schema.sweeps else "run_id"]), found))
        else:
            good.append(dict(row))
    return good, bad


def survey(connection: Connection, query: Select, limit: int | None, sightings: Sightings) -> tuple[list[dict[str, Any]], list[Unreadable]]:
    """The first `limit` rows of `runs` that can be read, and those among them that cannot, which take no place of others."""
    most = limit
    while True:
        found = connection.execute(query.limit(most)).mappings().all()
        good, bad = judged(schema.runs, found)
        if limit is None or most is None or len(good) >= limit or len(found) < most:
            return [live(row, sightings) for row in good[:limit]], bad
        most = limit + len(bad)


def named(connection: Connection, name: str, conditions: tuple) -> Any:
    """The row of the run that is named by a unique beginning of its id; None where there is none."""
    found = connection.execute(select(schema.runs).where(schema.runs.c.run_id == name, *conditions)).mappings().all()
    if not found and name:
        query = select(schema.runs).where(schema.runs.c.run_id.startswith(name, autoescape=True), *conditions)
        found = connection.execute(query.order_by(schema.runs.c.run_id).limit(5)).mappings().all()
    if len(found) > 1:
        raise InputError(f"{name!r} fits several runs: {', '.join(row['run_id'] for row in found)}; give more of the id", "run_id")
    return found[0] if found else None


def readable(row: Any, sightings: Sightings) -> dict[str, Any]:
    """The same for one row; InputError when it cannot be read."""
    _, bad = judged(schema.runs, [row])
    if bad:
        remedy = "`python -m appcore doctor --repair` quarantines it, `python -m appcore delete` removes it"
        raise InputError(f"run {bad[0].of} cannot be read: {bad[0].problem}; {remedy}", "run_id")
    return live(row, sightings)


def live(row: Any, sightings: Sightings) -> dict[str, Any]:
    """A row of `runs` as a dict, its settings complete; the status is `lost` where it is active but the process that drove it is gone."""
    return at_present(filled(row), sightings)


def filled(row: Any) -> dict[str, Any]:
    """A row of `runs` as a dict, with what came later than the row: settings and labels."""
    values = dict(row)
    if isinstance(values.get("config"), dict):  # what is no settings at all is refused by whoever reads it
        values["config"] = completed(values["config"])
    if "tags" in values:  # empty in rows that are older than these columns
        values |= {"tags": values["tags"] or [], "note": values["note"] or "", "archived": bool(values["archived"])}
    return values


def at_present(values: dict[str, Any], sightings: Sightings) -> dict[str, Any]:
    """A row with the status that it has now: `lost` where the process is gone that drove it.

    Nobody is left to obey a command then, and a run that was asked to stop is stopped: it stands still, as asked.
    """
    if values["status"] in ACTIVE and sightings.judge(values) != "alive":
        values = values | {"status": "stopped" if values["command"] in ENDING else "lost", "command": None}
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
    for table, row in schema.rows(run_id, event, nth):
        connection.execute(delete(table).where(*(column == row[column.name] for column in table.primary_key)))
        connection.execute(insert(table), row)


def record_new(connection: Connection, run_id: str, events: Iterable[Event], seqs: Iterable[int]) -> None:
    """Record all events of a run that has no rows yet: a statement for each table."""
    found: dict[Table, list[dict[str, Any]]] = {}
    for event, nth in zip(events, seqs, strict=True):
        for table, row in schema.rows(run_id, event, nth):
            found.setdefault(table, []).append(row)
    for table, rows in found.items():
        connection.execute(insert(table), rows)


def remove(connection: Connection, run_id: str) -> None:
    """Remove a run with all its rows."""
    for table in (*schema.OWNED_TABLES, schema.runs):
        connection.execute(delete(table).where(table.c.run_id == run_id))


def frame(connection: Connection, table: Table, run_ids: list[str], conditions: tuple, newest: bool) -> pandas.DataFrame:
    """Rows of a table in order, for those of these runs that fulfil the conditions; `newest`: only the last segment of each run, without
    its `facts`, which take as long to read as all that lists of runs show. Of `layers` those that are packed in `layer_counts` as well.

    Rows that break a rule are left out; `attrs["unreadable"]` names them.
    """
    if table is schema.layers:
        return _layers(connection, run_ids, conditions)
    return _frame(connection, table, run_ids, conditions, newest)


def _frame(connection: Connection, table: Table, run_ids: list[str], conditions: tuple, newest: bool = False) -> pandas.DataFrame:
    import pandas  # takes half a second, and most commands show no table

    last = table.alias()
    order = [table.c[name] for name in ("run_id", "segment", "point", "nth", "seq") if name in table.c]
    columns = [column for column in table.columns if not (newest and column.name == "facts")]
    query = select(*columns).where(table.c.run_id.in_(run_ids)).order_by(*order)
    if conditions:
        query = query.where(table.c.run_id.in_(select(schema.runs.c.run_id).where(*conditions)))
    if newest:
        query = query.where(table.c.segment == select(func.max(last.c.segment)).where(last.c.run_id == table.c.run_id).scalar_subquery())
    names = [column.name for column in columns]
    rows = connection.execute(query).all()
    found = pandas.DataFrame.from_records(rows, columns=names)
    if not rows:
        return _typed(table, found)
    lengths = None if newest else _lengths(connection, run_ids)
    try:
        typed = _typed(table, found)
        if _are_sound(table, typed, lengths):
            return typed
    except (ValueError, TypeError, OverflowError):
        pass
    bad = [_problem(table, dict(zip(names, row)), lengths) for row in rows]
    typed = _typed(table, found.loc[[place for place, one in enumerate(bad) if one is None]].reset_index(drop=True))
    typed.attrs["unreadable"] = tuple(one for one in bad if one)
    return typed


def _layers(connection: Connection, run_ids: list[str], conditions: tuple) -> pandas.DataFrame:
    """A row for each layer at each point, of both tables: a run that an earlier version began and this one ended has rows in both."""
    import pandas

    old, points = (_frame(connection, table, run_ids, conditions) for table in (schema.layers, schema.layer_counts))
    parts = [part for part in (old, _unpacked(points) if len(points) else points) if len(part)]
    found = pandas.concat(parts).sort_values(_OF_LAYERS, ignore_index=True) if len(parts) == 2 else (parts or [old])[0]
    if unreadable := (*old.attrs.get("unreadable", ()), *points.attrs.get("unreadable", ())):
        found.attrs["unreadable"] = unreadable
    return found


def _unpacked(points: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each layer out of a row for each point."""
    import pandas

    counts = points["counts"]
    each = points.drop(columns="counts").rename(columns={"seq": "nth"}).loc[points.index.repeat(counts.map(len))].reset_index(drop=True)
    numbers = pandas.DataFrame.from_records(list(chain.from_iterable(counts)), columns=["layer", "kept", "alive", "total"])
    positions = pandas.Series(chain.from_iterable(map(range, counts.map(len))), name="seq")
    return _typed(schema.layers, pandas.concat([each, positions, numbers], axis=1)[list(schema.layers.c.keys())])


def _lengths(connection: Connection, run_ids: list[str]) -> _Lengths:
    """How many megabatches each of these runs has, as far as its own row can be read."""
    found = connection.execute(select(schema.runs.c.run_id, schema.runs.c.config).where(schema.runs.c.run_id.in_(run_ids))).all()
    counts = {run_id: config.get("megabatches") if isinstance(config, dict) else None for run_id, config in found}
    return {run_id: count for run_id, count in counts.items() if isinstance(count, int)}


def _typed(table: Table, found: pandas.DataFrame) -> pandas.DataFrame:
    kinds = {name: kind for name, kind in schema.kinds(table).items() if name in found}
    return found.astype({name: kind for name, kind in kinds.items() if kind is float or found[name].notna().all()})


def _are_sound(table: Table, typed: pandas.DataFrame, lengths: _Lengths | None) -> bool:
    """Whether no row breaks a rule: the same rules as `_problem`, for whole columns."""
    kinds = {name: values.dtype.kind for name, values in typed.items()}
    floats, counts = ([name for name, kind in kinds.items() if kind == wanted] for wanted in "fi")
    limits = [row_rules.limits(name) for name in floats]
    for names, low, high in ((floats, [low for low, _ in limits], [high for _, high in limits]), (counts, 0, row_rules.MOST - 1)):
        values = typed[names].to_numpy()  # all at once: column by column this is a tenth of drawing a live page
        if ((values < low) | (values > high)).any():  # no comparison holds for what is not there
            return False
    if typed[list(row_rules.needed(table))].isna().any(axis=None):
        return False
    if table is schema.layers and not (typed["alive"].le(typed["kept"]) & typed["kept"].le(typed["total"])).all():
        return False
    if not {"facts", "counts"}.isdisjoint(typed) and any(row_rules.problem(table, row) for row in typed.to_dict("records")):
        return False
    return lengths is None or bool(typed["megabatch"].lt(typed["run_id"].map(lengths)).all())


def _problem(table: Table, row: dict[str, Any], lengths: _Lengths | None) -> Unreadable | None:
    """What is wrong with a row of a run; also for one whose run cannot be read itself, which is named elsewhere."""
    found = row_rules.problem(table, row) or (row_rules.beyond(row, lengths.get(row["run_id"], 0)) if lengths is not None else "")
    return Unreadable(table.name, str(row["run_id"]), found) if found else None
