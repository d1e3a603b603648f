"""The view of one run: what it is doing now, in numbers and figures. Reads the store; draws again only what changed."""

from __future__ import annotations

from typing import Any

import streamlit as st

from appcore import charts
from appcore.analysis.measures import MEASURES, newest
from appcore.config import RunConfig

from ..app import page, tables
from ..widgets import live_chart
from ..words import format, run_status
from ..words.number_columns import metric
from ..words.text import harmless


def header_numbers(run: dict[str, Any], data: tables.Frames) -> None:
    """The six numbers that matter now, always in the same places."""
    progress = run["progress"] or {}
    last = data.megabatches.iloc[-1] if len(data.megabatches) else None
    point = data.prunes.iloc[-1] if len(data.prunes) else None
    totals = run["totals"] or {}
    sparsity = 1 - point["density_mask"] if point is not None else 0.0 if len(data.epochs) else None
    speed = totals.get("images_per_second") or (progress.get("images_per_second") if run["status"] != "queued" else None)
    cells = {
        "sparsity": format.percent(sparsity),
        "test_accuracy": format.percent(None if last is None else last["test_accuracy"]),
        "generalization_gap": format.points(None if last is None else last["generalization_gap"]),
        "cer": format.count(None if last is None else last["cer"]),
        "images_per_second": "–" if speed is None else f"{format.count(speed)} {MEASURES['images_per_second'].unit}",
    }
    cells |= (
        {"seconds": format.duration(totals["seconds"])}
        if "seconds" in totals
        else {"eta_seconds": format.about(progress.get("eta_seconds"))}
    )
    with st.grid(6, min_column_width=185, gap=("small", "small")):
        for name, value in cells.items():
            metric(name, value)


def progress_bar(run: dict[str, Any]) -> None:
    """How far it is, with the sentence that says what happened and what to do next."""
    text = run_status.sentence(run, **page.place_in_line(run))
    name = run_status.state(run)
    if name == "failed":
        st.error(text, icon=":material/error:")
    elif name in ("lost", "stalled"):
        st.warning(text, icon=":material/link_off:" if name == "lost" else ":material/hourglass_disabled:")
    else:
        share = run_status.share_done(run)
        st.progress(share, text=f"{text} {100 * share:.0f} %" if name in ("running", "starting") else text)


def controls(run: dict[str, Any], data: tables.Frames) -> charts.View:
    """What the figures show: a moment (live: the newest), the x axis, smoothing and a logarithmic loss; all in the address but live."""
    count = run["config"]["megabatches"]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="view"):
        is_live = st.toggle(
            "Newest", key="live", value="moment" not in st.query_params, width=130, help="Off: every figure shows the megabatch chosen here"
        )
        moment = None
        if count > 1:
            if is_live:
                st.session_state["moment"] = int(data.layers["megabatch"].max()) + 1 if len(data.layers) else 1
            chosen = st.slider("Megabatch", 1, count, key="moment", bind=None if is_live else "query-params", disabled=is_live, width=260)
            moment = None if is_live else chosen - 1
        x = st.selectbox("Curves over", list(charts.AXES), key="x", bind="query-params", width=190)
        smoothing = st.slider("Smoothing", 0.0, 0.95, 0.0, 0.05, key="smooth", bind="query-params", width=170)
        logarithmic = st.toggle("Logarithmic loss", key="log", bind="query-params", width=170)
    return charts.View(x or "megabatches", smoothing, logarithmic, moment)


def figures(run: dict[str, Any], data: tables.Frames, view: charts.View) -> None:
    """All figures of a run, each drawn anew only when its own tables have grown or another view is asked for."""
    run_id = run["run_id"]
    config = RunConfig(**run["config"])
    _density_figures(run, data, config, view.moment, charts.looks([run])[run_id].colour)
    left, right = st.columns(2, gap="medium")
    with left:
        live_chart.chart(
            "layers-map",
            (run_id, view.moment, data.token("layers")),
            lambda: charts.sparsity_map(data.layers, config.megabatches, chosen=view.moment, revision=run_id),
            alt="Heatmap: sparsity of each layer at each megabatch",
            shared=data.figures,
        )
        _curve("loss", run, data, view)
    with right:
        for name in ("accuracy", "gap", "errors"):
            _curve(name, run, data, view)


