"""What each column of a row may hold: one set of rules by which stored rows, backups and bundles of runs are judged. Knows no connection.

A row that breaks a rule was written by another program, or by hand. Shown or computed with, it would end pages for everybody.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError, create_model, model_validator
from sqlalchemy import JSON, Boolean, Column, Float, Table
from sqlalchemy.types import Integer

from .. import events
from ..config import RunConfig
from ..names import RECORDED
from ..statuses import ACTIVE, COMMANDS, ENDED
from ..untrusted.refusals import shown
from . import schema

RUN_ID = f"^(?:[0-9]{{8}}-[0-9]{{6}}-[0-9a-f]{{4}}|{RECORDED}[a-z0-9-]{{1,28}}[0-9])$"
MOST = 2**62  # of whole numbers, and of the amount of others: a database takes no larger ones
MOST_LOSS = 1e39  # of a run that diverges: no fp32 is larger
_YEARS = range(2000, 2200)  # pandas counts nanoseconds, which end in 2262


_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")


def _instant(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)  # takes weeks, commas and seconds of zones too, which pandas does not
        if not _INSTANT.fullmatch(value) and moment.utcoffset() is not None:
            raise ValueError
    except ValueError:
        raise ValueError("is no time; one looks like 2026-01-31T12:00:00+00:00") from None
    if moment.utcoffset() is None:
        raise ValueError("is a time without a zone; add +00:00 where it is UTC")
    if moment.year not in _YEARS:
        raise ValueError(f"is not between {_YEARS.start} and {_YEARS.stop - 1}")
    return value


def _number(value: float) -> float:
    if abs(value) >= MOST:
        raise ValueError("is too large")
    return value


def _loss(value: float) -> float:
    if abs(value) >= MOST_LOSS:
        raise ValueError("is too large")
    return value


def _share(value: float) -> float:
    if not 0 <= value <= 1 and not math.isnan(value):
        raise ValueError("is not between 0 and 1")
    return value


RunId = Annotated[str, Strict(), Field(pattern=RUN_ID)]
Instant = Annotated[str, Strict(), Field(max_length=40), AfterValidator(_instant)]
Count = Annotated[int, Strict(), Field(ge=0, lt=MOST)]
Number = Annotated[float, Strict(), AfterValidator(_number)]  # NaN is one: a diverged run may have it
Loss = Annotated[float, Strict(), AfterValidator(_loss)]
Share = Annotated[float, Strict(), AfterValidator(_share)]
Flag = Annotated[bool, Strict()]
Text = Annotated[str, Strict(), Field(max_length=2**20)]
Word = Annotated[str, Strict(), Field(max_length=40)]
_Plain = Text | Flag | Count | Number | None
_SCALARS: dict[Any, Any] = {int: Count, float: Number, bool: Flag, str: Text}
_RULES = ConfigDict(protected_namespaces=())  # other keys may be there: a row may be older or newer than this program


class _Images(BaseModel):
    """Twelve test images, and what was said of each: [class, confidence]."""

    places: list[Count] = Field(max_length=100)
    labels: list[Count] = Field(max_length=100)
    answers: list[tuple[Count, Share]] = Field(max_length=100)
    before: list[tuple[Count, Share]] | None = Field(None, max_length=100)


class _Flops(BaseModel):
    """FLOPs of a forward pass, as shares of those of the dense network."""

    requested: Share
    left: Share


class _Facts(BaseModel):
    """What pages read of the facts of a prune point, or of the end of a megabatch."""

    collapsed_channels: dict[str, Count] | None = None
    flops: _Flops | None = None
    classes: list[tuple[Text, Count, Count, Count]] | None = Field(None, max_length=100_000)
    images: _Images | None = None
    parts: list[tuple[Count, Count, Annotated[int, Strict(), Field(ge=1, lt=MOST)]]] | None = Field(None, max_length=1000)


def is_share(name: str) -> bool:
    """Whether a number of this name is a fraction of a whole."""
    return name.startswith("density") or name.endswith("_accuracy")


def is_loss(name: str) -> bool:
    """Whether a number of this name is a loss."""
    return name == "loss" or name.endswith("_loss")


def limits(name: str) -> tuple[float, float]:
    """The least and the most that a number of this name can be."""
    return (0.0, 1.0) if is_share(name) else (-MOST_LOSS, MOST_LOSS) if is_loss(name) else (-MOST, MOST)


def rule(name: str, hint: Any) -> Any:
    """The rule for a field of this type: numbers within limits, shares between 0 and 1, and nothing converted."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is float and is_share(name):
        return Share
    if hint is float and is_loss(name):
        return Loss
    if name == "facts":
        return _Facts
    if hint in _SCALARS:
        return _SCALARS[hint]
    if is_dataclass(hint):
        return rules_of(hint)  # type: ignore[arg-type]
    if origin is Literal or not parts:
        return hint
    inner = tuple(part if part is ... else rule(name, part) for part in parts)
    return Union[inner] if origin in (Union, types.UnionType) else origin[inner]  # noqa: UP007, the arguments are a tuple


