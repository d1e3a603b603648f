"""The live view of one run in numbers and figures. Reads the store; redraws only what changed."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import streamlit as st

from appcore import charts
from appcore.analysis.measures import MEASURES, PURPOSES, lower, newest
from appcore.charts import run as run_charts
from appcore.charts.playback.moments import Moments
from appcore.planning import stages

from ..app import page, tables
from ..widgets import playback, projector
from ..words import format, run_status
from ..words.number_columns import metric
from ..words.text import code, harmless, plain


def header_numbers(run: dict[str, Any], data: tables.Frames) -> None:
    """The six most important numbers, always in the same places, and where those of the test were measured."""
    progress = run["progress"] or {}
    last = _newest_test(data)
    point = data.prunes.iloc[-1] if len(data.prunes) else None
    totals = run["totals"] or {}
    sparsity = 1 - point["density_mask"] if point is not None else 0.0 if len(data.epochs) else None
    speed = totals.get("images_per_second") or (progress.get("images_per_second") if run["status"] != "queued" else None)
    cells = {
        "sparsity": format.percent(sparsity),
        "test_accuracy": format.percent(None if last is None else last["test_accuracy"]),
        "generalization_gap": format.points(None if last is None else last["train_accuracy"] - last["val_accuracy"]),
        "cer": format.count(data.megabatches["cer"].iloc[-1] if len(data.megabatches) else None),
        "images_per_second": "–" if speed is None else f"{format.count(speed)} {MEASURES['images_per_second'].unit}",
    }
    cells |= _time(run, data)
    with st.grid(6, min_column_width=185, gap=("small", "small")):
        for name, value in cells.items():
            metric(name, value)
    st.caption(_measured(run, last))


def _newest_test(data: tables.Frames) -> Any:
    """The newest test: at the end of a megabatch, or of a round; None while there is none."""
    rows = [frame.iloc[-1] for frame in (data.rounds, data.megabatches) if len(frame)]
    return max(rows, key=lambda row: row["segment"], default=None)


def _time(run: dict[str, Any], data: tables.Frames) -> dict[str, str]:
    """The time that is left where a run goes on, and else what it has taken."""
    if "seconds" in (run["totals"] or {}):
        return {"seconds": format.duration(run["totals"]["seconds"])}
    if run_status.is_active(run):
        return {"eta_seconds": format.about((run["progress"] or {}).get("eta_seconds"))}
    spent = data.epochs["seconds"].sum() + data.prunes["seconds"].sum()
    return {"seconds": format.duration(spent) if spent else "–"}


def _measured(run: dict[str, Any], test: Any) -> str:
    """Where the newest test stands in the run: it may be far behind the newest prune point."""
    if test is None:
        return "Nothing is tested yet."
    known = stages.of_run(run)
    place = known.places[known.at(test)]
    seen = test.get("seen_accuracy")
    is_known = seen is not None and not math.isnan(seen)
    more = f" Of the test images of classes that have come by then {format.percent(seen)} are right." if is_known else ""
    return (
        f"Test accuracy and gap: after {stages.in_words(place, known.word)}, at {format.percent(1 - test['density_mask'])} sparsity.{more}"
    )


def progress_bar(run: dict[str, Any], seen: tables.Frames) -> None:
    """The progress bar, with a sentence on what happened and what to do next; of a run that is played the slider is the bar."""
    text = run_status.sentence(run, **page.place_in_line(run))
    name = run_status.state(run)
    if name == "failed":
        st.error(text, icon=":material/error:")
    elif name in ("lost", "stalled"):
        st.warning(text, icon=":material/link_off:" if name == "lost" else ":material/hourglass_disabled:")
    elif seen.at is not None and projector.is_on():
        pass  # the slider says where it is, and a whole chart must fit below
    elif seen.at is not None:
        st.caption("Numbers and figures below are as they were at this moment." if seen.played else text)
    else:
        share = run_status.share_done(run)
        st.progress(share, text=f"{text} {100 * share:.0f} %" if name in ("running", "starting") else text)


def controls(run: dict[str, Any], data: tables.Frames) -> charts.View:
    """What the figures show: a stage (live: the newest; of a run that is played that of its slider), the x axis, smoothing and a
    logarithmic loss; all in the address but live."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="view"):
        with st.container(horizontal=True, vertical_alignment="bottom", width="content"):  # one place, whether a run has a slider or not
            moment = _moment(run, data) if data.at is None else None
        x = st.selectbox("Curves over", list(charts.AXES), format_func=_axis(run), key="x", bind="query-params", width=190)
        smoothing = st.slider("Smoothing", 0.0, 0.95, 0.0, 0.05, key="smooth", bind="query-params", width=170)
        logarithmic = st.toggle("Logarithmic loss", key="log", bind="query-params", width=170)
    return charts.View(x or "megabatches", smoothing, logarithmic, moment)


def _moment(run: dict[str, Any], data: tables.Frames) -> int | None:
    """The stage (from 0) that is chosen, or None for the newest. Megabatches count from 1 on pages, and rounds from 0."""
    known = stages.of_run(run)
    first, count = int(known.word != "round"), len(known.places)
    is_live = st.toggle(
        "Newest", key="live", value="moment" not in st.query_params, width=130, help=f"Off: every figure shows the {known.word} chosen here"
    )
    if count == 1:
        return None
    if is_live:
        st.session_state["moment"] = first + (int(known.of(data.layers).max()) if len(data.layers) else 0)
    chosen = st.slider(
        known.word.capitalize(),
        first,
        first + count - 1,
        key="moment",
        bind=None if is_live else "query-params",
        disabled=is_live,
        width=260,
    )
    return None if is_live else chosen - first


