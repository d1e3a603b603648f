"""The layers of two runs at one megabatch or round: shares kept, their difference, overlap of the masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from appcore import charts, plugins
from appcore.charts.masks import mask_words
from appcore.charts.playback.moments import Moments
from appcore.planning import stages

from ..app import mask_data, tables
from ..widgets import live_chart, playback
from ..words import run_status
from ..words.text import harmless
from .chosen import Chosen

Run = dict[str, Any]
Runs = Sequence[Run]
KEY = "megabatch"


def _pick_megabatch(chosen: Chosen, data: tables.Frames) -> int:
    """The megabatch or round (from 0) whose layers are shown: chosen with the slider, or the newest that all runs have reached, as they
    are played.

    Of finished runs the last one is shown first: that is what the headlines speak of.
    """
    word, count = chosen.word, len(chosen.places)
    first = int(word != "round")  # the dense network is round 0
    if count < 2:
        return 0
    newest = data.once(("reached", chosen.key), partial(_newest, chosen, data)) if len(data.layers) else None
    if data.at is not None:
        return _reached(chosen, data)
    if KEY not in st.session_state and KEY not in st.query_params and newest is not None:
        st.session_state[KEY] = int(newest.max()) + first
    st.session_state[KEY] = min(st.session_state[KEY], count - 1 + first) if KEY in st.session_state else first
    is_live = any(run_status.is_active(run) for run in chosen.runs)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        follows = is_live and st.toggle("Follow the newest", value=True, key="follow", width=180)
        if follows and newest is not None:
            st.session_state[KEY] = int(newest.min()) + first
        last = count - 1 + first
        at = st.slider(harmless(word.capitalize()), first, last, key=KEY, bind="query-params", disabled=follows, width="stretch")
    return at - first


def _reached(chosen: Chosen, data: tables.Frames) -> int:
    """The newest megabatch or round by a moment that all runs have reached which go on after it; the last one where none does."""
    ends, now = (one.once(("reached", chosen.key), partial(_newest, chosen, one)) for one in (data.whole, data))
    now = now.reindex(ends.index, fill_value=0)
    going_on = now[now < ends]
    return int(going_on.min() if len(going_on) else now.max()) if len(now) else 0


def _newest(chosen: Chosen, data: tables.Frames) -> pd.Series:
    return charts.reached(data.layers, chosen.among)


def moment_of_link(chosen: Chosen, data: tables.Frames, known: Moments) -> int | None:
    """The end of the megabatch or round that a link of before playback names."""
    with suppress(KeyError, ValueError):
        at = int(st.query_params[KEY]) - int(chosen.word != "round")
        by_then = np.zeros(len(data.epochs), dtype=bool)
        for run in chosen.among:
            mine = data.epochs["run_id"] == run["run_id"]
            rows = data.epochs[mine]
            by_then[mine] = (rows["megabatch"] if chosen.word == "megabatch" else stages.of_run(run).of(rows)) <= at
        return known.with_all("epochs", by_then) if at >= 0 else None
    return None


def show(chosen: Chosen, data: tables.Frames) -> None:
    """All figures of layers; none for a single run."""
    if len(chosen.runs) < 2:
        return
    st.subheader("Layer by layer", anchor=False)
    megabatch = _pick_megabatch(chosen, data)
    by_id = {run["run_id"]: run for run in chosen.runs}
    first, second = by_id[chosen.pair[0]], by_id[chosen.pair[1]]
    everything = data.whole  # so that every figure has its place from the start
    networks = everything.once(("networks", chosen.key), lambda: charts.networks(everything.layers, chosen.runs))
    if not any({first["run_id"], second["run_id"]} <= {run["run_id"] for run in alike} for alike in networks):
        st.markdown(f":gray[:material/info: {harmless(_not_side_by_side(first, second, networks))}]")
    else:
        _pair(first, second, megabatch, chosen, data)
    _everyone(networks, megabatch, chosen, data)


def _not_side_by_side(first: Run, second: Run, networks: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    known = {run["run_id"] for alike in networks for run in alike}
    if not {first["run_id"], second["run_id"]} <= known:
        return "The layers of the two are set side by side when both have passed a prune point."
    one, other = _names(first, second)
    return f"{one} and {other} are different networks: their layers are not set side by side. Choose two of one network above."


def _pair(first: Run, second: Run, megabatch: int, chosen: Chosen, data: tables.Frames) -> None:
    """The two chosen runs: shares, differences and overlap of each layer."""
    pair = chosen.pair
    both, token = ",".join(pair), (chosen.key, pair, megabatch)
    common, everything = (shared_snapshots(first, second, frames, chosen.word) for frames in (data, data.whole))
    with live_chart.grid(3 if everything and not mask_words.chaotic(first, second) else 2, 265):
        playback.chart(
            "mirrored",
            token,
            lambda frames: charts.mirrored(frames.layers_of(pair), first, second, megabatch, revision=both, among=chosen.among),
            data,
            ("layers",),
            alt="Bars back to back: share that each of the two runs keeps of each layer",
        )
        playback.chart(
            "difference-map",
            token,
            lambda frames: charts.difference_map(frames.layers_of(pair), first, second, megabatch, revision=both, among=chosen.among),
            data,
            ("layers",),
            alt="Heatmap: difference of the shares kept, by layer and megabatch",
        )
        words = _same_weights(first, second, common, megabatch, chosen, data)
    st.markdown(words)


def _everyone(networks: Sequence[Sequence[Mapping[str, Any]]], megabatch: int, chosen: Chosen, data: tables.Frames) -> None:
    """All runs, with a chart for each network: layers of different networks are not one another's."""
    if len(chosen.runs) == 2 and len(networks) < 2:
        return  # the pair says it all
    with live_chart.grid(min(2, max(1, len(networks))), live_chart.NARROW):
        for place, alike in enumerate(networks):
            name = charts.network_name(alike) if len(networks) > 1 else ""
            playback.chart(
                f"kept-by-layer-{place}" if place else "kept-by-layer",
                (chosen.key, name, megabatch),
                partial(_kept, alike, megabatch, name, chosen),
                data,
                ("layers",),
                alt=f"Marks: share kept of each layer {name and 'of '}{name}, one mark per run",
                legend=False,
            )


