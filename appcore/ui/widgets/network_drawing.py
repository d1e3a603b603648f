"""The drawing of a network from its images down to its classes: one box a layer, with what pruning left of it. Click opens a layer.

Drawn in the browser, at the width that is there and only when it is near the screen; what is drawn is prepared here, once for each token.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from appcore.analysis import network_graph
from appcore.analysis.network_graph import Left, Row
from appcore.names import counted

from . import projector

HEIGHT = 720  # pixels: ResNet-20 is whole, a longer network scrolls
PROJECTED = 300  # with a projector, where it must end above the edge of a picture 720 high
_SIGNS = {"sum": "+", "concatenation": "∪", "product": "×", "join": "·"}
_COLUMNS = ("layer", "weights", "kept", "alive", "filters", "dead filters", "its output for one image")
_HTML = """
<div class="network">
  <div class="scroller"><svg role="group"></svg></div>
  <div class="cells" role="region" tabindex="0" hidden></div>
  <button class="as-table" type="button" aria-pressed="false">as table</button>
</div>
"""
_CSS = """
.network { width: 100%; color: var(--st-text-color); font-family: var(--st-font); }
.network .scroller, .network .cells { overflow: auto; }
.network svg { display: block; }
.network text { fill: var(--st-text-color); font-variant-numeric: tabular-nums; }
.network .sign { font-size: 12px; }
.network .wire { fill: none; stroke: #8b93a1; stroke-width: 1.5; }
.network .dot, .network .start { fill: #8b93a1; }
.network .joint { fill: var(--st-background-color); stroke: #8b93a1; stroke-width: 1.5; }
.network .hit { fill: transparent; }
.network .layer { cursor: pointer; outline: none; }
.network .layer:hover .hit, .network .chosen .hit { fill: rgba(122, 133, 148, 0.16); }
.network .layer:focus-visible .hit { stroke: var(--st-primary-color); stroke-width: 2; }
.network .box { fill: rgba(122, 133, 148, 0.18); }
.network .edge { fill: none; stroke: #8b93a1; }
.network .alive { fill: #3a8fd0; }
.network .idle { fill: #e69f00; }
.network .whole { fill: rgba(58, 143, 208, 0.35); }
.network .dead { fill: #0b0d11; stroke: #8b93a1; }
.network .as-table { margin-top: 0.2rem; padding: 0.1rem 0.4rem; font-size: 0.75rem; line-height: 1.3; cursor: pointer;
  color: var(--st-gray-text-color); background: transparent; border: 1px solid transparent; border-radius: 0.3rem; }
.network .as-table:hover, .network .as-table:focus-visible { color: var(--st-text-color); border-color: var(--st-border-color); }
.network .cells table { border-collapse: collapse; font-size: 0.8rem; font-variant-numeric: tabular-nums; }
.network .cells th, .network .cells td { padding: 0.15rem 0.6rem; border-bottom: 1px solid var(--st-border-color); text-align: right;
  white-space: nowrap; font-weight: 400; }
.network .cells th:first-child { text-align: left; }
.network .cells tr:first-child th { font-weight: 600; position: sticky; top: 0; background: var(--st-background-color); }
"""
_component = st.components.v2.component(
    "network_drawing",
    html=_HTML,
    css=_CSS,
    js=(Path(__file__).parent / "network_drawing.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def left_of(started: Mapping[str, Any], layers: pd.DataFrame, dead: Mapping[str, int] | None) -> dict[str, Left]:
    """What is left of each layer, from its counts (layer, kept, alive) and the dead filters of a prune point, where it counted them."""
    shapes = {layer["name"]: layer["shape"] for layer in started.get("layers") or ()}
    found = {}
    for name, kept, alive in zip(layers["layer"], layers["kept"], layers["alive"], strict=True):
        found[name] = Left(int(kept), int(alive), network_graph.dead_filters(shapes, dead, name))
    return found


def show(
    key: str,
    started: Mapping[str, Any],
    left: Callable[[], Mapping[str, Left]],
    token: Hashable,
    *,
    chosen: str = "",
    on_pick: Callable[[str], None] | None = None,
) -> None:
    """The drawing of a run's network; `left` is asked again only when `token` has changed. `on_pick` gets the weight that was clicked."""
    made = st.session_state.get(f"_{key}")
    is_long = len(started.get("graph") or started.get("layers") or ()) > network_graph.FOLD_FROM
    is_whole = not is_long or st.toggle(
        "Every layer", key=f"{key}_whole", help="Off: blocks that repeat are one box, with what is left of all of them"
    )
    wanted = (token, is_whole, chosen)
    if made is None or made["token"] != wanted:
        made = {"token": wanted, "data": _data(started, left(), is_whole, chosen)}
        st.session_state[f"_{key}"] = made
    data = {**made["data"], "scale": projector.scale(), "height": PROJECTED if projector.is_on() else HEIGHT}

    def picked() -> None:
        name = st.session_state[key].layer
        if on_pick and name:
            on_pick(name)

    _component(key=key, data=data, on_layer_change=picked)


def _data(started: Mapping[str, Any], left: Mapping[str, Left], is_whole: bool, chosen: str) -> dict[str, Any]:
    drawn = network_graph.rows(started, left, fold=not is_whole)
    arcs = [[arc.start, arc.end, arc.lane] for arc in network_graph.arcs(drawn)]
    rows = [_row(row, drawn, place - 1 in row.inputs, chosen, bool(left)) for place, row in enumerate(drawn)]
    return {"rows": rows, "arcs": arcs, "columns": _COLUMNS, "alt": alt(drawn)}


def _row(row: Row, drawn: list[Row], joined: bool, chosen: str, is_pruned: bool) -> dict[str, Any]:
    label = _label(row)
    common = {"kind": row.kind, "label": label, "joined": joined, "box": bool(row.layers), "title": label}
    if not row.layers:
        return common | {"sign": _SIGNS.get(row.kind, "·")}
    left = row.left
    kept, alive = (left.kept / row.total, left.alive / row.total) if left and row.total else (None, None)
    dead = left.dead if left else None
    brief = percent(kept) if kept is not None else "all" if is_pruned else ""
    words = [f"{percent(kept)} kept" if kept is not None else "not pruned" if is_pruned else f"{row.total:,} weights"]
    words += [f"{counted(dead, 'filter')} dead"] if dead else []
    title = [label, f"{row.total:,} weights {_size(row.shape)}".strip(), *(words if is_pruned else [])]
    if left and left.alive < left.kept:
        title.append(f"{left.kept - left.alive:,} kept ones are on no path from input to output")
    return common | {
        "name": row.layers[0],
        "chosen": chosen in row.layers,
        "width": network_graph.width(row, drawn),
        "kept": kept,
        "alive": alive,
        "dead": dead / row.filters if dead and row.filters else 0,
        "text": " · ".join(words),
        "brief": brief,
        "title": " · ".join(title),
        "cells": [
            label,
            f"{row.total:,}",
            percent(kept) if kept is not None else "not pruned" if is_pruned else "",
            percent(alive) if alive is not None else "",
            f"{row.filters:,}",
            "" if dead is None else f"{dead:,}",
            _size(row.output),
        ],
    }


def _label(row: Row) -> str:
    if row.kind == "images":
        return f"images {_size(row.output)}".strip()
    names = [name.removesuffix(".weight") for name in row.layers]
    if len(names) < 2:
        return names[0] if names else row.kind
    ends = [name.split(".") for name in (names[0], names[-1])]
    same = next((place for place, (one, other) in enumerate(zip(*ends, strict=False)) if one != other), 0)
    first, last = (".".join(parts[: same + 1]) for parts in ends)  # layer3.1 to layer3.5, as their layers have the same names
    return f"{first} to {last}, {row.blocks} × {len(names) // row.blocks}"


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)


def percent(share: float) -> str:
    """A share as a percentage that tells nothing and little apart."""
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.2g} %"


def alt(drawn: list[Row]) -> str:
    """The drawing in a sentence."""
    layers = [row for row in drawn if row.layers]
    known = [row for row in layers if row.left]
    text = f"The network from its images to its classes: {counted(sum(len(row.layers) for row in layers), 'layer')}"
    if known:
        least = min(known, key=lambda row: row.left.kept / max(row.total, 1) if row.left else 1.0)
        share = least.left.kept / max(least.total, 1) if least.left else 1.0
        text += f"; {_label(least)} keeps the least of its weights, {percent(share)}"
        dead = sum(row.left.dead or 0 for row in known if row.left)
        text += f"; {counted(dead, 'filter')} dead" if dead else ""
    return f"{text}."
