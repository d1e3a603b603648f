"""The layers of two runs at one megabatch, which a slider or a timer moves: shares kept, their difference, the same weights or others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from appcore import charts
from appcore.charts import masks_words

from . import frames, live, mask_data, motion, status
from .text import harmless

Runs = Sequence[dict[str, Any]]
KEY = "megabatch"


def megabatches(runs: Runs) -> int:
    """The longest stream among the runs."""
    return max(run["config"]["megabatches"] for run in runs)


def _pick_megabatch(runs: Runs, data: frames.Frames) -> int:
    """The megabatch (from 0) whose layers are shown: chosen with the slider, played, or the newest that all runs have reached."""
    count = megabatches(runs)
    if count < 2:
        return 0
    is_live = any(status.is_active(run) for run in runs)
    motion.advance(count, KEY)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        if motion.button(count, KEY):
            st.rerun()
        follows = is_live and not motion.is_playing(KEY) and st.toggle("Follow the newest", value=True, key="follow", width=180)
        if follows and len(data.layers):
            st.session_state[KEY] = int(data.layers.groupby("run_id")["megabatch"].max().min()) + 1
        chosen = st.slider("Megabatch", 1, count, key=KEY, bind="query-params", disabled=follows, width="stretch")
    return chosen - 1


def show(runs: Runs, pair: tuple[str, str], data: frames.Frames) -> None:
    """Everything about layers; nothing for a single run."""
    if len(runs) < 2:
        return
    st.subheader("Layer by layer", anchor=False)
    megabatch = _pick_megabatch(runs, data)
    by_id = {run["run_id"]: run for run in runs}
    first, second = by_id[pair[0]], by_id[pair[1]]
    layers = data.layers[data.layers["run_id"].isin(pair)]
    both, token = ",".join(pair), (pair, megabatch, data.token("layers"))
    with st.grid(2, min_column_width=380, gap=("medium", "medium")):
        live.chart(
            "mirrored",
            token,
            lambda: charts.mirrored(layers, first, second, megabatch, revision=both),
            alt="Bars back to back: share that each of the two runs keeps of each layer",
        )
        live.chart(
            "difference-map",
            token,
            lambda: charts.difference_map(data.layers, first, second, megabatch, revision=both),
            alt="Heatmap: difference of the shares kept, by layer and megabatch",
        )
    if len(runs) > 2:
        everyone = ",".join(by_id)
        live.chart(
            "kept-by-layer",
            (everyone, *token),
            lambda: charts.kept_by_layer(data.layers, runs, megabatch, revision=everyone),
            alt="Marks: share kept of each layer, one mark per run",
        )
    _same_weights(first, second, megabatch, data)


def _same_weights(first: dict[str, Any], second: dict[str, Any], megabatch: int, data: frames.Frames) -> None:
    """Whether equal shares are equal weights: overlap of the stored masks beside chance, over the stream and layer by layer."""
    sides = [mask_data.at_megabatches(mask_data.moments(run, data)) for run in (first, second)]
    common = sorted(sides[0].keys() & sides[1].keys())
    looks = charts.looks([first, second])
    names = looks[first["run_id"]].label, looks[second["run_id"]].label
    if not common:
        idle = [run for run in (first, second) if run["method"] == "dense"]
        st.caption(
            ":material/info: A dense run keeps every weight; there are no masks to lay upon each other."
            if idle
            else ":material/info: Whether the two keep the same weights shows here once both have stored masks on this machine."
        )
        return
    at = max([t for t in common if t <= megabatch], default=common[0])
    try:
        found = {t: mask_data.alike(sides[0][t], sides[1][t]) for t in common}
    except (ValueError, OSError) as error:  # other layers, a damaged file, or a run that was deleted meanwhile
        st.caption(f":material/info: {harmless(str(error)[0].upper() + str(error)[1:])}.")
        return
    iou, chance, layers, of_layers, chance_of_layers = found[at]
    st.markdown(masks_words.alike(iou, chance, f"At megabatch {at + 1}, {names[0]}", names[1]))
    both = f"{first['run_id']},{second['run_id']}"
    with st.grid(2, min_column_width=380, gap=("medium", "medium")):
        live.chart(
            "same-by-layer",
            (both, at),
            lambda: charts.overlap_by_layer(layers, of_layers, chance_of_layers, names, revision=both),
            alt="Marks: overlap of the two masks in each layer beside chance",
        )
        live.chart(
            "same-weights",
            (both, tuple(common)),
            lambda: charts.same_weights(
                common, [found[t][0] for t in common], [found[t][1] for t in common], names, megabatches([first, second]), revision=both
            ),
            alt="Curves: overlap of the two masks after each megabatch beside chance",
        )
