"""What this machine has, how many runs train on it at once, what trains and what waits, and why."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from appcore.names import counted

from ..app import page
from ..widgets import projector
from ..words import format
from ..words.text import harmless, plain
from .others import named, why_it_waits

_SHOWN = 30
_RULE = (
    "As many runs of an ablation train at once as there is room for: one for each core where steps are small, fewer where a run uses "
    "several cores, one for each GPU and up to four where steps are small, all within 85 % of the memory by their estimates. Other "
    "programs of this user that train are counted as well. A run gives the same bits whatever trains beside it. Runs that are started "
    "together on Start or Run stay in this program and advance step by step."
)


def hardware(found: Mapping[str, Any]) -> None:
    """Cores, memory and GPUs."""
    titles = [gpu["title"] for gpu in found["gpus"]]
    gpus = " and ".join(f"{titles.count(title)} × {title}" for title in dict.fromkeys(titles)) or "none"
    with st.grid(3, min_column_width=180, gap="small"):
        st.metric("Cores", found["cores"], help="That this program may use")
        st.metric("Main memory", format.size(found["memory"]))
        st.metric("GPUs", plain(gpus))


def chooser(found: Mapping[str, Any]) -> None:
    """How many runs train at once, where it may be chosen."""
    st.session_state["workers"] = found["most"]
    st.number_input(
        "Runs at once",
        value=None,
        min_value=1,
        max_value=1024,
        key="workers",
        placeholder="as many as there is room for",
        disabled=found["is_said"] or not page.manager().machine.may_choose,
        on_change=_chosen,
        width=round(260 * projector.scale()),  # for its placeholder
        help="In processes of their own. Empty: by the rule below. More than there are cores slow each other down.",
    )
    if found["is_said"]:
        st.caption("This number was given when the program was started (--workers or APPCORE_WORKERS).")
    elif not page.manager().machine.may_choose:
        st.caption("Admins choose it on this server.")
    st.caption(_RULE)


def _chosen() -> None:
    try:
        page.manager().machine.choose(st.session_state["workers"])
    except ValueError as error:
        st.toast(harmless(str(error)), icon=":material/error:")


def training(found: Mapping[str, Any]) -> None:
    """What trains now, by all programs of this machine's user."""
    st.subheader("Trains now", anchor=False)
    lines = [line for line in found["lines"] if line["is_training"]]
    if not lines:
        st.caption("Nothing.")
        return
    titles = {gpu["name"]: gpu["title"] for gpu in found["gpus"]}
    with st.container(border=True, gap="xsmall", key="trains"):
        for line in lines:
            with st.container(horizontal=True, vertical_alignment="center"):
                _runs(line["run_ids"])
                where = f"GPU {line['gpu']}, {titles.get(line['gpu'], '')}" if line["device"] != "cpu" else counted(line["need"], "core")
                size = f" · about {format.size(line['size'])}" if line.get("size") else ""
                program = "this program" if line["pid"] == os.getpid() else f"another program, process {line['pid']}"
                facts = f"{where}{size} · {program}"
                st.markdown(f":small[{plain(facts)}]", width="content")


def waiting(found: Mapping[str, Any], at_engines: Sequence[Mapping[str, Any]]) -> None:
    """What waits here, in the order in which it will begin, and at engines, and why."""
    st.subheader("Waits", anchor=False)
    queue = page.manager().waiting()
    others = [line for line in found["lines"] if not line["is_training"] and not set(line["run_ids"]) & set(queue)]
    at_engines = [run for run in at_engines if run["run_id"] not in queue]
    if not queue and not others and not at_engines:
        st.caption("Nothing.")
        return
    with st.container(border=True, gap="xsmall", key="waits"):
        for place, run_id in enumerate(queue[:_SHOWN]):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{place + 1:,}.", width=30)
                _runs([run_id])
                st.markdown(f":small[{harmless(_why(run_id, found))}]", width="content")
        if len(queue) > _SHOWN:
            st.caption(f"and {len(queue) - _SHOWN:,} more")
        for line in others:
            with st.container(horizontal=True, vertical_alignment="center"):
                _runs(line["run_ids"])
                process = f"in another program, process {line['pid']}"
                st.markdown(f":small[{plain(process)}]", width="content")
        for run in at_engines[:_SHOWN]:
            with st.container(horizontal=True, vertical_alignment="center"):
                _runs([run["run_id"]])
                st.markdown(f":small[{harmless(why_it_waits(run))}]", width="content")
        if len(at_engines) > _SHOWN:
            st.caption(f"and {len(at_engines) - _SHOWN:,} more at engines")


def _why(run_id: str, found: Mapping[str, Any]) -> str:
    """Why a run of this program waits."""
    if page.store().revision(run_id)[0][2] == "paused":
        return "paused; others begin before it"
    if other := page.manager().waits_for(run_id):
        return f"until another program has trained: {other}"
    if page.manager().queue_position(run_id) != 1:
        return "behind those above"
    most = sum(line["is_training"] for line in found["lines"])
    if found["most"] is not None and most >= found["most"]:
        return f"only {found['most']} at once, as chosen above"
    return "until enough cores, or a GPU, and memory are free"


def _runs(run_ids: Sequence[str]) -> None:
    """Links to runs; words where they are somebody else's, or those of another store."""
    if not run_ids:
        st.markdown("a run of somebody else, or of another store", width=340)
    for run_id in run_ids:
        run, _ = page.find(run_id)
        if run is not None:
            named(run)
