"""The dashboard's figures of stored runs, as plotly figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import plotly.graph_objects as go

from .. import charts
from ..charts import run as run_charts
from ..errors import InputError
from .stored import Address, Frames, Which, frames, rows

_Runs = list[dict[str, Any]]


def figure(name: str, which: Which, *, at: int | None = None, store: Address = None) -> go.Figure:
    """A figure of the dashboard: `name` is one of `figures()`, `which` names runs as `frames` takes them.

    `at`: the megabatch or round, from 1, of figures that show one; by default the last one. The figure is as in the light theme.
    InputError for a name or a number of runs that there is not.
    """
    if name not in figures():
        raise InputError(f"figure: unknown name {name!r}; choose one of {', '.join(figures())}", "figure")
    found = rows(which, store)
    needed, drawn = _OF_SEVERAL.get(name, (1, None))
    if len(found) != needed and needed != _ANY:
        raise InputError(f"figure: {name} is of {'one run' if needed == 1 else 'two runs'}, and {len(found)} are meant", "figure")
    tables, place = frames([run["run_id"] for run in found], store=store), None if at is None else at - 1
    result = drawn(found, tables, place) if drawn else _of_one(run_charts.found()[name], found[0], tables, place)
    result.update_layout(template=charts.template(dark=False), paper_bgcolor="white", plot_bgcolor="white")
    return result


def figures() -> dict[str, str]:
    """The figures that there are: name, and what is seen in it."""
    return {name: chart.alt for name, chart in run_charts.found().items()} | _ABOUT


def _of_one(chart: run_charts.RunChart, run: Mapping[str, Any], tables: Frames, at: int | None) -> go.Figure:
    shown = {"view": charts.View(), "moment": at}
    return chart.draw(run, **{name: shown[name] if name in shown else getattr(tables, name) for name in chart.needs})


def _last(tables: Frames, runs: _Runs, at: int | None) -> int:
    return int(charts.reached(tables.layers, runs).max()) if at is None else at


def _accuracy(runs: _Runs, tables: Frames, at: int | None) -> go.Figure:
    return charts.accuracy(runs, tables.epochs, tables.megabatches, rounds=tables.rounds)


def _loss(runs: _Runs, tables: Frames, at: int | None) -> go.Figure:
    return charts.loss(runs, tables.epochs, tables.megabatches)


def _gap(runs: _Runs, tables: Frames, at: int | None) -> go.Figure:
    return charts.gap(runs, tables.epochs, tables.megabatches)


def _errors(runs: _Runs, tables: Frames, at: int | None) -> go.Figure:
    return charts.errors(runs, tables.epochs, tables.megabatches)


def _early_layers(runs: _Runs, tables: Frames, at: int | None) -> go.Figure:
    return charts.early_layers(charts.early_shares(tables.layers, runs), runs, charts.early_names(tables.layers))


def _kept_by_layer(runs: _Runs, tables: Frames, at: int | None) -> go.Figure:
    return charts.kept_by_layer(tables.layers, runs, _last(tables, runs, at))


def _difference_map(runs: _Runs, tables: Frames, at: int | None) -> go.Figure:
    return charts.difference_map(tables.layers, runs[0], runs[1], _last(tables, runs, at))


def _mirrored(runs: _Runs, tables: Frames, at: int | None) -> go.Figure:
    return charts.mirrored(tables.layers, runs[0], runs[1], _last(tables, runs, at))


_ANY = 0
_OF_SEVERAL: dict[str, tuple[int, Callable[[_Runs, Frames, int | None], go.Figure]]] = {
    "accuracy": (_ANY, _accuracy),
    "loss": (_ANY, _loss),
    "gap": (_ANY, _gap),
    "errors": (_ANY, _errors),
    "early_layers": (_ANY, _early_layers),
    "kept_by_layer": (_ANY, _kept_by_layer),
    "difference_map": (2, _difference_map),
    "mirrored": (2, _mirrored),
}
_ABOUT = {
    "early_layers": "Curves: mean share kept of the first third of the layers",
    "kept_by_layer": "Marks: share kept of each layer, a mark for each run",
    "difference_map": "Heatmap: share kept of each layer, one of two runs minus the other",
    "mirrored": "Bars: share kept of each layer, two runs back to back",
}
