"""Figures of layers at one megabatch and of the early layers over time, with helpers for all figures of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .. import markup
from ..analysis.measures import fraction_kept
from ..names import display
from ..planning import stages
from . import style
from .axes import stage_axis
from .run_styles import looks

Run = Mapping[str, Any]
Runs = Sequence[Run]


def newest(layers: pd.DataFrame) -> pd.DataFrame:
    """One row per (run, megabatch, layer): the counts at the megabatch's end if there are any, else at its prune point."""
    return layers.sort_values(["run_id", "megabatch", "segment", "seq"]).drop_duplicates(["run_id", "megabatch", "layer"], keep="last")


def grid(layers: pd.DataFrame, column: str, megabatches: int) -> tuple[list[str], np.ndarray]:
    """Layer names in network order, and the values of a column as an array [layer, megabatch], NaN where unknown."""
    rows = newest(layers)
    names = rows.sort_values("seq")["layer"].drop_duplicates().tolist()
    values = np.full((len(names), megabatches), np.nan, dtype=np.float64)
    place = {name: row for row, name in enumerate(names)}
    values[rows["layer"].map(place).to_numpy(dtype=int), rows["megabatch"].to_numpy(dtype=int)] = rows[column].to_numpy(dtype=float)
    return names, values


def staged(layers: pd.DataFrame, runs: Runs) -> tuple[pd.DataFrame, str, list[str]]:
    """(the layers with the stage of each row in place of its megabatch, the word for a stage, the label of each): rounds where all of
    these runs have rounds, else megabatches."""
    places = stages.axis_of(runs)
    word, labels = stages.named(places)
    if word == "megabatch":
        return layers, word, labels
    parts = [layers[layers["run_id"] == run["run_id"]] for run in runs]
    found = [part.assign(megabatch=stages.of_run(run).of(part)) for part, run in zip(parts, runs)]
    return pd.concat(found, ignore_index=True), word, labels


def reached(layers: pd.DataFrame, runs: Runs) -> pd.Series:
    """The newest stage (from 0) with counted layers, by run id."""
    return staged(layers, runs)[0].groupby("run_id")["megabatch"].max()


def networks(layers: pd.DataFrame, runs: Runs) -> list[list[Run]]:
    """The runs with counted layers by their network, in their order: those whose layers have the same names and sizes."""
    found: dict[tuple, list[Run]] = {}
    for run in runs:
        mine = layers[layers["run_id"] == run["run_id"]].drop_duplicates("layer")
        if len(mine):
            found.setdefault(tuple(zip(mine["layer"], mine["total"])), []).append(run)
    return list(found.values())


def network_name(runs: Runs) -> str:
    """The network of these runs and what it was trained on: ResNet-20 on Digits."""
    config = runs[0]["config"]
    return f"{display(config['arch'])} on {display(config['dataset'])}"


def kept_by_layer(layers: pd.DataFrame, runs: Runs, chosen: int, *, revision: str = "", among: Runs = (), network: str = "") -> go.Figure:
    """Fraction kept of every layer at the chosen stage (from 0), one mark per run, joined by lines that show the differences.

    A run that ended before is shown at its end. `network` names it in the title, where a page shows several.
    """
    layers, word, labels = staged(layers[layers["run_id"].isin([run["run_id"] for run in runs])], among or runs)
    figure = style.figure(
        f"What is kept of each layer{network and ' of '}{network}, at {word} {labels[min(chosen, len(labels) - 1)]}?",
        "a mark for each run, at its end if it has not come so far · bar: from the lowest to the highest",
        x="kept, % of the layer's weights",
        y="layer",
        revision=revision,
    )
    rows = newest(layers)
    rows = rows[rows["megabatch"] <= chosen].drop_duplicates(["run_id", "layer"], keep="last")
    names = newest(layers).sort_values("seq")["layer"].drop_duplicates().tolist()
    found = looks(among or runs)
    place = {name: row for row, name in enumerate(names)}
    shares = rows.assign(share=100 * fraction_kept(rows), place=rows["layer"].map(place))
    _add_joins(figure, shares)
    for run in runs:
        look = found[run["run_id"]]
        mine = shares[shares["run_id"] == run["run_id"]]
        figure.add_trace(
            go.Scatter(
                x=mine["share"].to_numpy(np.float32),
                y=mine["place"].to_numpy(),
                name=look.label,
                mode="markers",
                text=mine["layer"].tolist(),
                marker={"symbol": look.symbol, "size": 11, "color": look.colour, "line": {"width": 1, "color": "white"}},
                customdata=mine[["kept", "total", "alive"]].to_numpy(),
                hovertemplate=markup.hover(
                    markup.bold("%{text}"),
                    f"{markup.literal(look.label)} keeps %{{x:.2f}} %",
                    "%{customdata[0]:,} of %{customdata[1]:,}",
                    "alive %{customdata[2]:,}",
                ),
            )
        )
    layer_axes(figure, names, None)
    figure.update_xaxes(range=[0, 103], ticksuffix=" %", showgrid=True)
    figure.update_yaxes(showgrid=True)
    return figure


