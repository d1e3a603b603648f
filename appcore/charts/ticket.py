"""Is the ticket as good? Test accuracy of each round against the weights left, beside the control and the dense network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .. import markup
from ..analysis import rounds as of_rounds
from ..analysis.measures import MEASURES
from ..names import counted
from . import style
from .run_styles import Look, looks

Runs = Sequence[Mapping[str, Any]]
_TICKS = [float(f"{digit}e{power}") for power in range(2, -4, -1) for digit in (5, 2, 1)]  # % of weights left


def ticket(runs: Runs, rounds: pd.DataFrame, megabatches: pd.DataFrame, *, revision: str = "") -> go.Figure:
    """Test accuracy of each round of the tickets among `runs` over the weights left, on a logarithmic axis, with the marks of their
    re-initialised controls and the dense runs as a band from the lowest to the highest seed. Other runs are left out."""
    found, look = of_rounds.sorted_out(runs), looks(runs)
    tables = {run["run_id"]: of_rounds.tests(run, rounds, megabatches) for run in found.all}
    figure = style.figure(
        "Is the ticket as good?",
        _subtitle(found, tables),
        x="weights left, % (logarithmic)",
        y=MEASURES["test_accuracy"].title,
        revision=revision,
    )
    edges = [100 * value for table in tables.values() for value in table["test_accuracy"]]
    least = min([100 * value for table in tables.values() for value in table["density"] if value > 0], default=100.0)
    low, high = 0.8 * least, 125.0
    _add_dense(figure, [tables[run["run_id"]] for run in found.dense], [look[run["run_id"]] for run in found.dense], (low, high))
    several = len(found.tickets) + len(found.controls) > 2
    for run in [*found.tickets, *([] if found.tickets else found.controls)]:
        mine, name = tables[run["run_id"]], look[run["run_id"]].label if several else "ticket"
        _add_rounds(figure, mine[~mine["is_fresh"]], look[run["run_id"]], name)
    for run in found.controls:
        mine = tables[run["run_id"]]
        name = f"{look[run['run_id']].label}, re-initialised" if several else "re-initialised control"
        _add_fresh(figure, mine[mine["is_fresh"]], look[run["run_id"]], name)
    ticks = [tick for tick in _TICKS if low <= tick <= 100]
    figure.update_xaxes(
        type="log",
        range=[np.log10(high), np.log10(low)],
        tickvals=ticks,
        ticktext=[f"{tick:g} %" for tick in ticks],
        unifiedhovertitle={"text": "%{x:.3~g} % of the weights left"},
    )
    bottom, top = (min(edges), max(edges)) if edges else (0.0, 100.0)
    room = max(1.0, 0.12 * (top - bottom))
    return figure.update_yaxes(range=[max(0.0, bottom - room), min(101.0, top + room)], ticksuffix=" %")


def _subtitle(found: of_rounds.Beside, tables: Mapping[str, pd.DataFrame]) -> str:
    parts = ["marks: the end of each round"]
    seeds = sum(len(tables[run["run_id"]]) > 0 for run in found.dense)
    parts += [f"band: dense, {counted(seeds, 'seed')}, lowest to highest"] if seeds > 1 else ["grey line: dense, one seed"] if seeds else []
    lacking = [number for run in found.tickets for number in of_rounds.unrecorded(run, tables[run["run_id"]])]
    parts += ["the values of earlier rounds were not recorded"] if lacking else []
    return " · ".join(parts)


def _add_rounds(figure: go.Figure, mine: pd.DataFrame, look: Look, name: str) -> None:
    marker = {"symbol": look.symbol, "size": 9, "line": {"width": 1, "color": "white"}}
    figure.add_trace(_ends(mine, name, mode="lines+markers", line={"color": look.colour, "width": 2.5}, marker=marker))


def _add_fresh(figure: go.Figure, mine: pd.DataFrame, look: Look, name: str) -> None:
    marker = {"symbol": "x", "size": 12, "color": look.colour, "line": {"width": 1, "color": "white"}}
    figure.add_trace(_ends(mine, name, mode="markers", marker=marker))


def _ends(mine: pd.DataFrame, name: str, **look: Any) -> go.Scatter:
    """Test accuracy against weights left, at the end of each round."""
    return go.Scatter(
        x=100 * mine["density"].to_numpy(dtype=float),
        y=100 * mine["test_accuracy"].to_numpy(dtype=float),
        name=name,
        customdata=mine["round"],
        hovertemplate=markup.hover(f"{markup.literal(name)}, round %{{customdata}}: %{{y:.1f}} %"),
        **look,
    )


def _add_dense(figure: go.Figure, tables: Sequence[pd.DataFrame], shown: Sequence[Look], span: tuple[float, float]) -> None:
    """The accuracy at the end of the dense runs, over the whole axis: they have one density."""
    values = [100 * float(table["test_accuracy"].iloc[-1]) for table in tables if len(table)]
    if not values:
        return
    colour, mean = shown[0].colour, float(np.mean(values))
    if len(values) > 1:
        figure.add_hrect(min(values), max(values), fillcolor=colour, opacity=0.18, line_width=0, layer="below")
    about = f", {min(values):.1f} to {max(values):.1f} %" if len(values) > 1 else ""
    name = f"dense, mean of {len(values)} seeds" if len(values) > 1 else "dense"
    line = {"color": colour, "width": 2, "dash": "dash"}
    x = np.geomspace(*span, 60)  # points all along, so that the hover names it everywhere
    figure.add_trace(go.Scatter(x=x, y=np.full(len(x), mean), name=name, mode="lines", line=line, hovertemplate=f"%{{y:.1f}} %{about}"))
