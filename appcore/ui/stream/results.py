"""The second half of the Stream page: what runs achieved for their cost. Cumulative errors, anytime relative error, Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from appcore.analysis import anytime
from appcore.analysis.measures import MEASURES, lower
from appcore.charts import cost_and_benefit
from appcore.names import counted, display

from ..app import page, tables
from ..widgets import live_chart, run_picker, run_rail
from ..words import format

Runs = Sequence[dict[str, Any]]


def rail(runs: Runs, data: tables.Frames) -> None:
    """The picked runs with the CER of each."""
    ends = data.once("cer", lambda: data.megabatches.groupby("run_id")["cer"].last().to_dict())
    run_rail.show(runs, data, {run_id: f"{MEASURES['cer'].label} {format.count(value)}" for run_id, value in ends.items()})


def on_the_way(runs: Runs, among: Runs, data: tables.Frames) -> None:
    """Errors over the stream and their change, for those of the picked runs (`among`) that are in sight."""
    ends = data.megabatches
    if ends.empty:
        st.markdown("**No megabatch is finished yet.** The errors appear here by themselves after the first one.")
        return
    revision = ",".join(run["run_id"] for run in among)
    token = (tuple(run["run_id"] for run in runs), revision, data.token("megabatches"))
    changes = relative(ends)
    with live_chart.grid(2, live_chart.NARROW):
        live_chart.chart(
            "error-area",
            token,
            lambda: cost_and_benefit.error_area(runs, ends, revision=revision, among=among),
            alt="Steps: wrong test images after each megabatch; the area below is the CER",
            legend=False,
        )
        if changes.empty:
            st.markdown(
                "**Does each new megabatch still help?**  \nThat is seen from the second megabatch on: "
                + ("these runs have one each." if all(run["config"]["megabatches"] == 1 for run in runs) else "none is finished yet.")
            )
            return
        live_chart.chart(
            "relative-errors",
            token,
            lambda: cost_and_benefit.relative_errors(runs, changes, revision=revision, among=among),
            alt="Curves: change of the test error from one megabatch to the next",
            legend=False,
        )


def relative(ends: pd.DataFrame) -> pd.DataFrame:
    """Anytime relative error of each run: columns run_id, megabatch (from 0; the first has none), change (a fraction)."""
    rows = []
    for run_id, mine in ends.sort_values("megabatch").groupby("run_id"):
        changes = anytime.anytime_relative_errors(mine["test_errors"].tolist(), int(mine["test_images"].iloc[0]))
        rows += [{"run_id": run_id, "megabatch": int(t), "change": value} for t, value in zip(mine["megabatch"].iloc[1:], changes)]
    return pd.DataFrame(rows, columns=["run_id", "megabatch", "change"])


def _kind(run: dict[str, Any]) -> str:
    """A key for runs with comparable accuracies: one data set, test sets of one size."""
    config = run["config"]
    limit = f", {counted(config['limit_test'], 'test image')}" if config.get("limit_test") else ""
    return f"{display(run['dataset'])}{limit}"


def front(everything: Runs, picked: Sequence[str]) -> None:
    """Accuracy against compute over all finished runs of the store on one data set."""
    st.subheader("All finished runs", anchor=False)
    done = [run for run in everything if run["status"] == "done" and not run.get("archived")]
    if not done:
        st.markdown("**No run is finished yet.** Each finished run becomes a point of accuracy against compute here.")
        return
    kinds: dict[str, list[dict[str, Any]]] = {}
    for run in done:
        kinds.setdefault(_kind(run), []).append(run)
    compute, kind = _axes(kinds, next((_kind(run) for run in done if run["run_id"] in picked), next(iter(kinds))))
    points = cost_and_benefit.worth(kinds[kind], page.store().megabatches([run["run_id"] for run in kinds[kind]], newest=True), compute)
    if points.empty:
        st.caption("The finished runs are of versions that did not record this.")
        return
    uncounted = 0 if compute == "seconds" else len(kinds[kind]) - len(points)
    live_chart.chart(
        "pareto",
        (kind, compute, tuple(picked), tuple(points["run_id"])),
        lambda: cost_and_benefit.pareto(points, compute, picked, revision=f"{kind}{compute}"),
        alt="Marks: final test accuracy against compute, one mark for each finished run, and the front",
    )
    st.caption(
        _words(points, compute) + (f" Left out, since they counted training alone: {uncounted} of earlier versions." if uncounted else "")
    )


def _axes(kinds: Mapping[str, Runs], first: str) -> tuple[str, str]:
    """The choice of compute measure and data, both in the address."""
    asked = st.query_params.get("compute", "dense"), _named(st.query_params.get("data", first))
    st.session_state["stream_compute"] = asked[0] if asked[0] in cost_and_benefit.COMPUTE else "dense"
    st.session_state["stream_data"] = asked[1] if asked[1] in kinds else first
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control(
            "Compute",
            list(cost_and_benefit.COMPUTE),
            format_func=lambda name: cost_and_benefit.COMPUTE[name].short,
            key="stream_compute",
            on_change=_chosen,
            args=("compute",),
            required=True,
        )
        if len(kinds) > 1:
            st.selectbox(
                "Data set",
                list(kinds),
                format_func=lambda name: f"{name} · {counted(len(kinds[name]), 'run')}",
                key="stream_data",
                on_change=_chosen,
                args=("data",),
                width=340,
            )
    return st.session_state["stream_compute"], st.session_state["stream_data"]


def _named(kind: str) -> str:
    """The present display name of a kind; previous links had the data set's own name."""
    name, comma, limit = kind.partition(",")
    return f"{display(name)}{comma}{limit}"


def _chosen(name: str) -> None:
    st.query_params[name] = st.session_state[f"stream_{name}"]


def _words(points: pd.DataFrame, compute: str) -> str:
    best = points[points["is_front"]].sort_values("compute")
    cheap, good = best.iloc[0], best.iloc[-1]
    noun = lower(cost_and_benefit.COMPUTE[compute].short)
    text = "A mark is one run: differences smaller than the spread over seeds say nothing. "
    if compute == "sparse":
        text += "Sparse FLOPs are what zeros could save, not what this machine saved. "
    if cheap["run_id"] == good["run_id"]:
        return text + "One run is both the cheapest of the front and the most accurate."
    times = good["compute"] / cheap["compute"]
    return (
        text
        + f"From {format.percent(cheap['accuracy'])} to {format.percent(good['accuracy'])} the front costs {times:.1f} times the {noun}."
    )


def pick(everything: dict[str, dict[str, Any]]) -> Runs:
    """The runs of the first two figures: those of ?runs=, as on Compare; by themselves runs of several megabatches."""
    return [everything[run_id] for run_id in run_picker.pick(everything, lambda run: run["config"]["megabatches"] > 1)]
