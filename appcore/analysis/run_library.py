"""The library of runs as tables: one row for each run, searched, filtered, grouped.

Knows neither streamlit nor torch; frames and rows come in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from .. import names, plugins
from . import measures

FILTERS = ("status", "method", "pruner", "dataset", "arch", "tag")
GROUPS = {  # name in the menu and in the address: column
    "equal settings": "like",
    "started together": "group",
    "method": "method",
    "pruner": "pruner",
    "data set": "dataset",
    "network": "arch",
    "tag": "tag",
}
MEASURED = ("test_accuracy", "generalization_gap", "clean_gap", "cer", "sparsity", "seconds")  # numbers of the registry


def overview(runs: Sequence[Mapping[str, Any]], newest: pd.DataFrame) -> pd.DataFrame:
    """One row per run in the given order: labels, relevant settings, the whole record as `run`, and the newest megabatch's numbers.

    `newest` holds the last megabatch of each run.
    """
    plain = ("run_id", "title", "status", "method", "pruner", "dataset", "arch", "seed", "tags", "note", "archived", "created")
    frame = pd.DataFrame([[run[name] for name in plain] for run in runs], columns=list(plain))
    frame["pruner"] = [run["pruner"] if plugins.has_pruner(run["method"]) else "" for run in runs]
    frame["group"] = [run["group_id"] for run in runs]
    frame["like"] = [likeness(run["config"]) for run in runs]
    frame["error"] = [run["error"] or "" for run in runs]
    frame["run"] = list(runs)
    ends = {row["run_id"]: row for row in newest.to_dict("records")}
    numbers = pd.DataFrame([measures.newest(run, ends.get(run["run_id"])) for run in runs], columns=list(MEASURED), dtype=float)
    last = newest.set_index("run_id").reindex(frame["run_id"]).reset_index(drop=True)
    return pd.concat([frame, numbers, last.drop(columns=list(MEASURED), errors="ignore")], axis=1)


def likeness(config: Mapping[str, Any]) -> str:
    """A key that is equal for runs that differ only in their seed."""
    return json.dumps({name: value for name, value in config.items() if name not in ("seed", "device")}, sort_keys=True)


def search(frame: pd.DataFrame, text: str) -> pd.DataFrame:
    """Rows with every word of `text` somewhere in name, note, tags, settings, state or id; case is ignored."""
    words = text.casefold().split()
    if not words or frame.empty:
        return frame
    columns = ("run_id", "title", "note", "status", "method", "pruner", "dataset", "arch", "error")
    hay = frame[list(columns)].astype(str).agg("\n".join, axis=1) + "\n" + frame["tags"].map("\n".join)
    for name in ("method", "pruner", "dataset", "arch"):  # above as they are typed, here as they are displayed
        hay += "\n" + frame[name].map(names.display)
    hay = hay.str.casefold()
    return frame[[all(word in row for word in words) for row in hay]]


def choose(frame: pd.DataFrame, chosen: Mapping[str, Iterable[str]], *, archived: bool = False) -> pd.DataFrame:
    """Rows that match every filter (any of its values). Archived runs are left out unless asked for."""
    keep = pd.Series(True, index=frame.index) if archived else ~frame["archived"].astype(bool)
    for name, values in chosen.items():
        wanted = set(values)
        if wanted and name == "tag":
            keep &= pd.Series([not wanted.isdisjoint(tags) for tags in frame["tags"]], index=frame.index)
        elif wanted:
            keep &= frame[name].isin(wanted)
    return frame[keep]


def values(frame: pd.DataFrame, name: str) -> list[str]:
    """The values to choose from in a filter, the most frequent first."""
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
    """Settings that differ among groups and are not in their names already."""
    configs = [json.loads(like) for like in likes]
    return [
        name for name in configs[0] if name not in ("method", "pruner") and len({json.dumps(config.get(name)) for config in configs}) > 1
    ][:5]


def _group_name(by: str, value: Any, part: pd.DataFrame, differing: Sequence[str]) -> str:
    first = part.iloc[0]
    if by == "equal settings":
        config, name = json.loads(value), names.method_and_pruner(first["method"], first["pruner"])
        return ", ".join([name, *(f"{field.replace('_', ' ')} {names.display(flat(config.get(field)))}" for field in differing)])
    if by == "started together":
        return f"{first['title']} and {len(part) - 1} more" if value and len(part) > 1 else first["title"] if value else "alone"
    return names.display(value) if value else f"no {by}"


def flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (dict, list, tuple)) else value
