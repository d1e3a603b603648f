"""The library of runs as tables: one row for each run, searched, filtered, grouped; and everything that was measured, as files.

Knows neither streamlit nor torch; frames and rows come in.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

FILTERS = ("status", "method", "pruner", "dataset", "arch", "tag")
GROUPS = {  # words of the menu and of the address: column
    "equal settings": "like",
    "started together": "group",
    "method": "method",
    "pruner": "pruner",
    "data set": "dataset",
    "network": "arch",
    "tag": "tag",
}
MEASURED = ("test_accuracy", "generalization_gap", "cer", "density_mask")
_TABLES = ("runs", "epochs", "megabatches", "prunes", "layers")


def overview(runs: Sequence[Mapping[str, Any]], newest: pd.DataFrame) -> pd.DataFrame:
    """One row per run in the given order: labels, settings that matter, newest numbers (`newest`: the last megabatch of each run)."""
    plain = ("run_id", "title", "status", "method", "pruner", "dataset", "arch", "seed", "tags", "note", "archived", "created")
    frame = pd.DataFrame([[run[name] for name in plain] for run in runs], columns=list(plain))
    frame["pruner"] = ["" if run["method"] == "dense" else run["pruner"] for run in runs]
    frame["group"] = [run["group_id"] for run in runs]
    frame["like"] = [likeness(run["config"]) for run in runs]
    frame["seconds"] = [(run["totals"] or {}).get("seconds", math.nan) for run in runs]
    frame["error"] = [run["error"] or "" for run in runs]
    last = newest.set_index("run_id")[list(MEASURED)].reindex(frame["run_id"]).reset_index(drop=True).astype(float)
    return pd.concat([frame, last], axis=1)


def likeness(config: Mapping[str, Any]) -> str:
    """Equal for runs that differ in their seed alone."""
    return json.dumps({name: value for name, value in config.items() if name not in ("seed", "device")}, sort_keys=True)


def search(frame: pd.DataFrame, text: str) -> pd.DataFrame:
    """Rows that have every word of `text` somewhere in name, note, tags, settings, state or id; case does not matter."""
    words = text.casefold().split()
    if not words or frame.empty:
        return frame
    columns = ("run_id", "title", "note", "status", "method", "pruner", "dataset", "arch", "error")
    hay = frame[list(columns)].astype(str).agg("\n".join, axis=1) + "\n" + frame["tags"].map("\n".join)
    hay = hay.str.casefold()
    return frame[[all(word in row for word in words) for row in hay]]


def choose(frame: pd.DataFrame, chosen: Mapping[str, Iterable[str]], *, archived: bool = False) -> pd.DataFrame:
    """Rows that fit every filter; of several values of one filter any may fit. Archived ones are left out unless asked for."""
    keep = pd.Series(True, index=frame.index) if archived else ~frame["archived"].astype(bool)
    for name, values in chosen.items():
        wanted = set(values)
        if wanted and name == "tag":
            keep &= pd.Series([not wanted.isdisjoint(tags) for tags in frame["tags"]], index=frame.index)
        elif wanted:
            keep &= frame[name].isin(wanted)
    return frame[keep]


def values(frame: pd.DataFrame, name: str) -> list[str]:
    """What can be chosen in a filter, the most frequent first."""
    column = frame["tags"].explode() if name == "tag" else frame[name]
    return [value for value in column.dropna().value_counts().index if value != ""]


def grouped(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """One row per group, newest first: `name`, `run_ids`, `runs`, `done`, and mean and standard deviation of the newest numbers."""
    rows = []
    frame = frame.explode("tags").assign(tag=lambda rows: rows["tags"].fillna("")) if by == "tag" else frame
    differing = _differing(frame["like"].unique()) if by == "equal settings" else []
    for value, part in frame.groupby(GROUPS[by], sort=False, dropna=False):
        row: dict[str, Any] = {"name": _group_name(by, value, part, differing), "run_ids": part["run_id"].tolist(), "runs": len(part)}
        row |= {"done": int((part["status"] == "done").sum()), "created": part["created"].max(), "seeds": part["seed"].nunique()}
        for name in MEASURED:
            row |= {name: part[name].mean(), f"{name}_sd": part[name].std()}
        rows.append(row)
    return pd.DataFrame(rows).sort_values("created", ascending=False, ignore_index=True) if rows else pd.DataFrame()


def _differing(likes: Sequence[str]) -> list[str]:
    """Settings that differ among groups and have no place in their names already."""
    configs = [json.loads(like) for like in likes]
    return [
        name for name in configs[0] if name not in ("method", "pruner") and len({json.dumps(config.get(name)) for config in configs}) > 1
    ][:5]


def _group_name(by: str, value: Any, part: pd.DataFrame, differing: Sequence[str]) -> str:
    first = part.iloc[0]
    if by == "equal settings":
        config, name = json.loads(value), f"{first['method']} {first['pruner']}".strip()
        return ", ".join([name, *(f"{field.replace('_', ' ')} {_flat(config.get(field))}" for field in differing)])
    if by == "started together":
        return f"{first['title']} and {len(part) - 1} more" if value and len(part) > 1 else first["title"] if value else "alone"
    return str(value) or f"no {by}"


def tables(store: Any, run_ids: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Everything that was measured, tidy: runs (one column per setting), epochs, megabatches, prunes, layers; counted from 1."""
    wanted = set(run_ids)
    found = {"runs": _runs_table([run for run in store.runs() if run["run_id"] in wanted])}
    for name in _TABLES[1:]:
        frame = getattr(store, name)(run_ids)
        counted = {column: frame[column] + 1 for column in ("megabatch", "epoch", "round") if column in frame}
        found[name] = frame.assign(**counted).drop(columns=["seq", "nth", "facts"], errors="ignore")
    found["layers"] = found["layers"].assign(density=found["layers"]["kept"] / found["layers"]["total"])
    return found


def _runs_table(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    names = ("run_id", "title", "created", "status", "fingerprint", "group_id", "note", "archived", "error")
    rows = []
    for run in runs:
        row = {name: run[name] for name in names} | {"tags": ", ".join(run["tags"])}
        row |= {f"config.{name}": _flat(value) for name, value in run["config"].items()}
        row |= {f"hash.{name}": value for name, value in (run["hashes"] or {}).items()}
        row |= {f"total.{name}": value for name, value in (run["totals"] or {}).items() if not isinstance(value, (dict, list))}
        rows.append(row)
    return pd.DataFrame(rows)


def _flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (dict, list, tuple)) else value


def packed(frames: Mapping[str, pd.DataFrame], kind: str) -> bytes:
    """The tables as one zip of csv or parquet files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, frame in frames.items():
            file.writestr(f"{name}.{kind}", frame.map(_harmless).to_csv(index=False) if kind == "csv" else frame.to_parquet(index=False))
    return target.getvalue()


def _harmless(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe; runs may come from strangers."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
