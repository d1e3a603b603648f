"""Answers in words and numbers, made from the data: which run prunes the early layers harder, which settings differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..analysis.measures import fraction_kept
from ..names import display
from . import style
from .layers import newest
from .run_styles import labels, looks

Runs = Sequence[Mapping[str, Any]]
NOTEWORTHY = 0.005  # half a point: smaller differences count as equal


def early_names(layers: pd.DataFrame) -> list[str]:
    """The first third of the prunable layers, in network order; at least one."""
    names = layers.sort_values("seq")["layer"].drop_duplicates().tolist()
    return names[: max(1, round(len(names) / 3))]


def early_shares(layers: pd.DataFrame) -> pd.DataFrame:
    """Mean over the early layers of the fraction kept: columns run_id, megabatch, early."""
    rows = newest(layers)
    rows = rows[rows["layer"].isin(early_names(layers))]
    shares = rows.assign(early=fraction_kept)
    return shares.groupby(["run_id", "megabatch"], as_index=False)["early"].mean()


def who_prunes_early(layers: pd.DataFrame, first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, str]:
    """(headline, detail): which of two runs prunes the early layers harder, by how much, and at which megabatches."""
    look = looks([first, second])
    a, b = first["run_id"], second["run_id"]
    layers = layers[layers["run_id"].isin([a, b])]
    if not len(layers):
        return "No layer has been counted yet", "The answer appears here with the first prune point."
    table = early_shares(layers).pivot(index="megabatch", columns="run_id", values="early")
    if not {a, b} <= set(table.columns) or table.dropna().empty:
        return "Only one of the two has been counted yet", "The answer appears here when both have passed a prune point."
    names, table = early_names(layers), table.dropna().rename(columns={a: look[a].label, b: look[b].label})
    where = (
        f"the first {len(names)} of {layers['layer'].nunique()} layers"
        if len(names) > 1
        else f"the first layer ({style.short_layer(names[0])})"
    )
    ended = len(table) >= min(int(first["config"]["megabatches"]), int(second["config"]["megabatches"]))
    return _verdict(table[[look[a].label, look[b].label]], where, "" if ended else " so far")


def _verdict(kept: pd.DataFrame, where: str, so_far: str) -> tuple[str, str]:
    """The verdict on `kept`: one column per run, named by its label, and one row per megabatch."""
    a, b = kept.columns
    lead = kept[b] - kept[a]  # positive: a prunes harder
    harder = {a: lead.index[lead > NOTEWORTHY], b: lead.index[lead < -NOTEWORTHY]}
    if not len(harder[a]) and not len(harder[b]):
        return (
            f"{a} and {b} prune the early layers equally hard{so_far}",
            f"Of {where} both keep the same share, to half a point, at every megabatch.",
        )
    winner, loser = sorted((a, b), key=lambda name: (-len(harder[name]), *harder[name][:1]))  # more often; when equal, earlier
    times, most = harder[winner], lead.abs()[harder[winner]].idxmax()
    when = f"at every megabatch{so_far}" if len(times) == len(lead) > 1 else f"at megabatch {spans(times)}"
    shares = f"{winner} keeps {_whole(kept[winner][most])}, {loser} {_whole(kept[loser][most])}"
    detail = f"The difference is largest at megabatch {most + 1}: of {where} {shares}."
    if len(harder[loser]):
        detail += f" At megabatch {spans(harder[loser])} it is the other way round."
    return f"{winner} prunes the early layers harder {when}", detail


def _whole(fraction: float) -> str:
    return f"{100 * fraction:.0f}\u00a0%"


def spans(megabatches: Sequence[int]) -> str:
    """Megabatches (from 0) as text, counted from 1: 0, 1, 2, 5 -> 1 to 3 and 6."""
    runs: list[list[int]] = []
    for value in sorted(int(v) + 1 for v in megabatches):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    parts = [str(low) if low == high else f"{low} {'and' if high == low + 1 else 'to'} {high}" for low, high in runs]
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + f" and {parts[-1]}"


def setting_differences(runs: Runs) -> tuple[pd.DataFrame, dict[str, Any]]:
    """(settings that differ: one row per field, one column per run; settings that all runs share)."""
    names = labels(runs)
    fields = list(dict.fromkeys(field for run in runs for field in run["config"]))
    differing, equal = {}, {}
    for field in fields:
        values = [run["config"].get(field) for run in runs]
        if any(value != values[0] for value in values):
            differing[field] = {names[run["run_id"]]: setting_text(value) for run, value in zip(runs, values)}
        else:
            equal[field] = values[0]
    return pd.DataFrame.from_dict(differing, orient="index"), equal


def setting_text(value: Any) -> str:
    """A setting as text for a table."""
    return ", ".join(map(display, value)) if isinstance(value, (list, tuple)) else display(value)
