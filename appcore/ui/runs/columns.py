"""The columns of the Runs page: each entry is one, with its value and format, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from appcore import names
from appcore.analysis.measures import MEASURES

from ..words import number_columns

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
    config: Any = None  # from st.column_config; None: Streamlit's default
    is_rare: bool = False  # left out while it is empty in all rows


def shown(rows: pd.DataFrame, columns: Sequence[Column]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """(the table, the configuration of its columns)."""
    values = {column.title: column.value(rows) for column in columns}
    kept = [column for column in columns if not column.is_rare or values[column.title].map(bool).any()]
    table = pd.DataFrame({column.title: values[column.title] for column in kept})
    return table, {column.title: column.config for column in kept if column.config is not None}


def _name(rows: pd.DataFrame) -> pd.Series:
    return rows["title"].where(rows["title"] != "", rows["run_id"])


def _measure(name: str) -> Column:
    """A measure of the registry, with its unit in the heading."""
    return Column(name, lambda rows: MEASURES[name].shown(rows[name]), number_columns.column(name))


def _spread(name: str) -> Column:
    return Column(f"{name}_sd", lambda rows: MEASURES[name].shown(rows[f"{name}_sd"]), number_columns.spread(name))


_text = st.column_config.TextColumn
_FIRST = ("test_accuracy", "generalization_gap", "cer", "sparsity")  # numbers that come right after the name
_STARTED = Column("Started", lambda rows: pd.to_datetime(rows["created"], utc=True), st.column_config.DatetimeColumn(format="distance"))

RUNS = (
    Column("State", lambda rows: rows["status"].map(_STATES), _text(width=95)),
    Column("Archived", lambda rows: rows["archived"], is_rare=True),
    Column("Name", _name, _text(width=230)),
    *map(_measure, _FIRST),
    Column("Method", lambda rows: rows["method"].map(names.display)),
    Column("Pruner", lambda rows: rows["pruner"].map(names.display)),
    Column("Data", lambda rows: rows["dataset"].map(names.display)),
    Column("Network", lambda rows: rows["arch"].map(names.display)),
    Column("Seed", lambda rows: rows["seed"]),
    Column("Tags", lambda rows: rows["tags"], st.column_config.ListColumn(width=130), is_rare=True),
    Column("Note", lambda rows: rows["note"].str.replace("\n", " "), _text(width=160), is_rare=True),
    _measure("clean_gap"),
    _measure("seconds"),
    _STARTED,
    Column("Id", lambda rows: rows["run_id"], _text(width=170)),
)
GROUPS = (
    Column("Group", lambda rows: rows["name"], _text(width=300)),
    Column("Runs", lambda rows: rows["runs"]),
    Column("Done", lambda rows: rows["done"]),
    Column("Seeds", lambda rows: rows["seeds"]),
    *(column(name) for name in _FIRST for column in (_measure, _spread)),
    _STARTED,
)
