"""All measurements as tables, and as one zip of files. Needs neither streamlit nor torch."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from .. import markup
from ..analysis.measures import fraction_kept, glossary
from ..analysis.run_library import flat
from ..storage.store import Store

_TABLES = ("runs", "epochs", "rounds", "megabatches", "prunes", "layers")


def tables(store: Any, run_ids: Sequence[str]) -> dict[str, pd.DataFrame]:
    """All measurements as tidy tables: runs (one column per setting), epochs, megabatches, prunes, layers; counted from 1.

    Rounds count from 0, as on pages: round 0 trains before anything is pruned. The last table, numbers, explains the columns of
    measured numbers.
    """
    wanted = set(run_ids)
    found = {"runs": _runs_table([run for run in store.runs(recorded=True) if run["run_id"] in wanted])}
    for name in _TABLES[1:]:
        frame = getattr(store, name)(run_ids)
        counted = {column: frame[column] + 1 for column in ("megabatch", "epoch") if column in frame}
        found[name] = frame.assign(**counted).drop(columns=["seq", "nth", "facts"], errors="ignore")
    found["layers"] = found["layers"].assign(density=fraction_kept)
    return found | {"numbers": glossary()}


def _runs_table(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    names = ("run_id", "title", "created", "status", "fingerprint", "group_id", "note", "archived", "error")
    rows = []
    for run in runs:
        row = {name: run[name] for name in names} | {"tags": ", ".join(run["tags"])}
        row |= {f"config.{name}": flat(value) for name, value in run["config"].items()}
        row |= {f"hash.{name}": value for name, value in (run["hashes"] or {}).items()}
        row |= {f"total.{name}": value for name, value in (run["totals"] or {}).items() if not isinstance(value, (dict, list))}
        rows.append(row)
    return pd.DataFrame(rows)


def packed(frames: Mapping[str, pd.DataFrame], kind: str) -> bytes:
    """The tables as one zip of csv or parquet files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, frame in frames.items():
            file.writestr(f"{name}.{kind}", as_csv(frame) if kind == "csv" else frame.to_parquet(index=False))
    return target.getvalue()


def as_csv(frame: pd.DataFrame) -> str:
    """A table as CSV in which a spreadsheet finds no formula."""
    return frame.map(markup.cell).rename(columns=markup.cell).to_csv(index=False)


def run_tables(store: Store, run_id: str) -> dict[str, Any]:
    """The tables of a run with megabatches and epochs counted from 1; rounds (0: nothing is pruned yet) and `segment`, the place in the
    plan, from 0."""
    frames = {"epochs": store.epochs(run_id), "megabatches": store.megabatches(run_id), "layers": store.layers(run_id)}
    frames |= {"rounds": rounds} if len(rounds := store.rounds(run_id)) else {}
    frames["layers"] = frames["layers"].assign(density=fraction_kept, position=lambda rows: rows["seq"] + 1)
    for name, frame in frames.items():
        counted = {column: frame[column] + 1 for column in ("megabatch", "epoch") if column in frame}
        frames[name] = frame.assign(**counted).drop(columns=["seq", "nth", "facts"], errors="ignore")
    return frames
