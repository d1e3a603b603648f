"""Figures of the reality check: file sizes of the network, and the time of a forward pass versus a dense reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from .. import markup
from . import style

TORCH = "torch"
UNSURE = 0.25  # width of a ratio's interval above which small differences are not reported
_SIDES = {"dense": ("no zeros", style.GREY, "square"), "pruned": ("pruned", "#0072B2", "circle")}
_SHRUNK = {"shrunk": ("shrunk", "#009E73", "diamond")}
SHRUNK = "Shrunk: without idle channels"  # a way of writing, as those of transfer/sparse_sizes


def weights(sizes: Mapping[str, int], names: Mapping[str, str], *, revision: str = "") -> go.Figure:
    """Bytes of the network in each format, labelled with the share of the raw size."""
    raw = sizes["raw"]
    figure = style.figure(
        "What gets smaller?",
        f"all tensors of the network, counted in real bytes · raw: {raw / 1e6:.3g} MB",
        x=f"written, {'kB' if raw < 2e6 else 'MB'}",
        y="how it is written",
        height=360,
        revision=revision,
        legend=False,
    )
    unit = 1e3 if raw < 2e6 else 1e6
    smallest = min(sizes.values())
    figure.add_trace(
        go.Bar(
            y=[names[way] for way in sizes],
            x=[size / unit for size in sizes.values()],
            orientation="h",
            marker={"color": ["#009E73" if size == smallest < raw else style.GREY for size in sizes.values()]},
            text=[f" {100 * size / raw:.0f} %{' · smallest' if size == smallest < raw else ''}" for size in sizes.values()],
            textposition="outside",
            cliponaxis=False,
            customdata=list(sizes.values()),
            hovertemplate=markup.hover("%{y}", "%{customdata:,} bytes"),
        )
    )
    figure.update_layout(hovermode="closest", bargap=0.35)
    figure.update_xaxes(range=[0, 1.25 * max(sizes.values()) / unit])
    figure.update_yaxes(showgrid=False, autorange="reversed")
    return figure


def latency(times: Sequence[Mapping[str, Any]], *, revision: str = "") -> go.Figure:
    """Milliseconds of a forward pass, dense reference, pruned and, where there is one, shrunk network in turn: median and middle half."""
    figure = style.figure(
        "What gets faster?",
        "forward pass on this machine: median and middle half of the rounds",
        x="milliseconds (log scale)",
        y="images at once",
        height=360 if len(times) < 3 else 120 + 100 * len(times),  # three marks in a row, each with its label
        revision=revision,
    )
    rows = np.arange(len(times))
    sides = _SIDES | (_SHRUNK if all(time.get("shrunk") for time in times) else {})
    for place, (side, (name, colour, symbol)) in enumerate(sides.items()):
        shift = 0.26 * (place - (len(sides) - 1) / 2)
        measured = [time["shrunk"]["time"] if side == "shrunk" else time[side] for time in times]
        middle, low, high = (1000 * np.asarray([one[key] for one in measured]) for key in ("median", "low", "high"))
        figure.add_trace(
            go.Scatter(
                x=middle,
                y=rows + shift,
                name=name,
                mode="markers+text",
                text=[f"   {value:.3g} ms" for value in middle],
                textposition="top center" if side == "dense" else "bottom center",
                marker={"symbol": symbol, "size": 12, "color": colour},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": high - middle,
                    "arrayminus": middle - low,
                    "thickness": 3,
                    "width": 6,
                },
                hovertemplate=markup.hover(f"{name}: %{{x:.4g}} ms"),
            )
        )
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(type="log", dtick="D2")
    figure.update_yaxes(tickvals=rows, ticktext=[_tick(time) for time in times], range=[len(times) - 0.35, -0.65], showgrid=False)
    return figure


def verdict(found: Mapping[str, Any], noticeable: float) -> tuple[str, str]:
    """(headline, detail): what the measurements mean, in plain words."""
    removed, sizes, times = 100 * (1 - found["density"]), found["bytes"], found["latency"]
    best = min(sizes, key=sizes.get)
    smaller = f"Its weights shrink to {100 * sizes[best] / sizes['raw']:.0f} % when the zeros are left out of the file"
    if found["density"] == 1.0:
        return "This network has no zeros to profit from", "It was not pruned: nothing can get smaller or faster by that."
    faster = [time for time in times if time["high"] < 1 - noticeable]
    slower = [time for time in times if time["low"] > 1 + noticeable]
    ratios = "; ".join(f"{_images(time)}: {time['ratio']:.2f} times as long ({time['low']:.2f} to {time['high']:.2f})" for time in times)
    if faster and len(faster) == len(times):
        head = f"Faster here: {removed:.1f} % of the weights are zero, and a forward pass takes {faster[0]['ratio']:.2f} times as long"
    elif faster:
        head = f"Faster for {_images(faster[0])} only, with {removed:.1f} % of the weights zero"
    elif slower:
        head = f"Nothing got faster, and some of it slower, with {removed:.1f} % of the weights zero"
    elif any(time["high"] - time["low"] > UNSURE for time in times):
        head = f"Nothing got measurably faster with {removed:.1f} % of the weights zero; this machine is too busy to say more"
    else:
        head = f"Nothing got faster: {removed:.1f} % of the weights are zero, and they are multiplied like any other number"
    if shrunk := [time | time["shrunk"] for time in times if time.get("shrunk")]:
        quick = [one for one in shrunk if one["high"] < 1 - noticeable]
        if quick:
            best_of = min(quick, key=lambda one: one["ratio"])
            gain = f"{1 / best_of['ratio']:.2f} times as fast as dense for {_images(best_of)}"
            head = f"Faster once shrunk: {gain}, with the same answers"
        ratios += ". Shrunk versus dense: " + "; ".join(
            f"{_images(one)}: {one['ratio']:.2f} times as long ({one['low']:.2f} to {one['high']:.2f})" for one in shrunk
        )
    memory = f"{100 * found['shrunk_bytes'] / sizes['raw']:.0f} % are left in memory once shrunk" if shrunk else "in memory nothing shrinks"
    return head, f"{smaller}; {memory}. Pruned versus dense: {ratios}."


def _images(time: Mapping[str, Any]) -> str:
    where = "" if time.get("runtime", TORCH) == TORCH else f" in {time['runtime']}"
    return ("one image" if time["batch"] == 1 else f"{time['batch']} images at once") + where


def _tick(time: Mapping[str, Any]) -> str:
    return str(time["batch"]) + ("" if time.get("runtime", TORCH) == TORCH else f"{markup.BREAK}{time['runtime']}")
