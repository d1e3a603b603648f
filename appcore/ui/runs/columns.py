"""The columns of the Runs page: one entry is one column, with its value and how it is shown. The order here is the order there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from appcore import charts

_STATES = {  # a sign for those who cannot tell the colours apart, and the words of the badges
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
    """One column. `value` takes the rows of `run_library.overview` (or of `grouped`): labels, settings and newest numbers by name, and in
    `run` the whole record of each run."""

    title: str
    value: Callable[[pd.DataFrame], pd.Series]
    config: Any = None  # of st.column_config; None: as Streamlit shows it
    is_rare: bool = False  # left out while no row has anything in it


def shown(rows: pd.DataFrame, columns: Sequence[Column]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """(the table, how its columns are shown)."""
    values = {column.title: column.value(rows) for column in columns}
    kept = [column for column in columns if not column.is_rare or values[column.title].map(bool).any()]
    table = pd.DataFrame({column.title: values[column.title] for column in kept})
    return table, {column.title: column.config for column in kept if column.config is not None}


def _name(rows: pd.DataFrame) -> pd.Series:
    return rows["title"].where(rows["title"] != "", rows["run_id"])


def _seconds(run: dict[str, Any]) -> float:
    return (run["totals"] or {}).get("seconds", math.nan)


def _spread(title: str, name: str, factor: float, digits: int) -> Column:
    config = _number(format=f"%.{digits}f", help="Standard deviation over the runs of the group")
    return Column(f"± {title}", lambda rows: factor * rows[f"{name}_sd"], config)


_number, _text = st.column_config.NumberColumn, st.column_config.TextColumn
_TEST = Column(
    "Test",
    lambda rows: 100 * rows["test_accuracy"],
    _number(format="%.1f %%", help="Test accuracy after the newest finished megabatch"),
)
_GAP = Column(
    "Gap",
    lambda rows: 100 * rows["generalization_gap"],
    _number("Gap, points", format="%+.1f", help="Train minus validation accuracy"),
)
_CER = Column(
    "CER",
    lambda rows: rows["cer"],
    _number("CER, errors", format="localized", help="Misclassified test images, summed over megabatches; lower is better"),
)
_SPARSITY = Column("Sparsity", lambda rows: 100 * (1 - rows["density_mask"]), _number(format="%.1f %%", help="Counted from the mask"))
_STARTED = Column("Started", lambda rows: pd.to_datetime(rows["created"], utc=True), st.column_config.DatetimeColumn(format="distance"))

RUNS = (
    Column("State", lambda rows: rows["status"].map(_STATES), _text(width=95)),
    Column("Archived", lambda rows: rows["archived"], is_rare=True),
    Column("Name", _name, _text(width=230)),
    _TEST,
    _GAP,
    _CER,
    _SPARSITY,
    Column("Method", lambda rows: rows["method"].map(charts.word)),
    Column("Pruner", lambda rows: rows["pruner"].map(charts.word)),
    Column("Data", lambda rows: rows["dataset"]),
    Column("Network", lambda rows: rows["arch"]),
    Column("Seed", lambda rows: rows["seed"]),
    Column("Tags", lambda rows: rows["tags"], st.column_config.ListColumn(width=130), is_rare=True),
    Column("Note", lambda rows: rows["note"].str.replace("\n", " "), _text(width=160), is_rare=True),
    Column("Time", lambda rows: rows["run"].map(_seconds), _number("Time, s", format="%.0f")),
    _STARTED,
    Column("Id", lambda rows: rows["run_id"], _text(width=170)),
)
GROUPS = (
    Column("Group", lambda rows: rows["name"], _text(width=300)),
    Column("Runs", lambda rows: rows["runs"]),
    Column("Done", lambda rows: rows["done"]),
    Column("Seeds", lambda rows: rows["seeds"]),
    _TEST,
    _spread("Test", "test_accuracy", 100, 1),
    _GAP,
    _spread("Gap", "generalization_gap", 100, 1),
    _CER,
    _spread("CER", "cer", 1, 0),
    _SPARSITY,
    _STARTED,
)
