"""Forgetting on the Stream page: how right each run stays on the images of earlier megabatches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from appcore.analysis import forgetting
from appcore.charts.mistakes import forgetting as figures
from appcore.names import counted

from ..app import tables
from ..widgets import live_chart
from ..words.text import plain


def section(runs: Sequence[dict[str, Any]], data: tables.Frames) -> None:
    """One heatmap for each run that recorded it, and one of its classes where these come one after another; other runs are named."""
    several = [run for run in runs if run["config"]["megabatches"] > 1]
    if not several:
        return
    st.subheader("Forgetting", anchor=False)
    ids = [run["run_id"] for run in several]
    found = {one: data.once(("forgetting", one), partial(forgetting.on_parts, data.megabatches, one)) for one in ids}
    classes = {one: data.once(("known-classes", one), partial(forgetting.on_classes, data.megabatches, one)) for one in ids}
    with live_chart.grid(2):
        for run in several:
            mine = found[run["run_id"]]
            if not mine.empty:
                tested = not classes[run["run_id"]].empty
                live_chart.chart(
                    f"forgetting-{run['run_id']}",
                    (run["run_id"], run["title"], len(mine)),
                    partial(figures.forgetting, mine, run["title"] or run["run_id"], tested=tested, revision=run["run_id"]),
                    alt="Heatmap: accuracy on the images of each megabatch at the end of later ones",
                )
                if tested:
                    live_chart.chart(
                        f"known-classes-{run['run_id']}",
                        (run["run_id"], run["title"], len(mine)),
                        partial(figures.by_class, classes[run["run_id"]], run["title"] or run["run_id"], revision=run["run_id"]),
                        alt="Heatmap: accuracy on the test images of each class at the end of each megabatch",
                    )
    for run in several:
        sentence = figures.words(found[run["run_id"]])
        if sentence:
            st.caption(f"**{plain(run['title'] or run['run_id'])}:** {sentence}")
    missing = [run for run in several if found[run["run_id"]].empty and (data.megabatches["run_id"] == run["run_id"]).any()]
    if missing:
        names = ", ".join(plain(run["title"] or run["run_id"]) for run in missing[:3])
        more = f" and {counted(len(missing) - 3, 'more run')}" if len(missing) > 3 else ""
        st.caption(f":material/info: Not recorded by the version that made {names}{more}: how right it stays on earlier images.")
