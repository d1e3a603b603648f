"""The one slider by which people choose how much is removed: percent of the weights, from left (none) to right (99.9 %), with marks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import streamlit as st

from appcore.planning import sparsity as sparsities
from appcore.quotas import FLOPS

LABEL = "Final sparsity"
MARKS = (0, 50, 80, 90, 95, 99, 99.9)
# Finer towards the right, where the same step removes a larger part of what is left: (from, to, step) in percent.
_STEPS = ((0, 80, 1), (80, 90, 0.5), (90, 95, 0.25), (95, 99, 0.1), (99, 99.9, 0.05))
_HELP = "Share of the weights that are removed in the end. tau counts rounds of removing a fifth of what is left: density 0.8 ** tau."
_OF_FLOPS = "Share of the FLOPs of a dense forward pass that is removed in the end. tau counts rounds of removing a fifth of what is left."
_OF_LAYERS = "The densities of layers say where pruning ends; tau counts the rounds in which the schedule gets there, all equally far."
# The slider's own labels of its ends would lie under the marks. Its track is as wide as the element.
_STYLE = """<style>
.st-key-{key} [data-testid="stSliderTickBar"] {{ display: none; }}
.st-key-{key} .marks {{ position: relative; height: 1.25rem; margin: -0.55rem 0.4rem 0; font-size: 0.75rem; opacity: 0.8; }}
.st-key-{key} .marks span {{ position: absolute; transform: translateX(-50%); white-space: nowrap; }}
.st-key-{key} .marks span::before {{ content: ""; position: absolute; left: 50%; top: -0.3rem; height: 0.3rem;
  border-left: 1px solid currentColor; }}
</style>"""


def places() -> list[float]:
    """Percentages that the slider offers."""
    found = {round(float(value), 2) for low, high, step in _STEPS for value in np.arange(low, high + step / 2, step)}
    return sorted(found)


def words(settings: Mapping[str, Any]) -> tuple[str, str]:
    """Label and help of the slider for what these settings take a density for."""
    if settings["densities"]:
        return "Pace to the densities of layers", _OF_LAYERS
    return ("FLOPs removed in the end", _OF_FLOPS) if settings["scope"] == FLOPS else (LABEL, _HELP)


def slider(
    removed: float,
    *,
    key: str,
    least: float = 0.0,
    label: str = LABEL,
    help: str = _HELP,
    on_change: Callable[..., None] | None = None,
    args: tuple[Any, ...] = (),
) -> float:
    """The chosen fraction of weights removed; `removed` is shown exactly, also where it lies between two steps or beyond the marks.

    With `on_change` the caller keeps the value (in percent under `key` while it is called) and passes it in at each run, else this does.
    `least`: the fraction that is gone already.
    """
    asked, lowest = sparsities.percent(max(removed, least)), sparsities.percent(least)
    others: set[float] = st.session_state.setdefault(f"_{key}_between", set())  # stay, so that arrow keys lead back to them
    others.add(asked)
    options = sorted(value for value in {*places(), *others} if value >= lowest)
    now = asked if on_change else st.session_state.get(key, asked)
    now = st.session_state[key] = now if now in options else asked
    with st.container(key=f"{key}-slider", gap="xxsmall"):
        st.select_slider(
            f"{label} :gray[:small[· tau {sparsities.tau_of(now / 100):.4g}]]",
            options,
            format_func=lambda value: f"{value:g}\u00a0%",
            key=key,
            help=help,
            on_change=on_change,
            args=args,
        )
        st.html(_STYLE.format(key=f"{key}-slider") + _marks(options))
    return removed if now == sparsities.percent(removed) else now / 100


def _marks(options: list[float]) -> str:
    """Numbers below the track, each where the slider stands at it."""
    last = max(len(options) - 1, 1)
    found = [f'<span style="left: {100 * options.index(mark) / last:.2f}%">{mark:g}</span>' for mark in MARKS if mark in options]
    return f'<div class="marks" aria-hidden="true">{"".join(found)}</div>'
