"""Overlaid curves, differences from a baseline, and final numbers: of runs, or of experiments repeated over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from appcore import charts
from appcore.analysis.measures import MEASURES
from appcore.analysis.repeats import Repeats, grouped

from ..app import old_links, tables
from ..widgets import live_chart, paper_table, playback
from ..words import number_columns
from ..words.text import cells, plain
from . import layers
from .chosen import Chosen

Runs = Sequence[dict[str, Any]]
_ALT = {
    "accuracy": "Curves: validation and test accuracy",
    "gap": "Curves: generalization gap",
    "loss": "Curves: validation loss",
    "errors": "Curves: test errors summed over the megabatches",
}


def pick_bands(runs: Runs) -> bool:
    """Whether to draw means over seeds with bands; offered only where some runs differ only in their seed."""
    if len(grouped(runs)) == len(runs):
        return False
    return st.toggle("Average over seeds", value=True, key="bands", bind="query-params", help="One line per experiment: mean and range")


def curve(name: str, chosen: Chosen, data: tables.Frames) -> None:
    """One curve of each run, or the band of each experiment."""
    drawn: Any = grouped(chosen.runs) if chosen.bands else chosen.runs
    more = {"rounds": data.whole.rounds} if name == "accuracy" and not chosen.bands else {}
    draw = partial(charts.bands, name) if chosen.bands else getattr(charts, name)
    playback.chart(
        f"compare-{name}",
        (chosen.key, chosen.bands, chosen.view),
        lambda frames: draw(
            drawn, frames.epochs, frames.megabatches, revision=chosen.revision, view=chosen.view, among=chosen.among, **more
        ),
        data.whole,  # the browser cuts it
        ("epochs", "megabatches", "rounds"),
        alt=_ALT[name],
        legend=False,
        edge=data.edge,
    )


def curves(chosen: Chosen, data: tables.Frames) -> None:
    """The other curves, overlaid."""
    st.subheader("Over the stream", anchor=False)
    with live_chart.grid(2, live_chart.NARROW):
        for name in ("gap", "loss", "errors"):
            curve(name, chosen, data)
        layers.same_weights_over_time(chosen, data)


def differences(chosen: Chosen, data: tables.Frames) -> None:
    """Differences of each experiment from a chosen one of the same network and data, with intervals over the seeds that both have."""
    groups = grouped(chosen.runs)
    if len(groups) < 2:
        return
    old_links.renamed("metric", old_links.METRICS)
    names = data.once(("experiments", chosen.key), lambda: charts.experiment_labels(groups, chosen.among))
    by_id = {group.first["run_id"]: group for group in groups}
    st.subheader("Gain over a baseline", anchor=False)
    if st.session_state.get("baseline") not in by_id:
        st.session_state["baseline"] = next(iter(by_id))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        base = by_id[st.selectbox("Baseline", list(by_id), format_func=names.__getitem__, key="baseline", bind="query-params", width=260)]
        metric = st.selectbox(
            "Of", charts.DIFFERENCES, format_func=lambda name: MEASURES[name].label, key="metric", bind="query-params", width=260
        )
    alike = [group for group in groups if _data_of(group) == _data_of(base)]
    if len(alike) > 1:
        playback.chart(
            "differences",
            (chosen.key, base.first["run_id"], metric),
            lambda frames: charts.differences(metric, alike, base, frames.megabatches, revision=chosen.revision, among=chosen.among),
            data,
            ("megabatches",),
            alt="Curves: difference of each experiment from the baseline after each megabatch, with 95 % intervals",
            legend=False,
        )
    if len(alike) < len(groups):
        others = ", ".join(plain(names[group.first["run_id"]]) for group in groups if group not in alike)
        st.caption(f"Of another network or other data, so not set against {plain(names[base.first['run_id']])}: {others}.")
    if max(len(group.runs) for group in groups) < 2:
        st.caption("One seed each: a difference of one pair of runs has no interval. An ablation over three or more seeds gives one.")


def _data_of(group: Repeats) -> list[Any]:
    return [group.first["config"].get(name) for name in ("arch", "dataset")]


def numbers(runs: Runs, data: tables.Frames) -> None:
    """The final numbers of each experiment, with the best marked where it is significant, then of each run."""
    st.subheader("Numbers", anchor=False)
    groups = grouped(runs)
    if max(len(group.runs) for group in groups) > 1:
        _of_experiments(groups, data)
    _of_runs(runs, data)
    paper_table.popover("paper", lambda: paper_table.of_experiments(groups, data.megabatches))
    if len(runs) > 1 and len(groups) == len(runs):
        st.caption("One seed each: such differences may be luck, so no number is marked as the best.")


def _of_experiments(groups: Sequence[Repeats], data: tables.Frames) -> None:
    st.dataframe(
        data.once("summary", lambda: cells(charts.summary_table(groups, data.megabatches))),
        hide_index=True,
        alt="Mean and standard deviation over seeds of the last numbers of each experiment",
    )
    st.caption("Mean ± standard deviation over the seeds that are done. ★ best: ahead of every other seed by seed, with 95 % confidence.")


def _of_runs(runs: Runs, data: tables.Frames) -> None:
    table = data.once("final", lambda: charts.final_table(runs, data.megabatches))
    st.dataframe(
        data.once("final as text", lambda: cells(table)),
        hide_index=True,
        alt="Final numbers of each run",
        placeholder="–",
        column_config={"run": "Run", "megabatches": "Megabatches"} | number_columns.columns(table),
    )