@cache
def rules_of(event: Any) -> type[BaseModel]:
    """The rules for the fields of an event (events.py). Those without a default must be there; a number that was NaN is null in JSON."""
    hints = get_type_hints(event)
    found: dict[str, Any] = {}
    for field in fields(event):
        found[field.name] = (rule(field.name, hints[field.name]), ...)
        if hints[field.name] is float and field.name != "seconds":
            found[field.name] = (found[field.name][0] | None, ...)
        if field.default is not MISSING or field.default_factory is not MISSING:
            found[field.name] = (found[field.name][0] | None, None)
    return create_model(event.__name__, __config__=_RULES, **found)


class Progress(BaseModel):
    """The last known progress of a run."""

    model_config = _RULES

    segment: Count | None = None
    megabatch: Count | None = None
    epoch: Count | None = None
    step: Count | None = None
    steps: Count | None = None
    phase: Text | None = None
    samples_seen: Count | None = None
    samples_total: Count | None = None
    loss: Loss | None = None
    images_per_second: Number | None = None
    eta_seconds: Number | None = None
    updated: Instant | Annotated[float, Strict(), Field(ge=0, lt=7e9)] | None = None  # seconds: before 2192


class _Gpu(BaseModel):
    load: Number
    memory: Count
    memory_total: Count


class _Machine(BaseModel):
    """What a process takes of its machine; see runner/usage."""

    model_config = _RULES

    host: Text
    device: Text
    processor: Number
    cores: Count
    memory: Count
    memory_total: Count
    gpu: _Gpu | None = None


class _Driven(Progress):
    """Progress as a driver writes it; the machine is no part of a bundle."""

    machine: _Machine | None = None


class Recorded(BaseModel):
    """Of a recorded run: which one it is, and when, where and how it was made. `sha256` is that of its file."""

    model_config = _RULES

    name: Word
    date: Instant
    machine: Text
    command: Text
    seconds: Number
    sha256: Annotated[str, Strict(), Field(pattern="^[0-9a-f]{64}$")]


def _settings() -> type[BaseModel]:
    """The rules of RunConfig but for those that ask plug-ins: a run outlives a plug-in."""
    needed = ("arch", "dataset", "method", "pruner", "megabatches", "epochs", "seed", "batch_size")
    found = {}
    for name, field in RunConfig.model_fields.items():
        hint = rule(name, field.annotation)
        within = Annotated[(hint, *field.metadata)] if field.metadata else hint
        found[name] = (within, ... if name in needed else field.default)
    return create_model("Settings", __config__=_RULES, **found)  # type: ignore[call-overload]


Settings = _settings()


class _Run(BaseModel):
    model_config = _RULES

    run_id: RunId
    title: Text = ""
    created: Instant
    status: Literal[(*ACTIVE, *ENDED)]  # type: ignore[valid-type]
    config: Settings  # type: ignore[valid-type]
    fingerprint: Word
    method: Text
    pruner: Text
    arch: Text
    dataset: Text
    seed: Count
    group_id: Word = ""
    launcher: Word = ""
    pid: Annotated[int, Strict(), Field(ge=0, lt=2**31)] | None = None
    host: Text | None = None
    process_started: Annotated[float, Strict(), Field(allow_inf_nan=False)] | None = None
    heartbeat: Annotated[float, Strict(), Field(allow_inf_nan=False)] | None = None
    command: Literal[COMMANDS] | None = None  # type: ignore[valid-type]
    fence: Word | None = None
    cursor: Count = 0
    saved: Count | None = None
    segments: Count
    hashes: dict[str, Text] | None = None
    started: rules_of(events.Started) | None = None  # type: ignore[valid-type]
    progress: _Driven | None = None
    totals: rules_of(events.Finished) | None = None  # type: ignore[valid-type]
    error: Text | None = None
    traceback: Text | None = None
    versions: dict[str, Text | Count] | None = None
    revision: Count = 0
    notes: list[Text] | None = None
    tags: list[Text] | None = None
    note: Text | None = None
    archived: Flag | None = None
    owner: Annotated[str, Strict(), Field(max_length=320)] = ""
    recorded: Recorded | None = None


class _Ablation(BaseModel):
    model_config = _RULES

    sweep_id: Annotated[str, Strict(), Field(pattern=f"^s{RUN_ID[1:]}")]
    title: Text = ""
    created: Instant
    base: dict[str, _Plain | list[_Plain] | dict[str, _Plain]]
    axes: list[tuple[Text, list[_Plain | list[_Plain]]]] | dict[Text, list[_Plain | list[_Plain]]]
    owner: Annotated[str, Strict(), Field(max_length=320)] = ""
    picks: list[list[Count]] | None = None

    @model_validator(mode="after")
    def _picks_are_in_the_axes(self) -> _Ablation:
        sizes = [len(values) for name, values in dict(self.axes).items() if name != "seed"]
        for pick in self.picks or ():
            if len(pick) != len(sizes) or not all(place < size for place, size in zip(pick, sizes)):
                raise ValueError(f"picks {pick} are no places in the axes")
        return self


