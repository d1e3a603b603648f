"""Is the ticket as good? The chart on the page of a run with rounds, its numbers in a sentence, and a press that adds what it lacks."""

from __future__ import annotations

import secrets
from typing import Any

import pandas as pd
import streamlit as st

from appcore import charts, plugins
from appcore.analysis import rounds
from appcore.names import counted
from appcore.planning import stages

from ..app import page, tables
from ..widgets import playback
from ..words import run_status
from ..words.run_text import title
from ..words.text import harmless

_SEEDS = 3  # of dense references, from which on a band says something


def others(run: dict[str, Any]) -> list[Any]:
    """The runs beside which this one is judged: none unless it has rounds."""
    if not stages.of_run(run).are_rounds:
        return []
    found = rounds.beside(run, page.runs())
    return [other for other in found.all if other["run_id"] != run["run_id"]]


def section(run: dict[str, Any], data: tables.Frames, beside: list[Any]) -> None:
    """The chart with its sentence; nothing for runs without rounds."""
    if not stages.of_run(run).are_rounds:
        return
    now = [page.manager().get(other["run_id"]) if run_status.is_active(other) else other for other in beside]
    theirs = tables.read(now) if now else None
    tests, ends = _with(data, theirs)
    runs = [run, *now]
    found = rounds.sorted_out(runs)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        playback.chart(
            "ticket-chart",
            (tuple(other["run_id"] for other in runs), theirs and theirs.token("rounds", "megabatches")),
            lambda frames: charts.ticket(runs, *_with(frames, theirs), revision=run["run_id"]),
            data,
            ("rounds", "megabatches"),
            alt="Curves: test accuracy of each round over the weights left, beside the control and the dense network",
        )
    with right, st.container(key="ticket-words"):
        measured = {other["run_id"]: rounds.tests(other, tests, ends) for other in runs}
        words = rounds.verdict(found, measured)
        st.markdown(harmless(words) if words else "No round has ended yet: the first trains the dense network.")
        lacking = rounds.unrecorded(run, measured[run["run_id"]])
        if lacking:
            st.caption(
                f"The values of {counted(len(lacking), 'earlier round')} were not recorded: "
                "the version that made this run tested only the end of a megabatch."
            )
        _add(run, found)
        moving = [other for other in now if run_status.is_active(other)]
        for other in moving:
            st.caption(f"{run_status.markdown(other)} {harmless(other['title'] or other['run_id'])}")


def _with(data: tables.Frames, theirs: tables.Frames | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tests of rounds and the ends of megabatches of the run and of those beside it."""
    if theirs is None:
        return data.rounds, data.megabatches
    return pd.concat([data.rounds, theirs.rounds]), pd.concat([data.megabatches, theirs.megabatches])


def _add(run: dict[str, Any], found: rounds.Beside) -> None:
    """A press that starts the runs that the question lacks, from the same weights, on the same images in the same order."""
    wanted = rounds.missing(run, found)
    more = [] if wanted else rounds.missing(run, found, _SEEDS)
    if not wanted and not more:
        return
    kinds = [_kind(config) for config in wanted]
    label = f"Add {' and '.join(kinds)}" if wanted else f"Add dense, {counted(len(more), 'more seed')}"
    help = (
        "Same seed, data and epochs, so they are paired with this run"
        if wanted
        else "Their range is the band beside which a ticket is judged"
    )
    if st.button(label, icon=":material/add:", key="add_beside", help=help):
        _start(wanted or more)


def _kind(config: dict[str, Any]) -> str:
    if not plugins.prunes(config["method"]):
        return "dense reference"
    return "control" if rounds.is_control({"config": config}) else "ticket"


def _start(configs: list[dict[str, Any]]) -> None:
    try:
        titles = [f"{title(config)}, {_kind(config)}" for config in configs]
        options = {"titles": titles, "token": str(configs), "group": f"beside-{secrets.token_hex(4)}"}
        page.manager().start(configs, launcher=plugins.SIDE_BY_SIDE, **options)
    except (ValueError, OSError) as error:
        st.error(harmless(str(error)), icon=":material/error:")
        return
    st.rerun()
