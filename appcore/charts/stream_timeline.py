"""Figures of what a stream costs: the timeline of its parts, the images that replay adds, and all replay rules side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .. import markup
from ..analysis.measures import MEASURES, lower
from ..names import counted
from . import style

MOST_PARTS = 100  # most rows and columns of the picture; longer streams show every n-th
_MOST_WORDS = 24
_KINDS = {"new": "#0072B2", "replayed": "#009E73", "validation": "#B8639A"}
_MARKS = {"new": "N", "replayed": "R", "validation": "V"}


def timeline(train: np.ndarray, val: np.ndarray, parts: list[tuple[int, int]], *, revision: str = "") -> go.Figure:
    """Parts (rows) over megabatches (columns): which images are new, seen again, or held out; paler means fewer of the part.

    `train` and `val` are images per epoch, [part, megabatch]; `parts` the (train, validation) images of each part.
    """
    count = len(parts)
    step = -(-count // MOST_PARTS)
    shown = np.arange(0, count, step)
    figure = style.figure(
        "Which data does it see, and when?",
        _subtitle(train, step),
        x="megabatch",
        y="part of the data",
        height=int(np.clip(150 + 30 * len(shown), 300, 560)),
        revision=revision,
    )
    codes, images = _cells(train, val, parts, shown)
    words, few = _words(len(shown)), len(shown) <= 40
    figure.add_trace(
        go.Heatmap(
            x=_edges(shown, step),
            y=shown + 1,
            z=codes,
            zmin=0,
            zmax=240,
            colorscale=_colours(),
            showscale=False,
            xgap=int(few),
            ygap=3 * few,
            customdata=images,
            text=words,
            hovertemplate=markup.hover(
                "megabatch %{x:.0f}, part %{y}",
                f"{'' if words is None else '%{text}: '}%{{customdata:,}} images in each epoch",
            ),
        )
    )
    _add_marks(figure, codes, images, shown)
    ticks = shown if len(shown) <= 20 else shown[:: max(1, len(shown) // 10)]
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(tickvals=ticks + 1, range=[0.5, count + 0.5], showgrid=False)
    figure.update_yaxes(tickvals=ticks + 1, range=[count + 0.5, 0.5], showgrid=False)
    return figure


def _subtitle(train: np.ndarray, step: int) -> str:
    pools = np.rint(train.sum(axis=0)).astype(int)
    grows = f"{counted(pools[0], 'training image')} in an epoch of the first megabatch, {pools[-1]:,} of the last"
    return grows + ("; paler: fewer" if step == 1 else f"; every {step}-th is shown")


def _cells(train: np.ndarray, val: np.ndarray, parts: list[tuple[int, int]], shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(colour codes, images): of each megabatch a column for training, one for validation, and a gap.

    Codes, a byte each: 0 nothing, then a run of 80 for each kind, the higher the more of the part is used.
    """
    sizes = np.asarray(parts, dtype=float)
    codes = np.zeros((len(shown), 3 * len(shown)), np.uint8)
    images = np.zeros(codes.shape, np.int16 if sizes.max() < 2**15 else np.int32)
    for side, counts in enumerate((train, val)):
        part = counts[np.ix_(shown, shown)]
        share = np.clip(part / sizes[shown, side][:, None], 0, 1)
        kind = np.where(np.eye(len(shown), dtype=bool), 1, 0) if side == 0 else 2
        codes[:, side::3] = np.where(np.rint(part) > 0, 80 * kind + 1 + np.rint(79 * share), 0)
        images[:, side::3] = np.rint(part)
    images[:, 2::3] = images[:, 0::3]
    return codes, images


def _edges(shown: np.ndarray, step: int) -> np.ndarray:
    """The edges of the columns: three quarters of a megabatch for training, about an eighth for validation, then a gap."""
    starts = shown[:, None] + 1 + step * np.asarray([-0.47, 0.2, 0.45])
    return np.append(starts.ravel(), shown[-1] + 1 + 0.5 * step)


def _colours() -> list[tuple[float, str]]:
    found = [(0.0, "rgba(0,0,0,0)"), (0.9 / 240, "rgba(0,0,0,0)")]
    for place, kind in enumerate(("replayed", "new", "validation")):
        found += [((80 * place + 1) / 240, faint(_KINDS[kind], 0.15)), ((80 * place + 80) / 240, faint(_KINDS[kind], 1.0))]
    return found


