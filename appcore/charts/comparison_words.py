"""Answers in words and numbers, made from the data: which run prunes the early layers harder, which settings differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..analysis.measures import MEASURES, fraction_kept
from ..analysis.repeats import Repeats, by_seed
from ..analysis.samples import Sample
from ..names import counted, display
from ..planning import stages
from ..statuses import ACTIVE
from . import style
from .layers import networks, newest, staged
from .run_styles import experiment_labels, labels, looks

Runs = Sequence[Mapping[str, Any]]
NOTEWORTHY = 0.005  # half a point: smaller differences count as equal


def who_is_more_accurate(groups: Sequence[Repeats], megabatches: pd.DataFrame, among: Runs = ()) -> tuple[str, str]:
    """(headline, detail): which experiment leads, by how much, and whether that may be luck; ("", "") while nothing is measured.

    Differences are seed by seed. While runs go on, they are compared after the last megabatch that all have finished.
    """
    about, names = MEASURES["test_accuracy"], experiment_labels(groups, among)
    ends, when = _ends(groups, megabatches, about.name)
    measured = [group for group in groups if ends[group.first["run_id"]]]
    if not measured:
        return "", ""
    if len({(group.first["config"]["dataset"], group.first["config"].get("limit_test")) for group in measured}) > 1:
        return "Accuracies on different test images are not compared", "Pick runs of one data set to see who is ahead."
    means = {id(group): Sample.of(ends[group.first["run_id"]].values()).mean for group in measured}
    first, *others = sorted(measured, key=lambda group: -means[id(group)])
    said = ", ".join(f"{names[group.first['run_id']]} {about.text(about.shown(means[id(group)]))}\u00a0%" for group in (first, *others)[:2])
    detail = f"{about.label} {when}: {said}."
    if not others:
        return f"{names[first.first['run_id']]} has {about.text(about.shown(means[id(first)]))}\u00a0% of the test images right", detail
    one, other = (ends[group.first["run_id"]] for group in (first, others[0]))
    lead = about.shown(means[id(first)] - means[id(others[0])])
    both = sorted(one.keys() & other.keys())
    lead = about.shown(Sample.of(one[seed] - other[seed] for seed in both).mean) if both else lead
    leader, next_one = names[first.first["run_id"]], names[others[0].first["run_id"]]
    if abs(lead) < 0.05:
        return f"{leader} and {next_one} are equally accurate", detail
    points = f"{lead:.1f} {'point' if f'{lead:.1f}' == '1.0' else 'points'}"
    ahead = f"is {points} better" if len(measured) == 2 else f"is the most accurate of {len(measured)}, {points} ahead of {next_one}"
    return f"{leader} {ahead} ({_certainty([about.shown(one[seed] - other[seed]) for seed in both], about.difference_limits)}", detail


def _certainty(gaps: Sequence[float], limits: tuple[float, float]) -> str:
    """How sure a lead is: 3 seeds, 95 % -2.6 to 4.4): could be luck."""
    if len(gaps) < 2:
        return f"{'one seed' if gaps else 'no seed in common'}, no interval): could be luck"
    low, high = Sample.of(gaps).interval(*limits)
    return f"{counted(len(gaps), 'seed')}, 95\u00a0% {low:.1f} to {high:.1f}): {'more than luck' if low > 0 else 'could be luck'}"


def _ends(groups: Sequence[Repeats], megabatches: pd.DataFrame, column: str) -> tuple[dict[str, dict[int, float]], str]:
    """The numbers of each experiment by seed, and when they were measured: after a megabatch that all have finished, or their last."""
    values = {group.first["run_id"]: by_seed(group, megabatches, column) for group in groups}
    planned = {int(group.first["config"]["megabatches"]) for group in groups}
    reached = [len(table.dropna()) for table in values.values()]
    goes_on = any(run["status"] in ACTIVE for group in groups for run in group.runs.values())
    common = min(reached) if len(planned) == 1 and (goes_on or len(set(reached)) == 1) else 0
    if common:
        when = f"after megabatch {common} of {max(planned)}" if max(planned) > 1 else "at the end"
        return {key: table.iloc[common - 1].to_dict() for key, table in values.items()}, when
    found = {key: {seed: row.dropna().iloc[-1] for seed, row in table.items() if row.notna().any()} for key, table in values.items()}
    return found, "after the last megabatch that each has finished"


def early_names(layers: pd.DataFrame) -> list[str]:
    """The first third of the prunable layers, in network order; at least one."""
    names = layers.sort_values("seq")["layer"].drop_duplicates().tolist()
    return names[: max(1, round(len(names) / 3))]


def early_shares(layers: pd.DataFrame, runs: Runs) -> pd.DataFrame:
    """Mean over the early layers of the fraction kept: columns run_id, megabatch (the stage, see `staged`), early."""
    rows = newest(staged(layers, runs)[0])
    rows = rows[rows["layer"].isin(early_names(layers))]
    shares = rows.assign(early=fraction_kept)
    return shares.groupby(["run_id", "megabatch"], as_index=False)["early"].mean()


def who_prunes_early(layers: pd.DataFrame, first: Mapping[str, Any], second: Mapping[str, Any], among: Runs = ()) -> tuple[str, str]:
    """(headline, detail): which of two runs prunes the early layers harder, by how much, and at which megabatches or rounds."""
    look = looks(among or [first, second])
    a, b = first["run_id"], second["run_id"]
    layers = layers[layers["run_id"].isin([a, b])]
    if not len(layers):
        return "No layer has been counted yet", "The answer appears here with the first prune point."
    table = early_shares(layers, among or [first, second]).pivot(index="megabatch", columns="run_id", values="early")
    if not {a, b} <= set(table.columns) or table.dropna().empty:
        return "Only one of the two has been counted yet", "The answer appears here when both have passed a prune point."
    if len(networks(layers, [first, second])) > 1:
        both = f"{look[a].label} and {look[b].label}"
        return "Their early layers are not compared", f"{both} are different networks; pick two of one network."
    names, table = early_names(layers), table.dropna().rename(columns={a: look[a].label, b: look[b].label})
    where = (
        f"the first {len(names)} of {layers['layer'].nunique()} layers"
        if len(names) > 1
        else f"the first layer ({style.short_layer(names[0])})"
    )
    places = stages.axis_of(among or [first, second])
    lengths = [sum(place in places for place in stages.of_run(run).places) for run in (first, second)]
    return _verdict(table[[look[a].label, look[b].label]], where, "" if table.index.max() + 1 >= min(lengths) else " so far", places)


def _verdict(kept: pd.DataFrame, where: str, so_far: str, places: Sequence[stages.Place]) -> tuple[str, str]:
    """The verdict on `kept`: one column per run, named by its label, and one row per stage."""
    word, names = stages.named(places)
    a, b = kept.columns
    lead = kept[b] - kept[a]  # positive: a prunes harder
    harder = {a: lead.index[lead > NOTEWORTHY], b: lead.index[lead < -NOTEWORTHY]}
    if not len(harder[a]) and not len(harder[b]):
        return (
            f"{a} and {b} prune the early layers equally hard{so_far}",
            f"Of {where} both keep the same share, to half a point, at every {word}.",
        )
    winner, loser = sorted((a, b), key=lambda name: (-len(harder[name]), *harder[name][:1]))  # more often; when equal, earlier
    times, most = harder[winner], lead.abs()[harder[winner]].idxmax()
    when = f"at every {word}{so_far}" if len(times) == len(lead) > 1 else f"at {word} {spans(times, names)}"
    shares = f"{winner} keeps {_whole(kept[winner][most])}, {loser} {_whole(kept[loser][most])}"
    detail = f"The difference is largest at {word} {names[most]}: of {where} {shares}."
    if len(harder[loser]):
        detail += f" At {word} {spans(harder[loser], names)} it is the other way round."
    return f"{winner} prunes the early layers harder {when}", detail


def _whole(fraction: float) -> str:
    return f"{100 * fraction:.0f}\u00a0%"


def spans(places: Sequence[int], names: Sequence[str]) -> str:
    """Stages (from 0) as text, by their names: 0, 1, 2, 5 -> 1 to 3 and 6."""
    runs: list[list[int]] = []
    for value in sorted(map(int, places)):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    parts = [names[low] if low == high else f"{names[low]} {'and' if high == low + 1 else 'to'} {names[high]}" for low, high in runs]
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + f" and {parts[-1]}"


def setting_differences(runs: Runs) -> tuple[pd.DataFrame, dict[str, Any]]:
    """(settings that differ: one row per field, one column per run; settings that all runs share)."""
    names, settings = labels(runs), [_settings(run) for run in runs]
    fields = list(dict.fromkeys(field for one in settings for field in one))
    differing, equal = {}, {}
    for field in fields:
        values = [one.get(field, "") for one in settings]
        if any(value != values[0] for value in values):
            differing[field] = {names[run["run_id"]]: setting_text(value) or "–" for run, value in zip(runs, values)}
        else:
            equal[field] = values[0]
    return pd.DataFrame.from_dict(differing, orient="index"), equal


def _settings(run: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run and the parameters of its plug-ins, each by its name."""
    config = run["config"]
    return {name: value for name, value in config.items() if name != "options"} | dict(config.get("options") or {})


def setting_text(value: Any) -> str:
    """A setting as text for a table."""
    return ", ".join(map(display, value)) if isinstance(value, (list, tuple)) else display(value)
