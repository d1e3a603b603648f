"""The columns of the Runs page: each entry is one, with its value and format, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from appcore import names
from appcore.analysis.measures import MEASURES
from appcore.analysis.run_fields import LABELS, Field
from appcore.config import RunConfig

from ..widgets import projector
from ..words import number_columns
from ..words.setting_labels import label

_STATES = {  # a sign for users who cannot distinguish the colours, and the words of the badges
    "queued": "◔ queued",
    "running": "▶ running",
    "paused": "❙❙ paused",
    "done": "● done",
    "failed": "✕ failed",
    "stopped": "■ stopped",
    "lost": "⚠ lost",
}


@dataclass(frozen=True)
class Column:
    """One column. `value` takes the rows of `run_library.overview` (or of `grouped`): labels, settings and newest numbers by name, and
    the whole record of each run as `run`."""

    title: str
    value: Callable[[pd.DataFrame], pd.Series]
    config: Any = None  # from st.column_config, or what makes it of the values; None: Streamlit's default
    is_rare: bool = False  # left out while it is empty in all rows


def shown(rows: pd.DataFrame, columns: Sequence[Column]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """(the table, the configuration of its columns)."""
    values = {column.title: column.value(rows) for column in columns}
    kept = [column for column in columns if not column.is_rare or values[column.title].map(bool).any()]
    table = pd.DataFrame({column.title: values[column.title] for column in kept})
    configs = {column.title: column.config for column in kept if column.config is not None}
    return table, {title: config(values[title]) if callable(config) else config for title, config in configs.items()}


def own(chosen: Sequence[str], known: Mapping[str, Field]) -> list[Column]:
    """Columns of settings and numbers that the user has added."""
    return [_own(known[name]) for name in chosen if name in known]


def _own(field: Field) -> Column:
    if field.measure:
        return _measure(field.name)
    about = RunConfig.model_fields[field.name].description if field.name in RunConfig.model_fields else "Parameter of a plug-in"
    config = st.column_config.Column(f"{label(field.name)} {number_columns.INFO}", help=about)
    return Column(label(field.name), lambda rows: field.values(rows).map(_setting_cell), config)


def _setting_cell(value: Any) -> Any:
    return value if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) else names.display(value)


def choices(known: Mapping[str, Field]) -> dict[str, str]:
    """{name: text in the menu} of the settings and numbers that may be added: those that the table has not already."""
    there = {*_FIRST, "clean_gap", "seconds", "method", "pruner", "dataset", "arch", "seed", *LABELS}
    return {name: field.measure.head if field.measure else label(name) for name, field in known.items() if name not in there}


def _states(rows: pd.DataFrame) -> pd.Series:
    known = rows["status"].map(lambda status: _STATES.get(status, f"▸ {status}"))
    return known.where([not run.get("recorded") for run in rows["run"]], "◉ recorded")


def _name(rows: pd.DataFrame) -> pd.Series:
    whole = rows["title"].where(rows["title"] != "", rows["run_id"])
    return pd.Series(names.told_apart(whole.tolist(), _NAME), index=whole.index, dtype=object)


def _tags(rows: pd.DataFrame) -> pd.Series:
    return rows["tags"].map(_fitting)


def _fitting(tags: Sequence[str]) -> list[str]:
    """The first tags, as many as the column has room for, and how many more there are."""
    count = len(tags)
    while count > 1 and _width([*tags[:count], *_more(tags, count)]) > _TAGS:
        count -= 1
    return [*tags[:count], *_more(tags, count)]


def _more(tags: Sequence[str], count: int) -> list[str]:
    return [f"+{len(tags) - count}"] if count < len(tags) else []


def _width(tags: Sequence[str]) -> int:
    """Pixels that tags take side by side, about."""
    return 16 + sum(20 + sum(14 if ord(letter) > 0x2E7F else 7 for letter in tag) for tag in tags)


def _tag_column(values: pd.Series) -> Any:
    """As wide as its tags: Streamlit measures the first rows only, and cuts what is wider."""
    return st.column_config.ListColumn(width=round(min(_TAGS, max(70, *map(_width, values))) * projector.scale()))


def _measure(name: str) -> Column:
    """A measure of the registry, with its unit in the heading."""
    return Column(name, lambda rows: MEASURES[name].shown(rows[name]).round(MEASURES[name].digits), number_columns.column(name))


def _accuracy() -> Column:
    """Narrow, with state and name before it as wide as a phone."""
    return replace(_measure("test_accuracy"), config=number_columns.column("test_accuracy", width=80, head="Test, %"))


def _spread(name: str) -> Column:
    return Column(f"{name}_sd", lambda rows: MEASURES[name].shown(rows[f"{name}_sd"]), number_columns.spread(name))


_NAME = 24  # characters that the column shows
_TAGS = 310  # pixels: a column that a phone still shows whole
_text = st.column_config.TextColumn
_FIRST = ("test_accuracy", "generalization_gap", "cer", "sparsity")  # numbers that come right after the name
_STARTED = Column(
    "Started",
    lambda rows: pd.to_datetime(rows["created"], utc=True, format="ISO8601", errors="coerce"),  # a full second is written without zeros
    st.column_config.DatetimeColumn(format="distance"),
)

RUNS = (
    Column("State", lambda rows: _states(rows), _text(width=72)),
    Column("Pinned", lambda rows: rows["pinned"].astype(bool), is_rare=True),
    Column("Archived", lambda rows: rows["archived"], is_rare=True),
    Column("Name", _name, _text(width=178)),
    _accuracy(),
    *map(_measure, _FIRST[1:]),
    Column("Method", lambda rows: rows["method"].map(names.display)),
    Column("Pruner", lambda rows: rows["pruner"].map(names.display)),
    Column("Data", lambda rows: rows["dataset"].map(names.display)),
    Column("Network", lambda rows: rows["arch"].map(names.display)),
    Column("Seed", lambda rows: pd.to_numeric(rows["seed"])),
    Column("Tags", _tags, _tag_column, is_rare=True),
    Column("Note", lambda rows: rows["note"].astype(str).str.replace("\n", " "), _text(width=160), is_rare=True),
    _measure("clean_gap"),
    _measure("seconds"),
    _STARTED,
    Column("Id", lambda rows: rows["run_id"], _text(width=170)),
)
OWN = next(place for place, column in enumerate(RUNS) if column.title == "Method")  # where columns of one's own begin
GROUPS = (
    Column("Group", lambda rows: rows["name"], _text(width=300)),
    Column("Runs", lambda rows: rows["runs"]),
    Column("Done", lambda rows: rows["done"]),
    Column("Seeds", lambda rows: rows["seeds"]),
    Column(
        "Mixes",
        lambda rows: rows["mixed"],
        _text(width=230, help="Settings that differ within the group: its means are over all of their values"),
        is_rare=True,
    ),
    *(column(name) for name in _FIRST for column in (_measure, _spread)),
    _STARTED,
)