def faint(colour: str, share: float) -> str:
    """A transparent version of a colour."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def _words(rows: int) -> list[list[str]] | None:
    """Hover text of each cell; left out where there are thousands."""
    if rows > _MOST_WORDS:
        return None
    return [[word for now in range(rows) for word in ("new" if now == part else "seen again", "held out", "")] for part in range(rows)]


def _add_marks(figure: go.Figure, codes: np.ndarray, images: np.ndarray, shown: np.ndarray) -> None:
    """The legend; a letter on each cell, and the number of images where there is room: colour is never the only sign."""
    for kind, colour in _KINDS.items():
        figure.add_trace(_legend_entry(f"{_MARKS[kind]}: {kind}" if len(shown) <= 12 else kind, colour))
    if len(shown) > 12:
        return
    rows, columns = np.nonzero(codes)
    offsets = np.asarray([-0.135, 0.325, 0.0])
    kinds = [("V" if column % 3 == 1 else "N" if column // 3 == row else "R") for row, column in zip(rows, columns)]
    texts = [f"{kind} {images[row, column]:,}" if kind != "V" else kind for kind, row, column in zip(kinds, rows, columns)]
    dark = (codes[rows, columns].astype(int) - 1) % 80 > 52
    for is_chosen, font in (
        (dark, {"size": 11, "color": "#FFFFFF"}),
        (~dark, {"size": 11}),
    ):  # labels on pale cells take the theme's text colour
        figure.add_trace(
            go.Scatter(
                x=(shown[columns // 3] + 1 + offsets[columns % 3])[is_chosen],
                y=(shown[rows] + 1)[is_chosen],
                mode="text",
                text=[text for text, is_shown in zip(texts, is_chosen) if is_shown],
                textfont=font,
                hoverinfo="skip",
                showlegend=False,
                meta={"room": 0.64 / len(shown)},  # where a cell is too narrow for both, the page leaves the letter
            )
        )


def _legend_entry(name: str, colour: str) -> go.Scatter:
    return go.Scatter(x=[None], y=[None], name=name, mode="markers", marker={"symbol": "square", "size": 12, "color": colour})


def growth(rules: pd.DataFrame, chosen: str, names: Mapping[str, str], *, revision: str = "") -> go.Figure:
    """Training images so far, after each megabatch: the chosen replay rule between none and full."""
    figure = style.figure(
        "How does the cost grow?",
        "training images so far, repeats counted",
        x="megabatch",
        y="training images so far",
        height=360,
        revision=revision,
    )
    for rule in dict.fromkeys(("none", chosen, "full")):
        mine = rules[rules["replay"] == rule]
        is_chosen = rule == chosen
        x, y = style.thin(mine["megabatch"].to_numpy() + 1, mine["samples"].cumsum().to_numpy())
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                name=names[rule] + (" (chosen)" if is_chosen else ""),
                mode="lines+markers" if len(x) <= 30 else "lines",
                line={
                    "width": 3 if is_chosen else 2,
                    "color": _KINDS["replayed"] if is_chosen else style.GREY,
                    "dash": "solid" if is_chosen else "dot" if rule == "none" else "dash",
                },
                fill="tozeroy" if is_chosen else None,
                fillcolor=faint(_KINDS["replayed"], 0.12) if is_chosen else None,
                hovertemplate="%{y:,.0f}",
            )
        )
    figure.update_yaxes(rangemode="tozero")
    return figure


def rule_costs(rules: pd.DataFrame, chosen: str, names: Mapping[str, str], *, revision: str = "") -> go.Figure:
    """Training images of the whole stream under every rule, split into new and replayed; each with its multiple of no replay."""
    totals = rules.groupby("replay", sort=False)[["new", "replayed", "samples"]].sum()
    base = int(totals.loc["none", "samples"])
    figure = style.figure(
        "What does each kind of replay cost?",
        "training images of the whole stream; × no replay",
        x=lower(MEASURES["samples_seen"].label),
        y="replay",
        height=360,
        revision=revision,
    )
    labels = [markup.bold(f"▸ {names[rule]}") if rule == chosen else names[rule] for rule in totals.index]
    for kind in ("new", "replayed"):
        figure.add_trace(
            go.Bar(
                y=labels,
                x=totals[kind].to_numpy(),
                name=kind,
                orientation="h",
                marker={"color": _KINDS[kind], "pattern": {"shape": "" if kind == "new" else "/", "fillmode": "overlay"}},
                text=[f" {value / base:.2f} ×" for value in totals["samples"]] if kind == "replayed" else None,
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{x:,} images",
            )
        )
    figure.update_layout(barmode="stack", hovermode="y unified", bargap=0.35, legend={"traceorder": "normal"})
    figure.update_xaxes(range=[0, 1.16 * float(totals["samples"].max())])
    figure.update_yaxes(showgrid=False, autorange="reversed")
    return figure
