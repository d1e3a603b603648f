"""Figures of what runs achieved for their cost: errors over the stream, anytime relative error, and accuracy against compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .. import markup, plugin_styles, plugins
from ..analysis.measures import MEASURES, lower, newest
from ..names import counted, method_and_pruner
from . import style
from .run_styles import looks
from .stream_timeline import faint

Runs = Sequence[Mapping[str, Any]]
# name in the address: measure of the registry
COMPUTE = {"dense": MEASURES["total_flops_dense"], "sparse": MEASURES["total_flops_sparse"], "seconds": MEASURES["seconds"]}


def error_area(runs: Runs, megabatches: pd.DataFrame, *, revision: str = "", among: Runs = ()) -> go.Figure:
    """Test images misclassified after each megabatch; the area under the steps is the CER."""
    figure = style.figure(
        "How many errors on the way?",
        f"{lower(MEASURES['test_errors'].help)} · the area is the {MEASURES['cer'].label} · lower is better",
        x="megabatch",
        y=MEASURES["test_errors"].title,
        height=style.COMPARED,
        revision=revision,
    )
    found = looks(among or runs)
    for run in runs:
        mine, look = _of(megabatches, run), found[run["run_id"]]
        if mine.empty:
            continue
        x, errors = mine["megabatch"].to_numpy() + 1.0, mine["test_errors"].to_numpy()
        figure.add_trace(
            go.Scatter(
                x=np.append(x - 0.5, x[-1] + 0.5),
                y=np.append(errors, errors[-1]),
                name=f"{look.label}: {MEASURES['cer'].label} {int(errors.sum()):,}",
                mode="lines",
                line={"shape": "hv", "color": look.colour, "dash": look.dash, "width": 2.5},
                fill="tozeroy",
                fillcolor=faint(look.colour, 0.12 if len(runs) < 4 else 0.04),
                customdata=np.column_stack([np.append(np.cumsum(errors), errors.sum()), np.append(x, x[-1])]),
                hovertemplate=markup.hover(
                    markup.bold(markup.literal(look.label)),
                    "megabatch %{customdata[1]}",
                    "%{y:,} wrong, %{customdata[0]:,} so far",
                ),
            )
        )
    figure.update_yaxes(rangemode="tozero")
    return _over_megabatches(figure, runs)


def relative_errors(runs: Runs, changes: pd.DataFrame, *, revision: str = "", among: Runs = ()) -> go.Figure:
    """Change of the test error from one megabatch to the next. `changes` has columns run_id, megabatch (from 0), change (a fraction)."""
    about = MEASURES["relative_error"]
    figure = style.figure(
        "Does each new megabatch still help?",
        f"{lower(about.help)} · below 0: it learned, above: it forgot",
        x="megabatch",
        y=about.title,
        height=style.COMPARED,
        revision=revision,
    )
    found = looks(among or runs)
    figure.add_hline(y=0, line={"width": 1.5, "color": style.GREY})
    for run in runs:
        mine, look = _of(changes, run), found[run["run_id"]]
        figure.add_trace(
            go.Scatter(
                x=mine["megabatch"].to_numpy() + 1,
                y=100 * mine["change"].to_numpy(dtype=float),
                name=look.label,
                mode="lines+markers",
                line={"color": look.colour, "dash": look.dash, "width": 2},
                marker={"symbol": look.symbol, "size": 8},
                hovertemplate=markup.hover(markup.bold(markup.literal(look.label)), "megabatch %{x}", "%{y:+.1f} points"),
            )
        )
    return _over_megabatches(figure, runs)


def _over_megabatches(figure: go.Figure, runs: Runs) -> go.Figure:
    count = max((int(run["config"]["megabatches"]) for run in runs), default=1)
    figure.update_layout(hovermode="closest")
    return figure.update_xaxes(range=[0.5, count + 0.5], dtick=1 if count <= 20 else None)


def _of(frame: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    return frame[frame["run_id"] == run["run_id"]].sort_values("megabatch")


def worth(runs: Runs, ends: pd.DataFrame, compute: str) -> pd.DataFrame:
    """One row per finished run: run_id, title, method, pruner, sparsity, compute (in the unit of its axis), accuracy, is_front."""
    last, about = {end["run_id"]: end for end in ends.to_dict("records")}, COMPUTE[compute]
    rows = []
    for run in runs:
        values = newest(run, last.get(run["run_id"]))
        if run["status"] != "done" or run["run_id"] not in last or not values[about.name] > 0:
            continue
        row = {name: run[name] for name in ("run_id", "title", "method", "pruner", "arch")}
        numbers = {"compute": about.shown(values[about.name]), "accuracy": values["test_accuracy"]}
        rows.append(row | {"replay": run["config"]["replay"], "sparsity": values["sparsity"]} | numbers)
    found = pd.DataFrame(rows)
    return found if found.empty else found.assign(is_front=front(found["compute"].to_numpy(), found["accuracy"].to_numpy()))


def front(cost: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Which points are on the Pareto front: no other is cheaper and as good, or better at no higher cost. Equal points all are."""
    order = np.lexsort((-gain, cost))  # the best of each cost first: comparing all pairs would take a gigabyte for ten thousand runs
    costs, gains = cost[order], gain[order]
    first = np.searchsorted(costs, costs)
    cheaper = np.concatenate([[-np.inf], np.fmax.accumulate(gains)])[first]
    found = np.empty(len(order), dtype=bool)
    found[order] = (gains > cheaper) & (gains == gains[first])
    return found


