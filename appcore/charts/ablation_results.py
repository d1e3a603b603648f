"""Figures of an ablation's results: a heatmap of means, small multiples, and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .. import markup, plugin_styles
from ..analysis import ablation_results
from ..analysis.measures import Measure
from ..names import counted, display
from . import style
from .ablation_board import Order, board, grid_axes, short

__all__ = ["board", "heatmap", "parallel", "parallel_names", "small_multiples"]
MOST_PANELS = 9
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#B8639A", "#A67C00", "#3D8FC4", "#6F7B8A")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")


def heatmap(
    frame: pd.DataFrame, metric: str, down: str, across: str, order: Order, labels: Mapping[str, str], *, revision: str = ""
) -> go.Figure:
    """Mean of a metric over the runs of each cell, with spread and n; the winner of a column has a star."""
    about, table = ablation_results.METRICS[metric], ablation_results.summary(frame, [down, across], metric)
    best = ablation_results.best_of_columns(frame, down, across, order, metric)
    rows, columns = list(order[down]), list(order[across])
    means, words, hovers = (np.full((len(rows), len(columns)), fill, dtype=object) for fill in (np.nan, "", ""))
    for row in ablation_results.grid(table, down, across, order).to_dict("records"):
        place = rows.index(row["row"]), columns.index(row["column"])
        means[place], words[place] = row["mean"], _cell_words(row, about, (row[down], row["column"]) in best)
        hovers[place] = _cell_hover(row, metric, labels[down] if row[down] == ablation_results.ANY else labels[across])
    note = "★ best of its column, seed by seed with 95 % confidence" if best else "no column has a winner: it could be luck"
    subtitle = f"mean ± standard deviation, {about.unit}" + (f" · {note}" if about.better else "")
    title, height = f"{about.label}: what does it depend on?", 150 + 62 * len(rows)
    figure = style.figure(title, subtitle, x=labels[across], y=labels[down], height=height, revision=revision, legend=False)
    z = means.astype(float)
    low, high = (np.nanmin(z), np.nanmax(z)) if np.isfinite(z).any() else (0.0, 1.0)
    bar = {"title": {"text": about.unit, "side": "right"}, "thickness": 10}
    scale = {"zmin": low, "zmax": max(high, low + 1e-9), "colorscale": style.scale(style.SEQUENTIAL), "colorbar": bar}
    figure.add_trace(go.Heatmap(z=z, text=hovers, hovertemplate=markup.hover("%{text}"), hoverongaps=False, xgap=3, ygap=3, **scale))
    _write(figure, z, words, low, high)
    return grid_axes(figure, rows, columns)


def _cell_words(row: Mapping[str, Any], about: Measure, is_best: bool) -> str:
    if not row["n"]:
        return "✕" if row["failed"] else "…"
    spread = f"{markup.BREAK}± {row['sd']:.{max(about.digits, 1)}f}" if row["n"] > 1 else ""
    return f"{row['mean']:.{about.digits}f}{' ★' if is_best else ''}{spread}"


def _cell_hover(row: Mapping[str, Any], metric: str, idle: str) -> str:
    lines = [f"{display(row['row'])} · {display(row['column'])}", markup.bold(ablation_results.as_text(row, metric))]
    lines += [f"{idle} plays no part here"] if row["idle"] else []
    lines += [f"not done: {row['runs'] - row['n']} of {counted(row['runs'], 'run')}"] if row["runs"] > row["n"] else []
    return markup.BREAK.join(lines)


def _write(figure: go.Figure, z: np.ndarray, texts: np.ndarray, low: float, high: float) -> None:
    """The number in each cell, readable on its colour; cells without a number in grey."""
    places = [(r, c) for r in range(z.shape[0]) for c in range(z.shape[1]) if texts[r, c]]
    colours = style.SEQUENTIAL
    inks = []
    for place in places:
        share = (z[place] - low) / (high - low) if high > low else 0.0
        inks.append(style.ink_on(colours[round(share * (len(colours) - 1))]) if np.isfinite(z[place]) else style.GREY)
    figure.add_trace(
        go.Scatter(
            x=[c for _, c in places], y=[r for r, _ in places], text=[texts[place] for place in places], mode="text", hoverinfo="skip",
            textfont={"size": 13, "color": inks}, showlegend=False,
        )
    )  # fmt: skip


def small_multiples(
    frame: pd.DataFrame,
    metric: str,
    axes: tuple[str, str, str],
    order: Order,
    labels: Mapping[str, str],
    *,
    revision: str = "",
    numbers: Mapping[str, float] | None = None,
) -> go.Figure:
    """Mean and 95 % interval against the first of `axes`, a line per value of the second, a panel per value of the third ("": none).

    `numbers` has the place of each value on the x axis, where they are numbers; else they are equally spaced.
    """
    about, (x, colour, panel) = ablation_results.METRICS[metric], axes
    panels, lines = ([value for value in order.get(name, ()) if (frame[name] == value).any()] or [""] for name in (panel, colour))
    panels, at = panels[:MOST_PANELS], [value for value in order[x] if (frame[x] == value).any()] or [ablation_results.ANY]
    wide = min(3, len(panels))
    tall = math.ceil(len(panels) / wide)
    where, is_spaced = _places(at, numbers or {})
    title, how = f"{about.label} against {labels[x].lower()}", "marks: mean · bars: 95 % interval · dots: single runs"
    how += "" if is_spaced else " · values stand equally apart"
    base = style.figure(title, how, x="", y="", height=190 + 240 * tall, revision=revision, legend=len(lines) > 1)
    titles = [f"{labels[panel]}: {short(value)}" for value in panels] if panels != [""] else None
    figure = make_subplots(
        tall, wide, shared_yaxes="all", subplot_titles=titles, horizontal_spacing=0.04, vertical_spacing=0.2, figure=base
    )
    for index, value in enumerate(panels):
        place = {"row": index // wide + 1, "col": index % wide + 1}
        for rank, line in enumerate(lines):
            part = frame[_is(frame, panel, value) & _is(frame, colour, line)]
            shift = (rank - (len(lines) - 1) / 2) * (0.006 * max(where.values()) if is_spaced else min(0.06, 0.4 / len(lines)))
            paint = plugin_styles.colour_of(line) if colour == "pruner" else _COLOURS[rank % len(_COLOURS)]
            if rank and len(part) and (part[colour] == ablation_results.ANY).all():
                continue  # the same runs as the first line's
            for trace in _line(part, metric, x, where, line, rank, shift, paint):
                figure.add_trace(trace.update(showlegend=trace.showlegend and not index), **place)
    pad = 0.08 * max(where.values()) if is_spaced else 0.5
    ticks = {"tickvals": list(where.values()), "ticktext": [short(t).replace(" (", f"{markup.BREAK}(") for t in at]}
    figure.update_xaxes(range=[min(where.values()) - pad, max(where.values()) + pad], tickangle=0, showline=True, **ticks)
    figure.update_xaxes(title_text=labels[x], row=tall)
    figure.update_yaxes(title_text=about.title, col=1)
    raised = titles is not None and len(lines) > 1  # the legend is above the titles of the panels
    figure.update_layout(hovermode="closest", margin_t=96 + 30 * raised, legend_title_text=labels[colour])
    return figure.update_layout(legend_y=1 + 30 * raised / (240 * tall))


def _is(frame: pd.DataFrame, name: str, value: str) -> pd.Series:
    """Rows of one panel or line; a setting without effect belongs to all of them."""
    return frame[name].isin([value, ablation_results.ANY]) if name in frame and value else pd.Series(True, index=frame.index)


def _places(values: Sequence[str], numbers: Mapping[str, float]) -> tuple[dict[str, float], bool]:
    """Where the values stand, from 0 on; and whether that is as far apart as they are: not where some would lie on others."""
    found = sorted({numbers[value] for value in values if value in numbers})
    gaps = np.diff(found)
    if len(found) < len(values) or len(found) < 2 or gaps.min() < 0.12 * (found[-1] - found[0]):
        return {value: float(place) for place, value in enumerate(values)}, False
    return {value: numbers[value] - found[0] for value in values}, True


def _line(
    part: pd.DataFrame, metric: str, x: str, at: Mapping[str, float], line: str, rank: int, shift: float, paint: str
) -> list[go.Scatter]:
    """Single runs as dots, and their means with intervals."""
    dots = part.dropna(subset=[metric])
    if not len(dots):
        return []
    idle = dots[dots[x] == ablation_results.ANY]  # where x has no effect the line is flat
    dots = pd.concat([dots[dots[x] != ablation_results.ANY], *(idle.assign(**{x: value}) for value in at)])
    table = ablation_results.summary(dots, [x], metric)
    places = [at[value] + shift for value in table[x]]
    name, single = short(line) or "runs", {"size": 5, "color": paint, "opacity": 0.5}
    bars = {"type": "data", "thickness": 1.5, "width": 4}
    bars |= {"array": (table["high"] - table["mean"]).fillna(0), "arrayminus": (table["mean"] - table["low"]).fillna(0)}
    return [
        go.Scatter(
            x=[at[value] + shift for value in dots[x]],
            y=dots[metric],
            mode="markers",
            marker=single,
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        ),
        go.Scatter(
            x=places,
            y=table["mean"],
            error_y=bars,
            name=name,
            legendgroup=name,
            mode="lines+markers",
            showlegend=True,
            line={"color": paint, "width": 2, "dash": _DASHES[rank % len(_DASHES)]},
            marker={"size": 9, "symbol": _SYMBOLS[rank % len(_SYMBOLS)]},
            text=[ablation_results.as_text(one, metric) for one in table.to_dict("records")],
            hovertemplate=markup.hover(markup.literal(name), "%{text}"),
        ),
    ]


def parallel(
    frame: pd.DataFrame, axes: Sequence[str], metric: str, order: Order, labels: Mapping[str, str], *, revision: str = ""
) -> go.Figure:
    """Every finished run as a line through its settings and results, coloured by the metric."""
    done = frame[frame["state"] == "done"]
    about = ablation_results.METRICS[metric]
    figure = style.figure(
        "Which settings lead where?", f"one line is one run · colour: {about.label.lower()} · drag along an axis to filter the table",
        x="", y="", height=420, revision=revision, legend=False,
    )  # fmt: skip
    shown = [_setting_axis(done, name, order, labels) for name in axes if len(order[name]) > 1]
    for name in dict.fromkeys([metric, "test_accuracy", "generalization_gap", "sparsity", "seconds"]):
        values = done[name].astype(float)
        if values.notna().any():
            low, high = float(values.min()), float(values.max())
            pad = 0.02 * (high - low) or 0.5
            shown.append({"label": ablation_results.METRICS[name].title, "values": values.to_numpy(), "range": [low - pad, high + pad]})
    if len(done):
        line = {"color": done[metric].to_numpy(dtype=float), "colorscale": style.scale(style.SEQUENTIAL[3:8]), "showscale": True}
        line["colorbar"] = {"title": {"text": about.unit, "side": "right"}, "thickness": 10}
        names, pale = done["run_id"].tolist(), {"line": {"opacity": 0.08}}
        shown_by_ticks = {"color": "rgba(0,0,0,0)"}  # the ends of an axis with four decimals
        figure.add_trace(go.Parcoords(ids=names, dimensions=shown, line=line, labelangle=0, rangefont=shown_by_ticks, unselected=pale))
    return figure.update_layout(margin={"l": 60, "r": 40, "t": 110, "b": 30})


def parallel_names(frame: pd.DataFrame, axes: Sequence[str], metric: str, order: Order) -> list[str]:
    """Columns behind the axes of `parallel`, in their order."""
    done = frame[frame["state"] == "done"]
    numbers = dict.fromkeys([metric, "test_accuracy", "generalization_gap", "sparsity", "seconds"])
    return [name for name in axes if len(order[name]) > 1] + [name for name in numbers if done[name].notna().any()]


def _setting_axis(frame: pd.DataFrame, name: str, order: Order, labels: Mapping[str, str]) -> dict[str, Any]:
    ticks = [*order[name], *([ablation_results.ANY] if (frame[name] == ablation_results.ANY).any() else [])]
    return {
        "label": labels[name],
        "values": ablation_results.positions(frame, name, order).to_numpy(),
        "range": [-0.3, len(ticks) - 0.7],
        "tickvals": list(range(len(ticks))),
        "ticktext": [short(value) for value in ticks],
    }