def _kept(alike: Sequence[Mapping[str, Any]], megabatch: int, network: str, chosen: Chosen, frames: tables.Frames) -> go.Figure:
    return charts.kept_by_layer(frames.layers, alike, megabatch, revision=chosen.revision, among=chosen.among, network=network)


def shared_snapshots(first: Run, second: Run, data: tables.Frames, word: str) -> dict[int, tuple[str, str]]:
    """Megabatches or rounds (from 0), as the `word` says, at whose end both runs have a stored mask, and the two files."""
    one, other = (data.once(("snapshots", run["run_id"]), partial(mask_data.snapshots, run, data)) for run in (first, second))
    files, others = mask_data.at_ends(one, word), mask_data.at_ends(other, word)
    return {t: (files[t], others[t]) for t in sorted(files.keys() & others.keys())}


def _same_weights(first: Run, second: Run, common: dict[int, tuple[str, str]], megabatch: int, chosen: Chosen, data: tables.Frames) -> str:
    """Whether equal shares mean the same weights: by layer as a figure, over all layers as a sentence (Markdown)."""
    if not common:
        if not (plugins.prunes(first["method"]) and plugins.prunes(second["method"])):
            return ":gray[:material/info: A dense run keeps every weight; there are no masks to lay upon each other.]"
        return ":gray[:material/info: Whether the two keep the same weights shows here once both have stored masks on this machine.]"
    if why_not := mask_words.chaotic(first, second):
        return f":gray[:material/info: {why_not}]"
    at = max([t for t in common if t <= megabatch], default=min(common))
    try:
        iou, chance, layers, of_layers, chance_of_layers = mask_data.alike(*common[at])
    except (ValueError, OSError) as error:  # other layers, a damaged file, or a run that was deleted meanwhile
        return f":gray[:material/info: {harmless(str(error)[0].upper() + str(error)[1:])}.]"
    names = data.once(("names", first["run_id"], second["run_id"]), partial(_names, first, second))
    live_chart.chart(
        "same-by-layer",
        (first["run_id"], second["run_id"], at),
        lambda: charts.overlap_by_layer(layers, of_layers, chance_of_layers, names, revision=f"{first['run_id']},{second['run_id']}"),
        alt="Marks: overlap of the two masks in each layer versus the random baseline",
        legend=False,
    )
    return harmless(mask_words.alike(iou, chance, f"At {stages.in_words(chosen.places[at], chosen.word)}, {names[0]}", names[1]))


def same_weights_over_time(chosen: Chosen, data: tables.Frames) -> None:
    """The same over the stream, for all layers together."""
    by_id, pair = {run["run_id"]: run for run in chosen.runs}, chosen.pair
    first, second = by_id[pair[0]], by_id[pair[1]]
    is_shown = len(chosen.runs) > 1 and not mask_words.chaotic(first, second)
    common = shared_snapshots(first, second, data, chosen.word) if is_shown else {}
    with suppress(ValueError, OSError):  # said above, at the layers
        found = [mask_data.alike(*files) for files in common.values()]
        if found:
            iou, chance = [both[0] for both in found], [both[1] for both in found]
            axis = stages.named(chosen.places)
            live_chart.chart(
                "same-weights",
                (pair, tuple(common)),
                lambda: charts.same_weights(list(common), iou, chance, _names(first, second), axis, revision=",".join(pair)),
                alt="Curves: overlap of the two masks after each megabatch versus the random baseline",
                legend=False,
            )


def _names(first: Run, second: Run) -> tuple[str, str]:
    looks = charts.looks([first, second])
    return looks[first["run_id"]].label, looks[second["run_id"]].label
