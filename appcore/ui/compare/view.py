"""The parts of the Compare page: the answer in words, settings and proof of pairing."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from appcore import charts
from appcore.analysis import pairing
from appcore.analysis.repeats import grouped
from appcore.names import counted
from appcore.quotas import counts_weights
from appcore.statuses import BROKEN

from ..app import tables
from ..widgets import live_chart, playback, run_rail
from ..widgets.run_picker import Runs
from ..words import format, run_status, setting_labels
from ..words.text import harmless, plain, table
from . import numbers
from .chosen import Chosen


def curve_view() -> charts.View:
    """How curves are shown, as on the Run page; it opens on a press, so that a projector has room for the charts."""
    with st.popover("Curves", icon=":material/tune:", key="view", width="content"):
        x = st.selectbox("Curves over", list(charts.AXES), key="x", bind="query-params")
        smoothing = st.slider("Smoothing", 0.0, 0.95, 0.0, 0.05, key="smooth", bind="query-params")
        logarithmic = st.toggle("Logarithmic loss", key="log", bind="query-params")
    return charts.View(x or "megabatches", smoothing, logarithmic)


def pick_pair(runs: Runs, among: Runs) -> tuple[str, str]:
    """The two runs that the layer views compare: of the first two experiments, or chosen when there are more.

    The menus open on a press, as the view of the curves does.
    """
    ids, names = [run["run_id"] for run in runs], charts.labels(among)
    if len(ids) < 3:
        return ids[0], ids[-1]
    different = [group.first["run_id"] for group in grouped(runs)]  # comparing two seeds of one experiment says little
    for key, usual in zip(("first", "second"), different if len(different) > 1 else ids):
        if st.session_state.get(key) not in ids:
            st.session_state[key] = usual
    with st.popover("Layers of two", icon=":material/balance:", key="pair", width="content"):
        first = st.selectbox("Layers of", ids, format_func=names.__getitem__, key="first", bind="query-params", width=340)
        second = st.selectbox("against", ids, format_func=names.__getitem__, key="second", bind="query-params", width=340)
    return first, second


def rail(runs: Runs, data: tables.Frames) -> None:
    """All picked runs with the test accuracy of each."""
    ends = data.once("newest", lambda: data.megabatches.groupby("run_id")["test_accuracy"].last().to_dict())
    run_rail.show(runs, data, {run_id: format.percent(value) for run_id, value in ends.items()})


def broken(runs: Runs) -> None:
    """What happened to runs that ended against their user's will."""
    for run in runs:
        if run["status"] in BROKEN:
            st.warning(f"{plain(charts.labels(runs)[run['run_id']])}: {run_status.sentence(run)}", icon=":material/error:")


def answer(chosen: Chosen, data: tables.Frames) -> None:
    """The answers to the page's questions in sentences made from the data, with figures that show them."""
    runs, pair = chosen.runs, chosen.pair
    if len(runs) < 2:
        st.caption("Pick a second run to compare layers.")
        return
    by_id = {run["run_id"]: run for run in runs}
    first, second = by_id[pair[0]], by_id[pair[1]]
    counted_layers = data.layers_of(pair)
    statuses = tuple(run["status"] for run in runs)
    ahead = data.once(("ahead", chosen.key, statuses), lambda: charts.who_is_more_accurate(grouped(runs), data.megabatches, chosen.among))
    if data.played and not ahead[0]:  # two answers at every moment, so that the figures below keep their places
        ahead = "Nothing is tested yet", "The answer appears here with the end of the first megabatch."
    harder = data.once(("who", pair, chosen.key), lambda: charts.who_prunes_early(counted_layers, first, second, chosen.among))
    with st.container(border=True, key="answer"):
        st.markdown("\n\n".join(f"#### {harmless(head)}  \n{harmless(detail)}" for head, detail in (ahead, harder) if head))
    whole = data.whole
    is_one_network = len(whole.once(("networks", pair), lambda: charts.networks(whole.layers_of(pair), [first, second]))) < 2
    with live_chart.grid(2, live_chart.NARROW):
        numbers.curve("accuracy", chosen, data)
        if is_one_network:
            playback.chart(
                "early-layers",
                (chosen.key, pair),
                lambda frames: charts.early_layers(
                    charts.early_shares(frames.layers_of(pair), chosen.among),
                    [first, second],
                    charts.early_names(frames.whole.layers_of(pair)),
                    revision=chosen.revision,
                    among=chosen.among,
                ),
                data,
                ("layers",),
                alt="Curves: share kept of the early layers at each megabatch",
                legend=False,
            )