def _add_joins(figure: go.Figure, shares: pd.DataFrame) -> None:
    spans = shares.groupby("place")["share"].agg(["min", "max"])
    x = np.column_stack([spans["min"], spans["max"], np.full(len(spans), np.nan)]).ravel().astype(np.float32)
    y = np.repeat(spans.index.to_numpy(dtype=np.float32), 3)
    figure.add_trace(
        go.Scatter(x=x, y=y, mode="lines", line={"width": 4, "color": "rgba(122,133,148,0.35)"}, hoverinfo="skip", showlegend=False)
    )


def early_layers(shares: pd.DataFrame, runs: Runs, names: Sequence[str], *, revision: str = "", among: Runs = ()) -> go.Figure:
    """Mean fraction kept of the early layers over the stages; `shares` has run_id, megabatch (the stage), early (a fraction)."""
    word, labels = stages.named(stages.axis_of(among or runs))
    figure = style.figure(
        "Who prunes the early layers harder?",
        f"{_first(names)} · lower means pruned harder" if names else "no layer yet",
        x=word,
        y="kept of the early layers, %",
        height=style.COMPARED,
        revision=revision,
    )
    found = looks(among or runs)
    for run in runs:
        look = found[run["run_id"]]
        mine = shares[shares["run_id"] == run["run_id"]]
        figure.add_trace(
            go.Scatter(
                x=mine["megabatch"].to_numpy() + 1,
                y=100 * mine["early"].to_numpy(dtype=np.float32),
                name=look.label,
                mode="lines+markers",
                line={"color": look.colour, "dash": look.dash, "width": 2.5},
                marker={"symbol": look.symbol, "size": 9},
                text=[labels[place] for place in mine["megabatch"]],
                hovertemplate=f"keeps %{{y:.1f}} % at {word} %{{text}}",
            )
        )
    figure.update_xaxes(unifiedhovertitle={"text": "early layers"})
    figure.update_yaxes(range=[0, 103], ticksuffix=" %")
    return stage_axis(figure, labels)


def _first(names: Sequence[str]) -> str:
    last = style.short_layer(names[-1])
    return f"mean over the first {len(names)} layers, up to {last}" if len(names) > 1 else f"the first layer, {last}"


def layer_axes(figure: go.Figure, names: Sequence[str], megabatches: int | None, *, least: int = style.COMPARED) -> go.Figure:
    """The axes of a figure with a row for each layer, from the input down, and its height, of `least` pixels."""
    every = max(1, int(np.ceil(len(names) / 40)))
    figure.update_layout(height=max(least, min(160 + 29 * len(names), style.TALL), 150 + 9 * len(names)), hovermode="closest")
    figure.update_yaxes(
        range=[max(len(names), 1) - 0.5, -0.5],
        tickvals=list(range(0, len(names), every)),
        ticktext=[style.short_layer(name) for name in names[::every]],
        tickfont_size=11,
        showgrid=False,
        ticks="",
    )
    if megabatches:
        figure.update_xaxes(
            range=[0.5, megabatches + 0.5], dtick=1 if megabatches <= 20 else None, showgrid=False, ticks="", showline=False
        )
    return figure