def pareto(points: pd.DataFrame, compute: str, picked: Sequence[str] = (), *, revision: str = "") -> go.Figure:
    """Final test accuracy against compute, one mark per run, and the Pareto front as a line."""
    best = points[points["is_front"]].sort_values(["compute", "accuracy"])
    figure = style.figure(
        "What does accuracy cost?",
        f"{counted(len(points), 'finished run')} · line and rings: the {len(best)} that no other beats",
        x=COMPUTE[compute].title,
        y=MEASURES["test_accuracy"].title,
        height=500,
        revision=revision,
    )
    figure.add_trace(
        go.Scatter(
            x=best["compute"],
            y=100 * best["accuracy"],
            name="front",
            mode="lines+markers",
            line={"shape": "hv", "color": style.GREY, "width": 2},
            marker={"symbol": "circle-open", "size": 19, "color": style.GREY, "line": {"width": 2}},
            hoverinfo="skip",
        )
    )
    has_pruner = points["method"].map(plugins.has_pruner).astype(bool)
    for (method, pruner), mine in points.assign(pruner=points["pruner"].where(has_pruner, "")).groupby(["method", "pruner"]):
        figure.add_trace(_marks(mine, method, pruner, picked))
    spread = points["compute"].max() / max(points["compute"].min(), 1e-12)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(type="log" if spread > 20 else "linear", rangemode="tozero" if spread <= 20 else "normal")
    return figure


def _marks(mine: pd.DataFrame, method: str, pruner: str, picked: Sequence[str]) -> go.Scatter:
    sizes = np.where(mine["run_id"].isin(picked), 13, 9)
    about = np.column_stack([mine["title"], 100 * mine["sparsity"], mine["replay"], mine["run_id"]])
    return go.Scatter(
        x=mine["compute"],
        y=100 * mine["accuracy"],
        name=method_and_pruner(method, pruner),
        mode="markers",
        marker={
            "symbol": plugin_styles.symbol(method),
            "size": sizes,
            "color": plugin_styles.colour(method, pruner),
            "line": {"width": 1, "color": "white"},
        },
        customdata=about,
        hovertemplate=markup.hover(
            markup.bold("%{customdata[0]}"),
            "%{y:.1f} % accurate",
            "compute %{x:.3g}",
            "sparsity %{customdata[1]:.1f} %",
            "replay %{customdata[2]}",
            "%{customdata[3]}",
        ),
    )
