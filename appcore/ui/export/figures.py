"""The figures of a run to take away: each chart of the Run page, drawn as there, with its panel for papers."""

from __future__ import annotations

from typing import Any

import streamlit as st

from appcore.charts import AXES, View
from appcore.charts import run as run_charts
from appcore.transfer import figure_files

from ..app import page, tables
from ..widgets import live_chart
from ..words.text import harmless


def show(run: dict[str, Any]) -> None:
    """A menu of charts, and the chosen one."""
    there = [name for name, chart in run_charts.found().items() if chart.live or (run["totals"] or {}).get("phase_seconds")]
    names = {name.replace("_", " ").capitalize(): name for name in there}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = names[st.selectbox("Figure", list(names), key="figure", bind="query-params", width=220)]
        x = st.selectbox("Curves over", list(AXES), key="x", bind="query-params", width=190)
        smoothing = st.slider("Smoothing", 0.0, 0.95, 0.0, 0.05, key="smooth", bind="query-params", width=170)
    st.markdown(
        "**save**, below the chart, makes it PDF, SVG or PNG in the width of a column (3.3 or 6.9 in), in type of a size of yours, "
        "or its numbers CSV. Zoom and hidden curves are kept; the file is for light paper whatever the theme."
    )
    if not figure_files.can_make_pdf():
        st.caption(f":material/info: {harmless(figure_files.NEEDED)}.")
    chart, view, data = run_charts.found()[name], View(x or "megabatches", smoothing, False, None), tables.read([run])
    shown = {need: getattr(data, need) for need in chart.needs if need in run_charts.TABLES}
    shown |= {need: view if need == "view" else getattr(view, need) for need in chart.needs if need not in shown}
    live_chart.chart(
        f"{name.replace('_', '-')}-chart",
        (run["run_id"], view, data.token(*(need for need in chart.needs if need in run_charts.TABLES)), run["status"]),
        lambda: chart.draw(run, **shown),
        alt=chart.alt,
    )
    st.caption("The same button is below every chart of every page:")
    with st.container(horizontal=True, gap="small"):
        st.page_link(page.link("compare"), label="Compare", query_params={"runs": run["run_id"]})
        st.page_link(page.link("masks"), label="Masks", query_params={"run": run["run_id"]})
        st.page_link(page.link("what_if"), label="What if", query_params={"run": run["run_id"]})
        st.page_link(page.link("ablations"), label="Ablations")