def costs(run: dict[str, Any]) -> None:
    """What the finished run took: time by phase, memory, and what masks did not save."""
    totals = run["totals"] or {}
    if not totals.get("phase_seconds"):
        return
    colour = charts.looks([run])[run["run_id"]].colour
    live_chart.chart(
        "profile",
        (run["run_id"], totals["seconds"]),
        lambda: charts.profile(totals["phase_seconds"], colour=colour, revision=run["run_id"]),
        alt="Bars: seconds of each phase of the run",
    )
    memory, share = MEASURES["peak_memory_bytes"], MEASURES["flops_share"]
    numbers = {name: MEASURES[name].shown(value) for name, value in newest(run, None).items()}
    st.caption(
        f"{memory.label} {memory.text(numbers[memory.name])} {memory.unit}. In theory the masks left {share.text(numbers[share.name])} % "
        "of the training FLOPs; unstructured zeros "
        "save bytes, not time: every step above was computed dense. The page Export measures both on this machine."
    )


def _curve(name: str, run: dict[str, Any], data: tables.Frames, view: charts.View) -> None:
    live_chart.chart(
        f"{name}-chart",
        (run["run_id"], view, data.token("epochs", "megabatches")),
        lambda: getattr(charts, name)([run], data.epochs, data.megabatches, revision=run["run_id"], view=view),
        alt=_CURVES[name],
        shared=data.figures,
    )


_CURVES = {
    "accuracy": "Curves: train, validation and test accuracy over the epochs",
    "gap": "Curve: train minus validation accuracy over the epochs",
    "loss": "Curves: train and validation loss over the epochs",
    "errors": "Curve: test errors summed over the megabatches",
}


def _density_figures(run: dict[str, Any], data: tables.Frames, config: RunConfig, moment: int | None, colour: str) -> None:
    run_id = run["run_id"]
    left, right = st.columns(2, gap="medium")
    with left:
        live_chart.chart(
            "truth-meter",
            (run_id, moment, data.token("prunes", "megabatches")),
            lambda: charts.truth_meter(_densities(data, moment), tables.total_weights(run, data.layers), colour=colour, revision=run_id),
            alt="Bars: density requested, in the mask, in forward, and alive",
            shared=data.figures,
        )
    with right:
        live_chart.chart(
            "staircase",
            (run_id, moment, data.token("prunes")),
            lambda: charts.staircase(tables.planned(config), data.prunes, chosen=moment, colour=colour, revision=run_id),
            alt="Steps: planned sparsity at each megabatch, with what was counted",
            shared=data.figures,
        )


def _densities(data: tables.Frames, moment: int | None) -> dict[str, float] | None:
    """The densities counted last (of a megabatch: counted last in it), at a prune point or at the end of a megabatch."""
    tables = (frame if moment is None else frame[frame["megabatch"] == moment] for frame in (data.prunes, data.megabatches))
    rows = [frame.iloc[-1] for frame in tables if len(frame)]
    if not rows:
        return None
    row = max(rows, key=lambda row: row["segment"])
    return {name: float(row[name]) for name in ("density_requested", "density_mask", "density_effective", "density_alive")}


def facts(run: dict[str, Any]) -> None:
    """What proves pairing and lets the run be repeated."""
    started, hashes = run.get("started") or {}, run["hashes"] or {}
    if not hashes:
        st.caption("The hashes appear when the first step is done.")
        return
    st.caption("Two runs whose hashes agree had the same initial weights, the same data order and the same scoring batches.")
    for name, words in charts.PAIRING.items():
        st.markdown(f"{words.capitalize()}: `{hashes.get(name, 'not used')[:24]}`")
    where = f"{started.get('device', '?')}, {started.get('precision', '?')}"
    weights = f"{format.count(started.get('parameters'))} parameters"
    images = f"{format.count(started.get('train_images'))} training and {format.count(started.get('test_images'))} test images"
    st.caption(f"{where} · {weights} · {images}")
    for note in [*(run["notes"] or []), *started.get("notes", [])]:
        st.caption(f":material/info: {harmless(note)}")
