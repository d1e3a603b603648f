"""The library of runs as tables: one row for each run, filtered, grouped, with the runs of an ablation folded into one.

Knows neither streamlit nor torch; frames and rows come in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from .. import names, plugins
from . import measures
from .run_fields import NUMBERS

PINNED = "pinned"  # the tag of runs that stand first
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
_NAMED = 5  # settings in the name of a group
Told = dict[str, tuple[int, str, dict[str, float]]]  # of each run: revision, likeness, newest numbers
MEASURED = ("test_accuracy", "generalization_gap", "clean_gap", "cer", "sparsity", "seconds")  # numbers of the registry


def overview(
    runs: Sequence[Mapping[str, Any]], newest: pd.DataFrame, ablations: Sequence[Mapping[str, Any]] = (), told: Told | None = None
) -> pd.DataFrame:
    """One row per run, pinned ones first and else in the given order: labels, relevant settings, the whole record as `run`, the newest
    numbers, and the ablation that it belongs to (the first of `ablations`).

    `newest` holds the last megabatch of each run. `told` remembers, from one call to the next, what takes long for thousands of runs.
    """
    told = _tell(runs, newest, {} if told is None else told)
    runs = sorted(runs, key=lambda run: PINNED not in run["tags"])
    member_of = {run_id: ablation["sweep_id"] for ablation in reversed(ablations) for run_id in ablation["run_ids"]}
    plain = ("run_id", "title", "status", "method", "pruner", "dataset", "arch", "seed", "tags", "note", "archived", "created")
    frame = pd.DataFrame([[run[name] for name in plain] for run in runs], columns=list(plain))
    frame["pruner"] = [run["pruner"] if plugins.has_pruner(run["method"]) else "" for run in runs]
    frame["group"] = [run["group_id"] for run in runs]
    frame["like"] = [told[run["run_id"]][1] for run in runs]
    frame["error"] = [run["error"] or "" for run in runs]
    frame["run"] = list(runs)
    frame["pinned"] = [PINNED in run["tags"] for run in runs]
    frame["ablation"] = [member_of.get(run["run_id"], "") for run in runs]
    numbers = pd.DataFrame([list(told[run["run_id"]][2].values()) for run in runs], columns=list(measures.newest({}, None)), dtype=float)
    numbers = numbers[list(NUMBERS)]
    last = newest.set_index("run_id").reindex(frame["run_id"]).reset_index(drop=True)
    return pd.concat([frame, numbers, last.drop(columns=list(NUMBERS), errors="ignore")], axis=1)


def _tell(runs: Sequence[Mapping[str, Any]], newest: pd.DataFrame, told: Told) -> Told:
    """`told` with all of these runs as they are now."""
    missing = [run for run in runs if told.get(run["run_id"], (None,))[0] != run["revision"]]
    ids = {run["run_id"] for run in missing}
    ends = {row["run_id"]: row for row in newest[newest["run_id"].isin(ids)].to_dict("records")}
    for run in missing:
        end = measures.newest(run, ends.get(run["run_id"]))
        told[run["run_id"]] = (run["revision"], likeness(run["config"]), end)
    return told


def likeness(config: Mapping[str, Any]) -> str:
    """A key that is equal for runs that differ only in their seed."""
    return json.dumps({name: value for name, value in config.items() if name not in ("seed", "device")}, sort_keys=True)


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
    differing = _differing(frame["like"].unique(), ("method", "pruner")) if by == "equal settings" else []
    for value, part in frame.groupby(GROUPS[by], sort=False, dropna=False):
        row: dict[str, Any] = {"name": _group_name(by, value, part, differing), "run_ids": part["run_id"].tolist(), "runs": len(part)}
        row |= {"done": int((part["status"] == "done").sum()), "created": part["created"].max(), "seeds": part["seed"].nunique()}
        row["mixed"] = ", ".join(name.replace("_", " ") for name in _differing(part["like"].unique()))
        for name in MEASURED:
            row |= {name: part[name].mean(), f"{name}_sd": part[name].std()}
        rows.append(row)
    return pd.DataFrame(rows).sort_values("created", ascending=False, ignore_index=True) if rows else pd.DataFrame()


def _differing(likes: Sequence[str], known: Sequence[str] = ()) -> list[str]:
    """Settings that differ among runs, the first few, without those that are `known`."""
    configs = [_flattened(json.loads(like)) for like in likes]
    fields = dict.fromkeys(name for config in configs for name in config if name not in known)
    return [name for name in fields if len({json.dumps(config.get(name)) for config in configs}) > 1][:_NAMED]


def _flattened(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the parameters of plug-ins beside them."""
    return {name: value for name, value in config.items() if name != "options"} | dict(config.get("options") or {})


def _group_name(by: str, value: Any, part: pd.DataFrame, differing: Sequence[str]) -> str:
    first = part.iloc[0]
    if by == "equal settings":
        config, name = _flattened(json.loads(value)), names.method_and_pruner(first["method"], first["pruner"])
        said = {field: config[field] for field in differing if config.get(field) is not None}
        return ", ".join([name, *(f"{field.replace('_', ' ')} {names.display(flat(value))}" for field, value in said.items())])
    if by == "started together":
        return f"{first['title']} and {len(part) - 1} more" if value and len(part) > 1 else first["title"] if value else "alone"
    return names.display(value) if value else f"no {by}"


def folded(frame: pd.DataFrame, ablations: Sequence[Mapping[str, Any]], opened: Iterable[str] = ()) -> pd.DataFrame:
    """The rows with the runs of each ablation as one, at the place of its first, unless it is one of `opened`; `run_ids` says which.

    What differs within an ablation is left empty, since a mean over its settings would say nothing.
    """
    titles = {ablation["sweep_id"]: ablation["title"] or ablation["sweep_id"] for ablation in ablations}
    frame = frame.assign(run_ids=[[run_id] for run_id in frame["run_id"]])
    rows, kept = [], pd.Series(True, frame.index)
    for sweep_id, part in frame[frame["ablation"].isin(set(titles) - set(opened))].groupby("ablation", sort=False):
        if len(part) > 1:
            kept[part.index] = False
            rows.append(_folded(part, titles[sweep_id]))
    return pd.concat([frame[kept], pd.DataFrame(rows)]).sort_index().infer_objects() if rows else frame


def _folded(part: pd.DataFrame, title: str) -> pd.Series:
    row = part.iloc[0].copy()
    for name in ("method", "pruner", "dataset", "arch", "seed", "note"):
        if part[name].nunique() > 1:
            row[name] = None if name == "seed" else ""
    done = int((part["status"] == "done").sum())
    row[list(NUMBERS)] = float("nan")
    row["title"], row["run_ids"], row["tags"], row["status"] = (
        f"{title} · {len(part)} runs",
        part["run_id"].tolist(),
        [],
        f"{done}/{len(part)}",
    )
    row["run_id"], row["pinned"], row["archived"] = part["ablation"].iloc[0], bool(part["pinned"].any()), bool(part["archived"].all())
    row["run"] = {"config": _shared([_flattened(run["config"]) for run in part["run"]])}
    return row


def _shared(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in configs[0].items() if all(config.get(name) == value for config in configs)}


def flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (dict, list, tuple)) else value
