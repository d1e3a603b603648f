"""The parts of the Masks page: the answer in words, all layers, over time, two runs, one layer."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from appcore.analysis import mask_history
from appcore.charts.masks import mask_history as history_charts
from appcore.charts.masks import mask_layers as layer_charts
from appcore.charts.masks import mask_one_layer, mask_words

from ..app import mask_data, tables
from ..widgets import layer_view, live_chart, network_drawing
from ..words.text import harmless
from .choose import Side

_SHORT = 9  # layers of which a figure with a row for each is as high as others


def answer(side: Side, at: int, data: tables.Frames) -> pd.DataFrame:
    """One snapshot in sentences; returns the changes since the previous one, by layer."""
    now, run_id = side.snapshots[at], side.run["run_id"]
    bits, shapes = mask_data.packed(now.path)
    before = mask_data.packed(side.snapshots[at - 1].path)[0] if at else None
    changes = mask_history.changes(before, bits, mask_data.totals(shapes))
    _, empty, filters = mask_data.strips(now.path)
    alive = mask_data.alive(run_id, now.segment, data.layers)
    found = mask_words.collapse(
        changes,
        dict(zip(bits, zip(empty, filters))),
        dict(zip(alive["layer"], alive["alive"])),
        mask_data.dead_channels(run_id, now.segment, data.prunes),
    )
    words = now.words[0].upper() + now.words[1:]
    with st.container(border=True, key="answer"):
        st.markdown(f"#### {words}: {mask_words.headline(changes)}")
        st.markdown("  \n".join(found))
    return changes


def all_layers(side: Side, at: int, changes: pd.DataFrame, data: tables.Frames) -> None:
    """Strips of filters, weights removed and brought back, alive or not."""
    now, run_id = side.snapshots[at], side.run["run_id"]
    names, token = changes["layer"].tolist(), (run_id, now.segment)
    strips, empty, filters = mask_data.strips(now.path)
    since = side.snapshots[at - 1].words if at else "the dense network"
    counted = mask_data.alive(run_id, now.segment, data.layers)
    with live_chart.grid(3, 340):
        live_chart.chart(
            "filter-strips",
            token,
            lambda: layer_charts.filter_strips(names, strips, empty, filters, revision=run_id),
            alt="Heatmap: share kept of the filters of each layer, sorted",
        )
        live_chart.chart(
            "moves",
            token,
            lambda: layer_charts.moves(changes, since, revision=run_id),
            alt="Bars: weights removed and brought back in each layer since the previous snapshot",
        )
        live_chart.chart(
            "alive",
            (*token, len(counted)),
            lambda: layer_charts.alive(counted, revision=run_id),
            alt="Marks: kept and alive share of each layer",
        )


def over_time(side: Side, at: int, other: Side | None, other_at: int) -> None:
    """Survival, and the overlap of all pairs of snapshots versus the random baseline."""
    st.subheader("Over time", anchor=False)
    some, place = side.thinned(at)
    if len(some) < len(side.snapshots):
        st.caption(f"Shown are {len(some)} of {len(side.snapshots)} snapshots, evenly spread; each pair is counted exactly.")
    found, run_id = mask_data.shared([snapshot.path for snapshot in some]), side.run["run_id"]
    labels = [snapshot.short for snapshot in some]
    token: tuple[Any, ...] = (run_id, len(side.snapshots), place)
    since = _since(place, len(some))
    curves = [_survival(side, labels, found, since)]
    if other:
        theirs, there = other.thinned(other_at)
        ours = mask_data.shared([snapshot.path for snapshot in theirs])
        curves.append(_survival(other, [snapshot.short for snapshot in theirs], ours, _since(there, len(theirs))))
        token = (*token, other.run["run_id"], len(other.snapshots), there)
    why_not = mask_words.chaotic(side.run)
    with live_chart.grid(1 if why_not else 3, 340):
        live_chart.chart(
            "survival",
            token,
            lambda: history_charts.survival(curves, some[since].words, revision=run_id),
            alt="Curves: share of the weights kept in a snapshot that the others keep",
        )
        if not why_not:
            _overlaps("overlap", token, found.overlap(), labels, labels, (place, place), None, run_id)
    if why_not and other is None:  # else it stands below, between the two runs
        st.caption(f":material/info: {harmless(why_not)}")


def _since(place: int, count: int) -> int:
    """The snapshot whose weights are followed: the chosen one, or the first where the last is chosen, after which nothing comes."""
    return 0 if place == count - 1 else place


def _survival(side: Side, labels: list[str], found: mask_history.Shared, place: int) -> history_charts.Survival:
    return history_charts.Survival(side.look, labels, found.survival()[place], found.survival_of_layers(place), found.layers)


def _overlaps(key: str, token: tuple, found: tuple, rows: list, columns: list, chosen: tuple, names: tuple | None, revision: str) -> None:
    for kind, values, by_chance in (("found", found[0], False), ("chance", found[1], True)):
        live_chart.chart(
            f"{key}-{kind}",
            token,
            partial(history_charts.overlap, values, rows, columns, chosen, by_chance=by_chance, names=names, revision=revision),
            alt=f"Heatmap: overlap of two mask snapshots, {'the random baseline' if by_chance else 'as found'}",
        )


def two_runs(side: Side, at: int, other: Side, other_at: int) -> None:
    """Overlap between two runs, over all snapshots and layer by layer at the chosen one."""
    st.subheader("Between the two runs", anchor=False)
    if why_not := mask_words.chaotic(side.run, other.run):
        st.caption(f":material/info: {harmless(why_not)}")
        return
    (some, i), (theirs, j) = side.thinned(at), other.thinned(other_at)
    try:
        found = mask_data.shared([snapshot.path for snapshot in some], [snapshot.path for snapshot in theirs])
    except ValueError as error:
        st.caption(f":material/info: {harmless(str(error)[0].upper() + str(error)[1:])}.")
        return
    iou, chance = found.overlap()
    names = (side.look.label, other.look.label)
    at_one, at_other = (f"{name} ({snapshot.words})" for name, snapshot in zip(names, (some[i], theirs[j])))
    st.markdown(harmless(mask_words.alike(iou[i, j], chance[i, j], at_one, at_other)))
    both = f"{side.run['run_id']},{other.run['run_id']}"
    token = (both, len(side.snapshots), len(other.snapshots), i, j)
    rows, columns = [snapshot.short for snapshot in some], [snapshot.short for snapshot in theirs]
    by_layer = found.overlap_of_layers(i, j)
    is_tall = len(found.layers) > _SHORT
    beside = st.columns(2, gap="medium") if is_tall else [live_chart.grid(3, 340)] * 2  # a tall one stands beside two above each other
    with beside[0]:
        _overlaps("between", token, (iou, chance), rows, columns, (i, j), names, both)
    with beside[1]:
        live_chart.chart(
            "overlap-by-layer",
            token,
            lambda: history_charts.overlap_by_layer(found.layers, *by_layer, names, revision=both),
            alt="Marks: overlap of the two masks in each layer versus the random baseline",
        )


def network(side: Side, at: int, data: tables.Frames) -> str:
    """The drawing of the network beside the kernels of one of its layers; a click there opens another. Returns the name of the layer."""
    now, run_id = side.snapshots[at], side.run["run_id"]
    _, shapes = mask_data.packed(now.path)
    named = {name.removesuffix(".weight"): name for name in shapes}
    if st.session_state.get("layer") not in named:
        asked = st.query_params.get("layer", "")
        st.session_state["layer"] = asked if asked in named else list(named)[len(named) // 2]
    left, right = st.columns([6, 5], gap="medium")
    with right:
        st.subheader("Inside a layer", anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            layer = named[st.selectbox("Layer", list(named), key="layer", width=240, on_change=_chosen)]
            parts = layer_view.windows(shapes[layer])
        before = side.snapshots[at - 1].path if at else None
        layer_view.kernels(layer, before, now.path, parts, (run_id, len(side.snapshots)), run_id)
    with left:
        st.subheader("The network", anchor=False)
        counted, dead = mask_data.alive(run_id, now.segment, data.layers), mask_data.collapsed(run_id, now.segment, data.prunes)
        network_drawing.show(
            "network",
            side.run["started"] or {},
            lambda: network_drawing.left_of(side.run["started"] or {}, counted, dead),
            (run_id, now.segment, len(counted)),
            chosen=layer,
            on_pick=_picked,
        )
    return layer


def _picked(name: str) -> None:
    st.session_state["layer"] = name.removesuffix(".weight")
    _chosen()


def _chosen() -> None:
    st.query_params["layer"] = st.session_state["layer"]


def filters_over_time(side: Side, at: int, layer: str) -> None:
    """The filters of one layer over all snapshots."""
    some, place = side.thinned(at)
    run_id = side.run["run_id"]
    shares, labels = mask_data.filters(tuple(snapshot.path for snapshot in some), layer), [snapshot.short for snapshot in some]
    live_chart.chart(
        "filters",
        (run_id, layer, len(side.snapshots), side.snapshots[at].segment),
        lambda: mask_one_layer.filters_over_time(layer, shares, labels, place, revision=f"{run_id} {layer}"),
        alt="Heatmap: share kept of each filter of the layer at each snapshot",
    )
