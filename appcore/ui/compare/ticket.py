"""Is the ticket as good? On Compare, where runs with rounds are chosen: their tests over the weights left, beside control and dense."""

from __future__ import annotations

from typing import Any

import streamlit as st

from appcore import charts
from appcore.analysis import rounds
from appcore.planning import stages

from ..app import tables
from ..widgets import playback, run_picker
from ..words.text import harmless


def show(runs: run_picker.Runs, data: tables.Frames) -> None:
    """The chart and its sentence; nothing where no run has rounds."""
    if not any(stages.of_run(run).are_rounds for run in runs):
        return
    st.subheader("By the weights left", anchor=False)
    found = rounds.sorted_out(runs)
    measured: dict[str, Any] = {run["run_id"]: rounds.tests(run, data.rounds, data.megabatches) for run in found.all}
    if words := rounds.verdict(found, measured):
        st.markdown(harmless(words))
    revision = ",".join(run["run_id"] for run in runs)
    playback.chart(
        "compare-ticket",
        revision,
        lambda frames: charts.ticket(runs, frames.rounds, frames.megabatches, revision=revision),
        data,
        ("rounds", "megabatches"),
        alt="Curves: test accuracy of each round over the weights left, beside control and dense runs",
    )
