"""The parts of the What if page: requesting scores, the answer in words and numbers, and the figures. Only computes on sketches."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from appcore.analysis import what_if
from appcore.analysis.measures import MEASURES, fraction_kept
from appcore.analysis.what_if import Answer, Density
from appcore.charts import what_if as what_if_charts
from appcore.charts.masks import mask_words
from appcore.names import display

from ..app import page
from ..widgets import live_chart, projector
from ..words import number_columns
from ..words.text import cells, harmless
from .choose import Source

_NOT_YET = ("waiting", "scoring")
_PROJECTED, _NAMED = 288, 7  # pixels, before a projector enlarges them, and the names of layers that stand in them


def ask(source: Source, criteria: list[str], granularity: str) -> dict[str, dict[str, Any]]:
    """Request the scores of each criterion; returns their states."""
    found = {}
    for criterion in criteria:
        try:
            found[criterion] = page.manager().scores(source.config, source.run_id, criterion, granularity)
        except ValueError as error:
            found[criterion] = {"state": "failed", "error": str(error), "key": ""}
    return found


def is_waiting(found: Mapping[str, dict[str, Any]]) -> bool:
    """Whether any scores are still being computed."""
    return any(reply["state"] in _NOT_YET for reply in found.values())


def progress(found: Mapping[str, dict[str, Any]]) -> None:
    """Show what is being computed, and what failed."""
    for criterion, reply in found.items():
        name = harmless(display(criterion))
        if reply["state"] == "scoring":
            st.markdown(
                f":blue-badge[:material/hourglass_top: Scoring] {name}, {reply['seconds']:.0f} s so far; the page goes on by itself."
            )
        elif reply["state"] == "waiting":
            st.markdown(f":gray-badge[:material/schedule: Waiting] {name}: scores are computed one criterion after the other.")
        elif reply["state"] == "failed":
            with st.container(horizontal=True, vertical_alignment="center"):
                st.error(f"{name}: {harmless(reply['error'])}", icon=":material/error:")
                if reply["key"]:
                    st.button("Try again", key=f"again-{criterion}", on_click=page.manager().forget_scores, args=(reply["key"],))


def answer(sketches: Mapping[str, Any], density: Density, scope: str, exempt: list[str]) -> tuple[dict[str, Answer], float]:
    """What each criterion keeps, and the milliseconds that computing this took."""
    start = time.perf_counter()
    found = {name: what_if.answer(sketch, density, scope, exempt) for name, sketch in sketches.items()}
    return found, 1000 * (time.perf_counter() - start)


def falls(found: Mapping[str, dict[str, Any]], density: Density, scope: str, exempt: list[str]) -> dict[str, pd.DataFrame]:
    """The density at which each layer runs empty; independent of the chosen density, so it is cached while the slider moves. Where each
    layer has a density of its own none does."""
    if isinstance(density, Mapping):
        return {name: pd.DataFrame(columns=["layer", "kept", "density", "place"]) for name in found}
    memo = st.session_state.setdefault("_falls", {})
    wanted = {name: (reply["key"], scope, tuple(exempt)) for name, reply in found.items()}
    kept = {key: memo.get(key) for key in wanted.values()}
    for name, key in wanted.items():
        if kept[key] is None:
            kept[key] = what_if.deaths(found[name]["sketch"], scope, exempt)
    st.session_state["_falls"] = kept
    return {name: kept[key] for name, key in wanted.items()}


def in_words(answers: Mapping[str, Answer], deaths: Mapping[str, pd.DataFrame], flops: Density | None) -> None:
    """A sentence on the layers that would be empty by each criterion, or else on the first to become so. `flops`: the share of the FLOPs,
    where that was asked for."""
    lines = []
    for name, found in answers.items():
        if flops is not None:
            share = _fine(_removed(found))
            lines.append(f"{harmless(display(name))} keeps {found.keep:,} of {found.total:,} prunable weights: {share} sparsity.")
        empty = found.layers.loc[(found.layers["kept"] == 0) & (found.layers["total"] > 0), "layer"].tolist()
        fall = deaths[name]
        if empty:
            lines.append(f"**{harmless(display(name))} would leave nothing of {mask_words.listed(empty)}.**")
        elif len(fall):
            first = fall.iloc[0]
            who = mask_words.listed([first["layer"]])
            below = _fine(first["density"])
            lines.append(f"{harmless(display(name))}: every layer keeps some; the first to run empty is {who}, below {below} kept in all.")
    one = next(iter(answers.values()))
    if isinstance(flops, float):
        head = f"At most {_fine(flops)} of the FLOPs would be left"
    else:
        head = f"{one.keep:,} of {one.total:,} prunable weights would be kept: {_fine(_removed(one))} sparsity"
    with st.container(border=True, key="answer"):
        st.markdown(f"#### {head}")
        if lines:
            st.markdown("  \n".join(lines))


def _removed(found: Answer) -> float:
    """Sparsity."""
    return 1 - found.keep / max(found.total, 1)


def _fine(fraction: float) -> str:
    """A percentage with as many digits as it needs: 63.4 %, 99.98 %, 0.013 %."""
    percent = 100 * fraction
    digits = 1 if 1 <= percent <= 99 else 2 if 0.1 <= percent <= 99.9 else 3
    return f"{percent:.{digits}f}\u00a0%"


def numbers(sketches: Mapping[str, Any], answers: Mapping[str, Answer], deaths: Mapping[str, pd.DataFrame], granularity: str) -> None:
    """A table of the criteria: FLOPs, bytes, layers that run empty."""
    rows = []
    for name, found in answers.items():
        cost, fall = what_if.costs(sketches[name], found), deaths[name]
        shares = fraction_kept(found.layers)[~found.layers["exempt"]]
        rows.append(
            {
                "criterion": display(name),
                "forward_flops_share": cost["flops"] / cost["flops_dense"],
                "forward_flops": cost["flops"],
                "size": cost["bytes"],
                "least_kept": shares.min(),
                "empty_layers": (found.layers["kept"] == 0).sum(),
                "first": mask_words.short(fall["layer"].iloc[0]) if len(fall) else "",
                "first_empty_sparsity": 1 - fall["density"].iloc[0] if len(fall) else math.nan,
            }
        )
    table = pd.DataFrame(rows)
    measured = number_columns.columns(table)
    st.subheader("Criteria side by side", anchor=False)
    st.dataframe(
        cells(table.assign(**{name: MEASURES[name].shown(table[name].astype(float)) for name in measured})),
        hide_index=True,
        alt="FLOPs, bytes and first layer to run empty for each criterion",
        placeholder="–",
        column_config={"criterion": "Criterion", "first": "First to run empty"} | measured,
    )
    dense = (
        f"Dense: {MEASURES['forward_flops'].text(cost['flops_dense'] / 1e6)} MFLOP, {MEASURES['size'].text(cost['bytes_dense'] / 1e6)} MB."
    )
    saved = (
        "Filters and channels save time once the network is shrunk, which Export measures"
        if granularity in ("filter", "channel")
        else "This sparsity saves bytes; it saves no time on today's GPUs"
    )
    st.caption(f"{harmless(dense)} {harmless(saved)}. FLOPs are theoretical.")


def figures(sketches: Mapping[str, Any], answers: Mapping[str, Answer], deaths: Mapping[str, pd.DataFrame], asked: tuple) -> None:
    """The figures: share kept of each layer, and the order in which layers run empty, where they do."""
    densities = {name: found.keep / max(found.total, 1) for name, found in answers.items()}
    charts, below = st.container(), st.container()
    with below if projector.is_on() else charts:
        logarithmic = st.toggle("Logarithmic shares", key="log", bind="query-params", help="Tells small shares apart")
    token = (*asked, tuple(sketches), logarithmic, projector.is_on())
    with charts, live_chart.grid(2):
        live_chart.chart(
            "what-is-left",
            token,
            lambda: _low(what_if_charts.kept(answers, logarithmic=logarithmic)),
            alt="Marks: share kept of each layer, one mark per criterion",
        )
        if not any(map(len, deaths.values())):
            return
        live_chart.chart(
            "first-to-die",
            token,
            lambda: _low(what_if_charts.first_to_die(deaths, densities)),
            alt="Marks: density at which each layer loses its last weight",
        )


def _low(figure: go.Figure) -> go.Figure:
    """On a projector no higher than what is left of the picture below the controls, with as many names of rows as that has room for."""
    if not projector.is_on():
        return figure
    rows = figure.layout.yaxis
    every = -(-len(rows.tickvals) // _NAMED)
    figure.update_yaxes(tickvals=rows.tickvals[::every], ticktext=rows.ticktext[::every])
    return figure.update_layout(height=min(int(figure.layout.height), _PROJECTED))


def scores(sketches: Mapping[str, Any], answers: Mapping[str, Answer], asked: tuple) -> None:
    """The histogram of one criterion, in all layers or in one."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = list(sketches)
        criterion = st.selectbox("Scores by", names, format_func=display, key="scores_by", width=220) or names[0]
        found = answers[criterion]
        short = {name.removesuffix(".weight"): name for name in found.layers["layer"]}
        where = st.selectbox("In", ["all layers", *short], key="layer", bind="query-params", width=260)
    layer = short.get(where)
    bins = what_if.histogram(sketches[criterion], found, layer)
    threshold = found.threshold
    if layer and found.layers.set_index("layer").loc[layer, "exempt"]:
        threshold = None
    live_chart.chart(
        "score-histogram",
        (*asked, criterion, where),
        lambda: what_if_charts.score_histogram(bins, threshold, criterion, where),
        alt="Bars: how many weights have which score, kept and pruned, with the threshold",
    )
