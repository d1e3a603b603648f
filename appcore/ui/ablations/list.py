"""The list of ablations in the store, and the header of one with its buttons and facts."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from appcore.names import MOST_TITLE, counted
from appcore.planning import ablation_grid
from appcore.statuses import MOVING, RESUMABLE

from ..app import page
from ..widgets.run_picker import MOST
from ..words import format, run_status
from ..words.text import cells, plain
from . import board as ablation_board
from . import form


def show(found: Sequence[Mapping[str, Any]]) -> None:
    """Every ablation of the store, newest first, with a link."""
    st.subheader("In this store", anchor=False)
    if not found:
        st.markdown("**No ablations yet.** The first one appears here and stays when the browser is closed; its address can be shared.")
        return
    states = {run_id: state for run_id, _, state in page.store().revision()}
    with st.container(border=True, gap="xsmall", key="ablations"):
        for sweep in found[:30]:
            name, how, when = st.columns([5, 4, 1.6], vertical_alignment="center", gap="small")
            with name:
                st.page_link(
                    page.link("ablations"), label=f"**{plain(sweep['title'], 200)}**", query_params={"sweep": sweep["sweep_id"]}, icon=""
                )
            counts = Counter(states.get(run_id, "deleted") for run_id in sweep["run_ids"])
            how.caption(" · ".join(f"{count} {plain(state)}" for state, count in counts.most_common()) or "no runs")
            when.caption(format.age(sweep["created"]))


def head(board: ablation_board.Board) -> None:
    """Title, varied settings, and the buttons that can do something now."""
    sweep, manager = board.sweep, page.manager()
    runs = [cell["run"] for cell in board.cells if cell["run"]]
    active = [run["run_id"] for run in runs if run_status.is_active(run)]
    moving = [run["run_id"] for run in runs if run["status"] in MOVING]
    again = [run["run_id"] for run in runs if run["status"] in RESUMABLE]
    missing = len(board.cells) - len(runs)
    st.title(plain(sweep["title"], 200))
    with st.container(key="varied"):
        st.caption(f"{plain(_varied(board))} = {counted(len(board.cells), 'run')} · {format.age(sweep['created'])}")
    send = lambda ids, word: ablation_board.said(functools.partial(manager.send, ids, word))  # noqa: E731
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="verbs"):
        is_held = bool(active) and not moving
        if active:
            st.button(
                "Resume" if is_held else "Pause",
                icon=":material/play_arrow:" if is_held else ":material/pause:",
                key="hold",  # one element for both, so that no click falls between two that change places
                type="primary" if is_held else "secondary",
                on_click=send(active, "resume") if is_held else send(moving, "pause"),
            )
            st.button(
                "Cancel",
                icon=":material/stop:",
                key="cancel",
                on_click=send(active, "stop"),
                help="Stop what runs or waits; it can be resumed",
            )
            _front(board)
        if missing:
            act = ablation_board.said(functools.partial(manager.ablations.run_missing, sweep["sweep_id"]))
            st.button(f"Run missing ({missing})", icon=":material/playlist_add:", key="missing", on_click=act)
        if again:
            st.button(
                f"Try again ({len(again)})",
                icon=":material/replay:",
                key="again",
                on_click=functools.partial(ablation_board.resume, again),
                help="Failed, stopped and lost runs go on from their last checkpoint",
            )
        with st.popover("More", icon=":material/more_horiz:", key="more"):
            _more(board, runs)


def _varied(board: ablation_board.Board) -> str:
    """What is varied: Pruner (2) × Seed (3), or what a search drew: 20 combinations of Learning rate and Pruner × Seed (3)."""
    sweep, axes = board.sweep, {board.labels[name]: len(values) for name, values in board.sweep["axes"].items()}
    if sweep["picks"] is None:
        return " × ".join(f"{label} ({count})" for label, count in axes.items())
    seeds = form.label("seed")
    drawn = " and ".join(label for label in axes if label != seeds)
    return f"{counted(len(sweep['picks']), 'combination')} of {drawn} × {seeds} ({axes.get(seeds, 1)})"


def _front(board: ablation_board.Board) -> None:
    mine = {cell["run"]["run_id"] for cell in board.cells if cell["run"]}
    waiting = page.manager().waiting()
    own = [run_id for run_id in waiting if run_id in mine]
    if waiting[: len(own)] == own:
        return

    def act() -> None:
        for run_id in reversed(own):
            page.manager().move(run_id, "front")

    st.button(
        "To the front",
        icon=":material/first_page:",
        key="front",
        on_click=ablation_board.said(act),
        help="Before everything else that waits",
    )


def _more(board: ablation_board.Board, runs: Sequence[Mapping[str, Any]]) -> None:
    sweep = board.sweep
    done = [run["run_id"] for run in runs if run["status"] == "done"][:MOST]
    if done:
        st.page_link(
            page.link("compare"), label="Compare its runs", icon=":material/compare_arrows:", query_params={"runs": ",".join(done)}
        )
        st.page_link(
            page.link("runs"),
            label="Its runs in the library",
            icon=":material/inventory_2:",
            query_params={"runs": ",".join(run["run_id"] for run in runs)},
        )
    st.session_state["rename-sweep"] = sweep["title"]
    st.text_input(
        "Title",
        key="rename-sweep",
        max_chars=MOST_TITLE,
        on_change=ablation_board.said(lambda: page.manager().ablations.rename(sweep["sweep_id"], st.session_state["rename-sweep"])),
    )
    st.button(
        "Forget this ablation",
        icon=":material/delete:",
        key="forget",
        on_click=ablation_board.said(functools.partial(_forget, sweep["sweep_id"])),
        help="Its runs stay in the library",
    )
    st.button("All ablations", icon=":material/apps:", key="all-ablations", on_click=st.query_params.clear)


def _forget(sweep_id: str) -> None:
    page.manager().ablations.delete(sweep_id)
    st.query_params.clear()


def progress(board: ablation_board.Board) -> None:
    """Progress over all runs."""
    shares = [run_status.share_done(cell["run"]) if cell["run"] else 0.0 for cell in board.cells]
    done = sum(cell["run"] is not None and cell["run"]["status"] == "done" for cell in board.cells)
    share = sum(shares) / max(len(shares), 1)
    st.progress(min(1.0, share), text=f"**{done} of {counted(len(shares), 'run')} done**{ablation_board.time_left(board)}")


def facts(data: Mapping[str, Any]) -> None:
    """The base, and the combinations that were left out."""
    sweep = data["sweep"]
    config = data["cells"][0]["config"] if data["cells"] else sweep["base"]
    of_weights = ablation_grid.counts_weights(sweep["base"], sweep["axes"])
    label, words = functools.partial(form.label, of_weights=of_weights), functools.partial(form.value_words, of_weights=of_weights)
    rows = [
        {"setting": label(name), "value": "varied" if name in sweep["axes"] else words(name, value)}
        for name, value in config.items()
        if name != "options"
    ]
    if rows:
        with st.expander("Base settings", icon=":material/settings:"):
            st.dataframe(cells(pd.DataFrame(rows)), hide_index=True, alt="Settings that all runs share")
    if data["left_out"]:
        with st.expander(f"{counted(len(data['left_out']), 'combination')} left out", icon=":material/block:"):
            rows = [{**{label(n): words(n, v) for n, v in one["values"].items()}, "Reason": one["reason"]} for one in data["left_out"]]
            st.dataframe(cells(pd.DataFrame(rows)), hide_index=True, alt="Combinations that are left out, and why")