def settings(runs: Runs) -> None:
    """The settings that differ; equal ones are folded."""
    if len(runs) < 2:
        return
    differing, equal = charts.setting_differences(runs)
    of_weights = all(counts_weights(run["config"]) for run in runs)
    label = partial(setting_labels.label_of_words, of_weights=of_weights)
    value_words = partial(setting_labels.value_words, of_weights=of_weights)
    st.subheader("Settings that differ", anchor=False)
    if differing.empty:
        st.caption("None: the runs have the same settings.")
    else:
        shown = differing.apply(lambda row: row.map(lambda text: value_words(row.name, text)), axis=1)
        shown.index = [label(name) for name in differing.index]
        st.table(table(shown), border="horizontal")
    with st.expander(counted(len(equal), "equal setting"), icon=":material/equal:"):
        words = {name: value_words(name, charts.setting_text(value)) for name, value in equal.items()}
        st.markdown(" · ".join(f"{harmless(label(name))}: **{harmless(value)}**" for name, value in words.items()))


def proof(runs: Runs) -> None:
    """Proof of pairing: one mark for each hash and one for software and machine, and the hashes."""
    if len(runs) < 2:
        return
    st.subheader("Are they paired?", anchor=False)
    found, elsewhere = charts.pairing(runs), plain(pairing.surroundings(runs), 300)
    marks: dict[bool | None, tuple[str, run_status.Colour, str]] = {
        True: (":material/check:", "green", "same"),
        False: (":material/close:", "orange", "different"),
        None: (":material/schedule:", "gray", "not known yet:"),
    }
    with st.container(horizontal=True, key="pairing"):
        for name, agrees in found.items():
            icon, colour, words = marks[agrees]
            st.badge(f"{words} {charts.PAIRING[name]}", icon=icon, color=colour)
        known = all(run.get("versions") for run in runs)
        icon, colour, words = marks[False if elsewhere else known or None]
        st.badge(f"{words} software and machine", icon=icon, color=colour)
    unrecorded = [run for run in runs if pairing.is_without_data_hash(run)]
    is_paired = all(found[name] for name in found if not (unrecorded and name == "data"))
    agree, count = pairing.agreeing(runs)
    noun = "pairs" if all(len(one) == 2 for one in pairing.partners_of(runs)) else "groups of one network and seed"
    sets = f" {agree:d} of {count:d} {noun} agree:" if count > 1 else ""
    if False in found.values():
        st.markdown(
            f"**Not paired:**{sets} part of the difference may come from other initial weights, other images or another order of them."
        )
    elif is_paired and elsewhere:
        st.markdown(
            f"**Paired but for software or machine:**{sets} weights and images are the same; rounding is not, and that can grow "
            "in training."
        )
    elif is_paired:
        st.markdown(f"**Paired:**{sets} whatever differs between runs of one seed comes from the settings above, not from luck.")
    paired = {run["run_id"] for partners in pairing.partners_of(runs) for run in partners}
    names = charts.labels(runs)
    if alone := [plain(names[run["run_id"]]) for run in runs if run["run_id"] not in paired]:
        st.caption(f"Without a partner of the same network, data and seed: {', '.join(alone)}.")
    if elsewhere:
        st.caption(f"Software or machine: {elsewhere}.")
    if unrecorded:
        st.caption(
            "Whether the images were the same cannot be seen: some of these runs began with a version that kept no hash of the data."
        )
    with st.expander("Hashes", icon=":material/fingerprint:"):
        hashes = {names[run["run_id"]]: {charts.PAIRING[n]: (run["hashes"] or {}).get(n, "–")[:16] for n in charts.PAIRING} for run in runs}
        st.table(table(pd.DataFrame(hashes)), border="horizontal")
