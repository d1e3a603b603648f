"""One layer in a mask snapshot: the picker of its part that is shown, and its kernels."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import streamlit as st

from appcore.charts.masks import mask_one_layer

from ..app import mask_data
from . import live_chart


def most(shape: Sequence[int]) -> tuple[int, int]:
    """How many filters and inputs fit in a picture with visible cells."""
    height, width = (shape[2], shape[3]) if len(shape) == 4 else (1, shape[2] if len(shape) == 3 else 1)
    return (128 if height == 1 else 128 // (height + 1)), (192 if width == 1 else 160 // (width + 1))


def windows(shape: Sequence[int]) -> tuple[range, range]:
    """The filters and inputs of a layer that are shown, with pickers where there are more than fit."""
    filters, inputs = (_window(what, count, limit) for what, count, limit in zip(("filter", "input"), shape[:2], most(shape)))
    return filters, inputs


def _window(what: str, count: int, limit: int) -> range:
    pages = [range(start, min(start + limit, count)) for start in range(0, count, limit)]
    if len(pages) == 1:
        return pages[0]
    chosen = st.selectbox(
        f"{what.capitalize()}s",
        list(range(len(pages))),
        format_func=lambda p: f"{pages[p].start} to {pages[p].stop - 1} of {count}",
        key=f"{what}_page",
        width=170,
    )
    return pages[chosen or 0]


def kernels(layer: str, before: str | None, now: str, parts: tuple[range, range], token: Hashable, revision: str) -> None:
    """The kernel map of a layer: each weight by what became of it since the snapshot before."""
    live_chart.chart(
        "kernels",
        (token, layer, before, now, *parts),
        lambda: mask_one_layer.kernels(layer, mask_data.fates(before, now, layer), *parts, revision=f"{revision} {layer}"),
        alt="Cells: each weight of the layer's kernels, kept, came back, just removed or removed earlier",
    )