def _within(counts: list[tuple[str, int, int, int]]) -> list[tuple[str, int, int, int]]:
    for name, kept, alive, total in counts:
        if not alive <= kept <= total:
            raise ValueError(f"has {kept} of {total} weights kept in {shown(name)}, {alive} alive")
    return counts


_Counts = Annotated[list[tuple[Text, Count, Count, Count]], Field(max_length=100_000), AfterValidator(_within)]


def _of_column(table: Table, column: Column) -> Any:
    kinds = ((Boolean, bool), (Float, float), (Integer, int))
    if column.name in ("run_id", "point"):
        return RunId if column.name == "run_id" else Literal["prune", "end"]
    if isinstance(column.type, JSON):
        return _Counts if column.name == "counts" else _Facts
    return rule(column.name, next((kind for base, kind in kinds if isinstance(column.type, base)), str))


@cache
def needed(table: Table) -> tuple[str, ...]:
    """Columns of an event's table that every row fills: not those that are younger than some rows, nor numbers, which may have been NaN."""
    event = schema.EVENT_OF.get(table)
    found = {column.name for column in table.columns if not column.nullable}
    for field in fields(event) if event else ():
        if field.default is MISSING and field.default_factory is MISSING and field.type != "float":
            found.add(field.name)
    return tuple(column.name for column in table.columns if column.name in found)


@cache
def _rows_of(table: Table) -> type[BaseModel]:
    if table is schema.runs:
        return _Run
    if table is schema.sweeps:
        return _Ablation
    if table is schema.sweep_runs:
        return create_model("Member", sweep_id=(Word, ...), run_id=(RunId, ...))
    found: dict[str, Any] = {column.name: (_of_column(table, column) | None, None) for column in table.columns}
    found |= {name: (_of_column(table, table.c[name]), ...) for name in needed(table)}
    return create_model(table.name, __config__=_RULES, **found)


def problem(table: Table, row: Mapping[str, Any]) -> str:
    """The first rule that a row breaks, with the column and the value; empty when it breaks none."""
    try:
        _rows_of(table).__pydantic_validator__.validate_python(dict(row))
    except ValidationError as error:
        return said(error)
    except RecursionError:
        return "is nested too deeply"
    return ""


def said(error: ValidationError) -> str:
    """The first problem of a pydantic error as one line: the field, the value, and what is wrong with it."""
    first = error.errors(include_url=False)[0]
    parts = [str(part) for part in first["loc"][:4] if str(part).isidentifier() and part not in _SCHEMA_WORDS]
    where = shown(".".join(parts) or "the text")
    limits, what = first.get("ctx", {}), first["msg"].removeprefix("Value error, ")
    if first["type"] in _PLAIN:
        what = "is negative" if limits.get("ge") == 0 else _PLAIN[first["type"]].format(**limits)
    given = "" if first["type"] in ("missing", "extra_forbidden", "json_invalid") else f" {shown(repr(first['input']), 60)}"
    return f"{where}{given} {what[:1].lower()}{what[1:200]}"


_SCHEMA_WORDS = ("str", "float", "int", "bool", "list", "dict", "none", "Settings", "Progress")  # of pydantic, in places within unions
_PLAIN = {
    "missing": "is missing",
    "extra_forbidden": "is unknown here",
    "json_invalid": "is no JSON ({error})",
    "string_type": "is no text",
    "string_too_long": "is longer than {max_length} characters",
    "string_pattern_mismatch": "is of another form",
    "int_type": "is no whole number",
    "int_parsing": "is no whole number",
    "float_type": "is no number",
    "float_parsing": "is no number",
    "finite_number": "is no finite number",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "dict_type": "is no object",
    "model_type": "is no object",
    "model_attributes_type": "is no object",
    "dataclass_type": "is no object",
    "list_type": "is no list",
    "tuple_type": "is no list",
    "greater_than_equal": "is less than {ge}",
    "greater_than": "is not more than {gt}",
    "less_than": "is too large",
    "less_than_equal": "is more than {le}",
    "literal_error": "is none of {expected}",
}


def beyond(row: Mapping[str, Any], megabatches: int) -> str:
    """Why a row of an event cannot be of a run with so many megabatches; empty when it can."""
    if not row["megabatch"] < megabatches:
        return f"megabatch {row['megabatch']} of {megabatches}, which count from 0"
    if "kept" in row and not row["alive"] <= row["kept"] <= row["total"]:
        return f"kept {row['kept']} of {row['total']} weights, {row['alive']} alive"
    return ""