def moment_of_link(run: dict[str, Any], data: tables.Frames, known: Moments) -> int | None:
    """The end of the stage that a link of before playback names (?moment=)."""
    with suppress(KeyError, ValueError):
        known_stages = stages.of_run(run)
        chosen = int(st.query_params["moment"]) - int(known_stages.word != "round")
        return known.with_all("epochs", known_stages.of(data.epochs) <= chosen) if chosen >= 0 else None
    return None


def _axis(run: dict[str, Any]) -> Any:
    """The names of the axes for this run."""
    return lambda name: "rounds" if name == "megabatches" and stages.of_run(run).are_rounds else name


def figures(run: dict[str, Any], data: tables.Frames, view: charts.View) -> None:
    """All figures of a run, each redrawn only when its own tables have grown or the view has changed. While it goes on, those that have
    nothing yet keep their places; one that has ended shows what it has."""
    live = [chart for chart in run_charts.found().values() if chart.live and chart.is_for(run)]
    if not run_status.is_active(run):
        live = [chart for chart in live if not chart.rows or len(getattr(data.whole, chart.rows))]
    if not live:
        st.caption("It ended before anything was measured, so there is no chart.")
    for row in run_charts.ROWS:
        if not any(chart.place in row for chart in live):
            continue
        for place, column in zip(row, st.columns(len(row), gap="medium"), strict=True):
            with column:
                for chart in live:
                    if chart.place == place:
                        _figure(chart, run, data, view)


def costs(run: dict[str, Any], data: tables.Frames, view: charts.View) -> None:
    """Costs of the finished run: time by phase, memory, and what masks did not save."""
    totals = run["totals"] or {}
    if not totals.get("phase_seconds"):
        return
    for chart in run_charts.found().values():
        if not chart.live:
            _figure(chart, run, data, view)
    memory, share = MEASURES["peak_memory_bytes"], MEASURES["flops_share"]
    numbers = {name: MEASURES[name].shown(value) for name, value in newest(run, None).items()}
    st.caption(harmless(_spent(numbers)))
    st.caption(
        f"{memory.label} {memory.text(numbers[memory.name])} {memory.unit}. In theory the masks left {share.text(numbers[share.name])} % "
        "of the training FLOPs; unstructured zeros "
        "save bytes, not time: every step above was computed dense. The page Export measures both on this machine."
    )


def _spent(numbers: dict[str, float]) -> str:
    """The FLOPs of the run by purpose, dense and if zeros cost nothing."""
    if math.isnan(numbers["total_flops_dense"]):
        return "The version that made this run counted the FLOPs of training alone."
    *parts, total = (
        f"{lower(MEASURES[f'{name}_flops_dense'].label.partition(',')[0])} "
        + " / ".join(MEASURES[f"{name}_flops_{kind}"].text(numbers[f"{name}_flops_{kind}"]) for kind in ("dense", "sparse"))
        for name in PURPOSES
    )
    return f"In TFLOP, dense / if zeros cost nothing: {', '.join(parts)}; {total}."


def _figure(chart: run_charts.RunChart, run: dict[str, Any], data: tables.Frames, view: charts.View) -> None:
    """One chart; its token covers the data that it needs, and the end of the run when it is drawn from the totals. Of a run that is played
    the browser has the whole curve, and cuts it."""
    grown = [name for name in chart.needs if name in run_charts.TABLES]
    seen = {name: view if name == "view" else getattr(view, name) for name in chart.needs if name not in grown}
    playback.chart(
        f"{chart.name.replace('_', '-')}-chart",
        (run["run_id"], *seen.values(), None if chart.live else run["totals"]["seconds"]),
        lambda frames: chart.draw(run, **{name: getattr(frames, name) for name in grown}, **seen),
        data.whole if "view" in chart.needs else data,
        grown,
        alt=chart.alt,
        edge=data.edge,
    )


def facts(run: dict[str, Any]) -> None:
    """Facts that prove pairing and allow the run to be repeated."""
    started, hashes = run.get("started") or {}, run["hashes"] or {}
    if not hashes:
        st.caption("The hashes appear when the first step is done.")
        return
    st.caption("Two runs whose hashes agree had the same initial weights, images, order of the data and scoring batches.")
    for name, words in charts.PAIRING.items():
        st.markdown(f"{words.capitalize()}: {code(hashes.get(name, 'not recorded')[:24])}")
    where = f"{started.get('device', '?')}, {started.get('precision', '?')}"
    weights = f"{format.count(started.get('parameters'))} parameters"
    images = f"{format.count(started.get('train_images'))} training and {format.count(started.get('test_images'))} test images"
    st.caption(f"{plain(where)} · {weights} · {images}")
    st.caption(plain(", ".join(f"{name} {value}" for name, value in (run["versions"] or {}).items() if name != "device"), 400))
    for note in dict.fromkeys([*(run["notes"] or []), *started.get("notes", [])]):
        st.caption(f":material/info: {harmless(note)}")
