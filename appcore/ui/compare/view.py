"""The parts of the Compare page: the answer in words, settings and proof of pairing."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from appcore import charts
from appcore.analysis import pairing
from appcore.analysis.repeats import grouped
from appcore.names import counted
from appcore.statuses import BROKEN

from ..app import page, tables
from ..widgets import live_chart
from ..widgets.run_picker import Runs
from ..words import run_status, setting_labels
from ..words.text import harmless, plain, table
from . import numbers


def pick_pair(runs: Runs) -> tuple[str, str]:
    """The two runs that the layer views compare: of the first two experiments, or chosen when there are more."""
    ids = [run["run_id"] for run in runs]
    if len(ids) < 3:
        return ids[0], ids[-1]
    names = charts.labels(runs)
    different = [group.first["run_id"] for group in grouped(runs)]  # comparing two seeds of one experiment says little
    for key, usual in zip(("first", "second"), different if len(different) > 1 else ids):
        if st.session_state.get(key) not in ids:
            st.session_state[key] = usual
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = st.selectbox("Set", ids, format_func=names.__getitem__, key="first", bind="query-params", width=260)
        second = st.selectbox("against", ids, format_func=names.__getitem__, key="second", bind="query-params", width=260)
    return first, second


def progress(runs: Runs) -> None:
    """One progress bar per unfinished run."""
    names = charts.labels(runs)
    active = [run for run in runs if run_status.is_active(run)]
    if active:
        with st.grid(len(runs), min_column_width=280):
            for run in runs:
                share = run_status.share_done(run)
                words = run_status.sentence(run, **page.place_in_line(run))
                st.progress(share, text=f"**{plain(names[run['run_id']])}** {100 * share:.0f} % · {words}")
    for run in runs:
        if run["status"] in BROKEN:
            st.warning(f"{plain(names[run['run_id']])}: {run_status.sentence(run)}", icon=":material/error:")


def answer(runs: Runs, pair: tuple[str, str], data: tables.Frames, bands: bool) -> None:
    """The answer to the page's question in a sentence made from the data, with a figure that shows it."""
    if len(runs) < 2:
        st.caption("Pick a second run to compare layers.")
        return
    by_id = {run["run_id"]: run for run in runs}
    first, second = by_id[pair[0]], by_id[pair[1]]
    layers = data.once(("layers", pair), lambda: data.layers[data.layers["run_id"].isin(pair)])
    with st.container(border=True, key="answer"):
        headline, detail = data.once(("who", pair), lambda: charts.who_prunes_early(layers, first, second))
        st.markdown(f"#### {harmless(headline)}  \n{harmless(detail)}")
    with live_chart.grid(2):
        live_chart.chart(
            "early-layers",
            (tuple(by_id), pair, data.token("layers")),
            lambda: charts.early_layers(charts.early_shares(layers), [first, second], charts.early_names(layers), revision=",".join(by_id)),
            alt="Curves: share kept of the early layers at each megabatch",
            shared=data.figures,
        )
        numbers.curve("accuracy", runs, data, bands)


def settings(runs: Runs) -> None:
    """The settings that differ; equal ones are folded."""
    if len(runs) < 2:
        return
    differing, equal = charts.setting_differences(runs)
    st.subheader("Settings that differ", anchor=False)
    if differing.empty:
        st.caption("None: the runs have the same settings.")
    else:
        differing.index = [setting_labels.label(name) for name in differing.index]
        st.table(table(differing), border="horizontal")
    with st.expander(counted(len(equal), "equal setting"), icon=":material/equal:"):
        settings = {setting_labels.label(name): charts.setting_text(value) for name, value in equal.items() if value != {}}
        st.markdown(" · ".join(f"{harmless(name)}: **{harmless(value)}**" for name, value in settings.items()))


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
    if False in found.values():
        st.markdown("**Not paired:** part of the difference may come from other initial weights, other images or another order of them.")
    elif is_paired and elsewhere:
        st.markdown(
            "**Paired but for software or machine:** weights and images are the same; rounding is not, and that can grow in training."
        )
    elif is_paired:
        st.markdown("**Paired:** whatever differs between the curves comes from the settings above, not from luck.")
    if elsewhere:
        st.caption(f"Software or machine: {elsewhere}.")
    if unrecorded:
        st.caption(
            "Whether the images were the same cannot be seen: some of these runs began with a version that kept no hash of the data."
        )
    with st.expander("Hashes", icon=":material/fingerprint:"):
        names = charts.labels(runs)
        hashes = {names[run["run_id"]]: {charts.PAIRING[n]: (run["hashes"] or {}).get(n, "–")[:16] for n in charts.PAIRING} for run in runs}
        st.table(table(pd.DataFrame(hashes)), border="horizontal")
