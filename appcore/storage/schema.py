"""Tables of the store, and how events become rows. Tidy: pandas reads them without reshaping. Knows no connection."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

from .. import events

VERSION = 3  # a change of anything but an event's columns needs a new number and migrations/vN.py
metadata = MetaData()
meta = Table("meta", metadata, Column("key", String(40), primary_key=True), Column("value", Text, nullable=False))


def first_revision() -> int:
    """Of a new row of `runs`: any number, so that no sum of revisions stays when one run is gone and another one there."""
    return secrets.randbelow(2**20)


runs = Table(
    "runs",
    metadata,
    Column("run_id", String(40), primary_key=True),
    Column("title", Text, nullable=False, default=""),
    Column("created", String(40), nullable=False, index=True),
    Column("status", String(20), nullable=False, index=True),
    Column("config", JSON, nullable=False),
    Column("fingerprint", String(40), nullable=False),
    *(Column(name, Text, nullable=False) for name in ("method", "pruner", "arch", "dataset")),
    Column("seed", BigInteger, nullable=False),
    Column("group_id", String(40), nullable=False, default="", index=True),
    Column("launcher", String(20), nullable=False, default=""),
    Column("pid", Integer),
    Column("host", Text),
    Column("process_started", Float),
    Column("fence", String(32)),  # drawn whenever a process takes the run; who holds an earlier one writes nothing more
    Column("heartbeat", Float),
    Column("command", String(20)),
    Column("cursor", Integer, nullable=False, default=0),
    Column("saved", Integer),  # cursor of the last checkpoint recorded here as saved; the newest file may be one ahead
    Column("segments", Integer, nullable=False),
    Column("hashes", JSON),
    Column("started", JSON),
    Column("progress", JSON),
    Column("totals", JSON),
    Column("error", Text),
    Column("traceback", Text),
    Column("versions", JSON),
    Column("revision", Integer, nullable=False, default=first_revision),
    Column("notes", JSON),
    Column("tags", JSON),  # labels that users give a run: tags, a note, and whether it is archived
    Column("note", Text),
    Column("archived", Boolean),
    Column("owner", String(320), nullable=False, server_default="", index=True),  # who started it, where users sign in
    Column("recorded", JSON(none_as_null=True)),  # how a run was made that came with the program; all see it, nobody changes it
)
# What `KnownRuns` asks for in each look for news. SQLite would read whole rows for it; PostgreSQL keeps what is long elsewhere, and writes
# rows faster whose indexed columns stay.
NEWS = Index("ix_runs_news", runs.c.run_id, runs.c.revision, runs.c.created).ddl_if(dialect="sqlite")

sweeps = Table(
    "sweeps",
    metadata,
    Column("sweep_id", String(40), primary_key=True),
    Column("title", Text, nullable=False, default=""),
    Column("created", String(40), nullable=False, index=True),
    Column("base", JSON, nullable=False),
    Column("axes", JSON, nullable=False),
    Column("owner", String(320), nullable=False, server_default=""),
    Column("picks", JSON(none_as_null=True)),  # the combinations that a search drew, as places in the axes; null: all there are
)
sweep_runs = Table(  # a run that is reused belongs to several ablations
    "sweep_runs",
    metadata,
    Column("sweep_id", String(40), ForeignKey("sweeps.sweep_id", ondelete="CASCADE"), primary_key=True),
    Column("run_id", String(40), ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
)

run_readers = Table(  # who may read a run besides its owner; not in a backup
    "run_readers",
    metadata,
    Column("run_id", String(40), ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String(320), primary_key=True, index=True),
)

classrooms = Table(  # a teacher's hour; none of its rows is in a backup, and all are gone after a day (storage/classroom/)
    "classrooms",
    metadata,
    Column("code", String(8), primary_key=True),
    Column("owner", String(320), nullable=False, server_default=""),
    Column("opened", Float, nullable=False),  # seconds since 1970
    Column("revision", Integer, nullable=False, default=0),
    Column("question", JSON),  # that phones show now
    Column("truths", JSON, nullable=False),  # of the questions whose answers are shown, by their ids
)


def _of_classroom(*keys: str) -> list[Column]:
    owner = Column("code", String(8), ForeignKey("classrooms.code", ondelete="CASCADE"), primary_key=True)
    return [owner, *(Column(name, String(80), primary_key=True) for name in keys)]


classroom_phones = Table("classroom_phones", metadata, *_of_classroom("phone"))
classroom_answers = Table("classroom_answers", metadata, *_of_classroom("question", "phone"), Column("answer", JSON, nullable=False))
PASSING = (classrooms, classroom_phones, classroom_answers)

_TYPES = {"int": BigInteger, "float": Float, "bool": Boolean, "str": Text, "dict[str, Any]": JSON}
_TYPES |= {"int | None": BigInteger, "float | None": Float}  # None: not known to the version that recorded it


def _event_table(name: str, event: type) -> Table:
    """A table whose columns are the fields of an event; lists have tables of their own."""
    plain = [field for field in fields(event) if field.type in _TYPES and field.name != "segment"]
    unknown = {field.name: {"may_be_unknown": str(field.type).endswith("| None")} for field in plain}
    return Table(name, metadata, *_place(), *(Column(field.name, _TYPES[str(field.type)], info=unknown[field.name]) for field in plain))


def _place() -> list[Column]:
    """The key columns, by which a repeated event overwrites itself: run, segment, number of the event of its kind within the segment."""
    owner = Column("run_id", String(40), ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True)
    return [owner, Column("segment", Integer, primary_key=True), Column("seq", Integer, primary_key=True)]


epochs = _event_table("epochs", events.EpochDone)
rounds = _event_table("rounds", events.RoundDone)
megabatches = _event_table("megabatches", events.MegabatchDone)
prunes = _event_table("prunes", events.Pruned)
layer_counts = Table(  # of all layers at one point of a run; as a row for each layer: `frame` in rows.py
    "layer_counts",
    metadata,
    *_place(),
    Column("point", String(8), primary_key=True),  # "prune": right after a prune point; "end": end of a megabatch or round
    Column("megabatch", Integer, nullable=False),
    Column("counts", JSON, nullable=False),  # [name, kept, alive, total] of each layer, in network order
)
layers = Table(  # the same in stores of versions 1 and 2, where nothing is converted; no longer written
    "layers",
    metadata,
    *_place(),  # seq is the layer's position in network order
    Column("point", String(8), primary_key=True),
    Column("nth", Integer, primary_key=True),  # which prune point within the segment
    Column("megabatch", Integer, nullable=False),
    Column("layer", Text, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in ("kept", "alive", "total")),
)
EVENT_OF: dict[Table, Any] = {epochs: events.EpochDone, rounds: events.RoundDone, megabatches: events.MegabatchDone, prunes: events.Pruned}
EVENT_TABLES = (*EVENT_OF, layer_counts, layers)
OWNED_TABLES = (*EVENT_TABLES, sweep_runs, run_readers)  # rows that are deleted with their run
_POINTS = {rounds: "end", megabatches: "end", prunes: "prune"}
_TABLE_OF = {kind.kind: (table, _POINTS.get(table, "")) for table, kind in EVENT_OF.items()}


def rows(run_id: str, event: events.Event, nth: int) -> Iterator[tuple[Table, dict[str, Any]]]:
    """The rows of an event, each with its table; none for events that only change columns of `runs`."""
    table, point = _TABLE_OF.get(event.kind, (None, ""))
    if table is None:
        return
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    place = {"run_id": run_id, "segment": values["segment"], "seq": nth}
    own = {column.name: values[column.name] for column in table.columns if column.name in values and column.name not in place}
    yield table, {**place, **{name: plain(value) if isinstance(value, (dict, str)) else value for name, value in own.items()}}
    if point:
        counts = [[plain(layer.name), layer.kept, layer.alive, layer.total] for layer in values["layers"]]
        yield layer_counts, {**place, "point": point, "megabatch": values["megabatch"], "counts": counts}


def columns(event: events.Event) -> dict[str, Any]:
    """What an event changes in its row of `runs`."""
    if event.kind == "Started":
        started = asdict(event)
        for layer, values in zip(event.layers, started["layers"], strict=True):
            values["total"] = layer.total
        return {"started": started, "hashes": started["hashes"]}
    if event.kind == "Finished":
        return {"totals": asdict(event)}
    if event.kind == "SegmentDone":
        return {"cursor": event.cursor}
    return {}


def kinds(table: Table) -> dict[str, type]:
    """Python types of the columns, for charts: SQLite keeps NaN as NULL, and an empty column would have no type. Dicts stay
    dicts, and whole numbers that may be unknown are floats, so that NaN can say so."""

    def kind(column: Column) -> type:
        return float if isinstance(column.type, Float) or column.info.get("may_be_unknown") else column.type.python_type

    found = {column.name: kind(column) for column in table.columns}
    return {name: kind for name, kind in found.items() if kind is not dict}


def plain(value: Any) -> Any:
    """`value` in a form that any database accepts: no NaN in JSON, no broken Unicode, no NUL."""
    if value is None or type(value) is int:  # what most of the values are
        return value
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
