"""Is the ticket as good? On Compare, where runs with rounds are chosen: their tests over the weights left, beside control and dense."""

from __future__ import annotations

from typing import Any

import streamlit as st

from appcore import charts
from appcore.analysis import rounds
from appcore.planning import stages

from ..app import page, tables
from ..widgets import live_chart, run_picker
from ..words.text import harmless


def show(runs: run_picker.Runs, tick: float | None) -> None:
    """The chart and its sentence in a fragment of their own; nothing where no run has rounds."""
    if not any(stages.of_run(run).are_rounds for run in runs):
        return

    @st.fragment(run_every=tick)
    @page.careful
    def moving() -> None:
        _draw(runs, tables.read([page.manager().get(run["run_id"]) for run in runs]))

    with page.own_place():
        moving()


def _draw(runs: run_picker.Runs, data: tables.Frames) -> None:
    st.subheader("By the weights left", anchor=False)
    found = rounds.sorted_out(runs)
    measured: dict[str, Any] = {run["run_id"]: rounds.tests(run, data.rounds, data.megabatches) for run in found.all}
    if words := rounds.verdict(found, measured):
        st.markdown(harmless(words))
    revision = ",".join(run["run_id"] for run in runs)
    live_chart.chart(
        "compare-ticket",
        (revision, data.token("rounds", "megabatches")),
        lambda: charts.ticket(runs, data.rounds, data.megabatches, revision=revision),
        alt="Curves: test accuracy of each round over the weights left, beside control and dense runs",
        shared=data.figures,
    )
