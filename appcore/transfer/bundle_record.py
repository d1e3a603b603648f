"""A run as text that another store can import: its record as one JSON object, and its events, one to a line. Knows no files.

Both directions go through the typed `Record` and `RecordedEvent`, so only what could have been written is read. Megabatches count from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .. import events, plugins
from ..config import RunConfig, build, completed
from ..errors import InputError
from ..names import MOST_TITLE, counted, fitting
from ..planning.plan import plan
from ..statuses import OVER
from ..storage import row_rules, schema
from ..storage.store import Store

if TYPE_CHECKING:
    import pandas

FORMAT = 2  # of a bundle; the newest that is read
WITHOUT_REMOVALS = 1  # of a bundle that earlier versions read: with a file for each mask
MANIFEST, RECORD, EVENTS = "manifest.json", "run.json", "events.jsonl"  # members of a bundle
RUN_ID = row_rules.RUN_ID
LINE_LENGTH = 2000
MOST_SEGMENTS = 100_000  # building a plan takes time and memory, and untrusted settings may ask for any amount
_Line = Annotated[str, Field(max_length=LINE_LENGTH)]
_STRICT = ConfigDict(extra="forbid", ser_json_inf_nan="strings", protected_namespaces=())


class _Progress(row_rules.Progress):
    model_config = _STRICT

    phase: _Line | None = None


class Record(BaseModel):
    """A run without its events, and without columns that only concern the process that drove it."""

    model_config = _STRICT

    run_id: str = Field(pattern=RUN_ID)
    title: Annotated[str, Field(max_length=MOST_TITLE)]
    created: row_rules.Instant
    status: Literal["done", "failed", "stopped"]
    group: str = Field(max_length=40)
    launcher: str = Field(max_length=20)
    config: dict[str, Any]
    cursor: row_rules.Count
    versions: dict[str, row_rules.Count | _Line]
    notes: list[_Line] = Field(max_length=1000)
    error: _Line | None
    progress: _Progress | None
    started: events.Started | None
    totals: events.Finished | None


class RecordedEvent(BaseModel):
    """A recorded event and `nth`, its number among the events of its kind in the segment."""

    model_config = _STRICT

    nth: int = Field(ge=0, lt=1000)
    pruned: events.Pruned | None = None
    epoch: events.EpochDone | None = None
    round: events.RoundDone | None = None
    megabatch: events.MegabatchDone | None = None

    @model_validator(mode="after")
    def _is_one(self) -> RecordedEvent:
        if sum(event is not None for event in (self.pruned, self.epoch, self.round, self.megabatch)) != 1:
            raise ValueError("a line holds exactly one event")
        return self

    @property
    def event(self) -> Any:
        """The event itself."""
        return self.pruned or self.epoch or self.round or self.megabatch


def describe(store: Store, run_id: str) -> tuple[str, list[str]]:
    """A run of the store as JSON text, and its events as lines in order of time. An active run counts as stopped.

    InputError for one whose record a bundle could not hold.
    """
    row = store.get(run_id)
    with _one_line(f"run {row['run_id']} cannot be put into a bundle: "):
        return _describe(store, row)


@contextmanager
def _one_line(about: str = "") -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise InputError(f"{about}{row_rules.said(error)}") from None


def _describe(store: Store, row: dict[str, Any]) -> tuple[str, list[str]]:
    run_id = row["run_id"]
    known = {name: row[name] for name in ("run_id", "created", "config", "cursor", "totals", "launcher")}
    known |= {"status": row["status"] if row["status"] in OVER else "stopped", "group": row["group_id"]}
    known |= {
        "progress": row["progress"] and {name: value for name, value in row["progress"].items() if name in _Progress.model_fields},
        "versions": row["versions"] or {},
        "notes": [note[:LINE_LENGTH] for note in row["notes"] or []],
        "started": _started(row["started"]),
    }
    known |= {"title": fitting(row["title"]), "error": row["error"] and row["error"][:LINE_LENGTH]}
    entries = [
        *_entries(store.prunes(run_id), events.Pruned, store.layers(run_id), "prune"),
        *_entries(store.epochs(run_id), events.EpochDone),
    ]
    entries += _entries(store.rounds(run_id), events.RoundDone, store.layers(run_id), "end")
    entries += _entries(store.megabatches(run_id), events.MegabatchDone, store.layers(run_id), "end")
    entries.sort(key=lambda one: (one.event.segment, one.nth))
    return text(Record(**known), entries)


def _started(values: dict[str, Any] | None) -> dict[str, Any] | None:
    """The event without the fields that the store adds to it."""
    layers = [{key: layer[key] for key in ("name", "shape", "flops")} for layer in values["layers"]] if values else []
    return values and {**values, "layers": layers}


def text(record: Record, entries: list[RecordedEvent]) -> tuple[str, list[str]]:
    """A run as JSON text, and its events as lines."""
    return record.model_dump_json(), [one.model_dump_json(exclude_none=True) for one in entries]


def _entries(frame: pandas.DataFrame, kind: type, layers: pandas.DataFrame | None = None, point: str = "") -> list[RecordedEvent]:
    """The events of one kind, rebuilt from their rows."""
    counted = {}
    if layers is not None:
        for place, group in layers[layers["point"] == point].groupby(["segment", "nth"]):
            rows = group.sort_values("seq").rename(columns={"layer": "name"})[["name", "kept", "alive", "total"]].to_dict("records")
            counted[place] = tuple(events.LayerDensity(**row) for row in rows)
    plain = {field.name: field.type for field in fields(kind) if field.name != "layers"}
    name = {"Pruned": "pruned", "EpochDone": "epoch", "RoundDone": "round", "MegabatchDone": "megabatch"}[kind.__name__]
    found = []
    for row in frame.to_dict("records"):
        # A row that is older than a field has no value there (None, or NaN in a column of whole numbers): the default applies.
        values = {field: row[field] for field, kept in plain.items() if field in row and (kept == "float" or row[field] == row[field])}
        values = {field: int(value) if plain[field] == "int | None" else value for field, value in values.items() if value is not None}
        if layers is not None:
            values["layers"] = counted[row["segment"], row["seq"]]
        found.append(RecordedEvent(nth=row["seq"], **{name: kind(**values)}))
    return found


def read(record: str | bytes, lines: Iterable[str | bytes]) -> tuple[Record, RunConfig, list[RecordedEvent]]:
    """The typed run from its texts, checked against its own plan; InputError for anything that a run could not have recorded."""
    known, config, entries = parsed(record, lines)
    planned = plugins.load("methods", config.method).segments(config) if config.megabatches * config.epochs <= MOST_SEGMENTS else ()
    length = sum(1 for _ in islice(planned, MOST_SEGMENTS + 1))
    _require(0 < length <= MOST_SEGMENTS, f"its plan has more than {MOST_SEGMENTS:,} segments")
    _check(known, config, entries)
    return known, config, entries


def parsed(record: str | bytes, lines: Iterable[str | bytes]) -> tuple[Record, RunConfig, list[RecordedEvent]]:
    """The typed run from its texts, unchecked: InputError for what is no run at all."""
    with _one_line():
        known = Record.model_validate_json(record)
        entries = [RecordedEvent.model_validate_json(line) for line in lines]
    # A setting that is newer than the run gets its default, which changes nothing, and not a recipe's value.
    config = build(completed(known.config))
    return known.model_copy(update={"config": schema.plain(config.model_dump(mode="json"))}), config, entries


def columns(record: Record, config: RunConfig) -> dict[str, Any]:
    """The columns of `runs` for Store.add, besides those that follow from the settings."""
    found = {name: getattr(record, name) for name in ("title", "created", "status", "launcher", "cursor", "versions", "notes", "error")}
    found |= {"group_id": record.group, "segments": len(plan(config)), "progress": record.progress and record.progress.model_dump()}
    for event in (record.started, record.totals):
        found |= schema.columns(event) if event else {}
    return found


def _check(record: Record, config: RunConfig, entries: list[RecordedEvent]) -> None:
    segments = plan(config)
    _require(
        record.cursor <= len(segments), f"cursor {record.cursor} lies behind the end of the plan ({counted(len(segments), 'segment')})"
    )
    _require(record.status != "done" or record.totals is not None, "a run that is done has totals")
    _require(not entries or record.started is not None, "a run with events has begun")
    network = _network(record.started) if record.started else []
    seen = set()
    for one in entries:
        event, place = one.event, (type(one.event).__name__, one.event.segment, one.nth)
        _require(place not in seen, f"{place[0]} of segment {event.segment} occurs twice")
        seen.add(place)
        _require(0 <= event.segment < len(segments), f"segment {event.segment} is not in the plan of {counted(len(segments), 'segment')}")
        planned = segments[event.segment].megabatch
        _require(event.megabatch == planned, f"segment {event.segment} is of megabatch {planned}, not {event.megabatch}")
        _check_event(event)
        layers = getattr(event, "layers", None)
        if layers is not None:
            _require([(layer.name, layer.total) for layer in layers] == network, "layers differ from those of the network")
            _require(all(0 <= layer.alive <= layer.kept <= layer.total for layer in layers), "layers keep more weights than they have")
    for known in (record.started, record.totals):
        if known is not None:
            _check_event(known)


def _network(started: events.Started) -> list[tuple[str, int]]:
    """Name and size of each layer, in network order."""
    for layer in started.layers:
        is_small = 1 <= len(layer.shape) <= 5 and all(1 <= size < 2**24 for size in layer.shape) and len(layer.name) <= LINE_LENGTH
        _require(is_small, "a layer without name and shape")
    _require({"init", "order", "scoring"} <= set(started.hashes), "the hashes of init, order and scoring are missing")
    names = {layer.name for layer in started.layers}
    _require(len(names) == len(started.layers), "two layers of one name")
    _require(len(started.graph) <= MOST_SEGMENTS, f"a graph of more than {MOST_SEGMENTS:,} nodes")
    for place, node in enumerate(started.graph):
        is_earlier = all(0 <= one < place for one in node.inputs) and len(node.inputs) <= place
        _require(is_earlier, "a node of the graph that reads no earlier ones")
        _require(len(node.name) <= LINE_LENGTH and len(node.kind) <= LINE_LENGTH, "a node of the graph with a long name")
        _require(len(node.shape) <= 5 and all(1 <= size < 2**24 for size in node.shape), "a node of the graph without shape")
    return [(layer.name, layer.total) for layer in started.layers]


def _check_event(event: Any) -> None:
    """Check the fields of an event by the rules for rows (storage/row_rules.py)."""
    try:
        row_rules.rules_of(type(event)).model_validate(asdict(event))  # type: ignore[arg-type]
    except ValidationError as error:
        raise InputError(row_rules.said(error)) from None


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise InputError(otherwise)
