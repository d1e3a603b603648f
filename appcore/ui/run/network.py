"""The network of a run on its page: the drawing with what is left of each layer, live, and beside it what was picked."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from appcore.analysis import network_graph
from appcore.analysis.network_graph import Left
from appcore.charts import View
from appcore.planning import stages

from ..app import mask_data, page, tables
from ..widgets import image_answers, layer_view, network_drawing
from ..words.text import harmless, plain


def section(run: dict[str, Any], data: tables.Frames, view: View) -> None:
    """The drawing, and the layer that was clicked beside it."""
    started = run["started"]
    if not started or not started.get("layers"):
        return
    layer = st.session_state.get("_drawn_layer", {}).get(run["run_id"], "")
    point = data.once(("point", view.moment), lambda: _point(run, data.layers, view.moment))
    segment = -1 if point.empty else int(point["segment"].iloc[0])
    left, right = st.columns([6, 5], gap="medium")
    with left:
        st.subheader("The network: what is left of each layer?", anchor=False)
        network_drawing.show(
            "network",
            started,
            lambda: _left(run, data, point),
            (run["run_id"], data.token("layers", "prunes"), segment),
            chosen=layer,
            on_pick=partial(_pick, run["run_id"]),
        )
        st.caption(_legend(started))
    with right:
        if layer:
            _one_layer(run, data, segment, layer)
        else:
            image_answers.show(run, data, view.moment)


def _point(run: dict[str, Any], layers: pd.DataFrame, moment: int | None) -> pd.DataFrame:
    """The counts of the newest point of the run, or of the last one up to a stage."""
    rows = layers if moment is None else layers[stages.of_run(run).of(layers) <= moment]
    if rows.empty:
        return rows
    last = rows.iloc[-1]  # rows come in the order of segments, points and layers
    return rows[(rows["segment"] == last["segment"]) & (rows["point"] == last["point"]) & (rows["nth"] == last["nth"])]


def _left(run: dict[str, Any], data: tables.Frames, point: pd.DataFrame) -> dict[str, Left]:
    """What is left at a point. Dead filters are counted when masks are cut: they hold until the masks change."""
    cuts = data.prunes[data.prunes["segment"] <= (point["segment"].iloc[0] if len(point) else -1)]
    dead = None
    if len(cuts):
        alive = data.layers[data.layers["segment"] == cuts["segment"].iloc[-1]]
        if point["alive"].sum() == alive.iloc[-len(point) :]["alive"].sum():
            dead = mask_data.collapsed(run["run_id"], cuts["segment"].iloc[-1], data.prunes)
    return network_drawing.left_of(run["started"], point, dead)


def _one_layer(run: dict[str, Any], data: tables.Frames, segment: int, layer: str) -> None:
    """The kernels of the layer that was picked, in the newest mask or that of the chosen stage."""
    run_id = run["run_id"]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(f"Inside {plain(layer.removesuffix('.weight'))}", anchor=False)
        st.button("Close", icon=":material/close:", key="close_layer", type="tertiary", on_click=_pick, args=(run_id, ""))
    snapshots = [one for one in data.once("snapshots", lambda: mask_data.snapshots(run, data)) if one.segment <= segment]
    if layer not in {one["name"] for one in run["started"]["layers"]}:
        st.markdown("This layer is not pruned: all of its weights are kept.")
    elif not snapshots:
        st.markdown(
            "No mask of this run is on this machine yet: one is written at each prune point, and a run that came from another machine "
            "has them in its bundle."
        )
    else:
        now, before = snapshots[-1], snapshots[-2].path if len(snapshots) > 1 else None
        try:
            shapes = data.once(("shapes", now.path), lambda: mask_data.packed(now.path)[1])
        except ValueError as error:  # a damaged file, or a run that was deleted meanwhile
            st.error(harmless(str(error)), icon=":material/error:")
            return
        if layer in shapes:
            layer_view.kernels(layer, before, now.path, layer_view.windows(shapes[layer]), run_id, run_id)
        query = {"run": run_id, "layer": layer.removesuffix(".weight")}
        st.page_link(page.link("masks"), label="This layer over time, on Masks", icon=":material/grid_on:", query_params=query)


def _pick(run_id: str, name: str) -> None:
    st.session_state.setdefault("_drawn_layer", {})[run_id] = name


def _legend(started: dict[str, Any]) -> str:
    words = (
        "A box is a layer, from the images at the top to the classes below; its width grows with the square root of its weights. Blue: "
        "kept weights on a path from input to output; orange: kept, but on none; black, from the right: filters without a living weight. "
        "Lines beside the boxes lead past layers (shortcuts). Press a layer to see inside."
    )
    if not network_graph.is_drawn_whole(started):
        words += " The version that made this run did not record how layers are connected: they are drawn as a chain."
    return words
