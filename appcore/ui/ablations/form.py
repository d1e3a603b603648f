"""The form for a new ablation: a base, values for any settings, and the cost before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from appcore import quotas
from appcore.config import build
from appcore.names import MOST_TITLE, counted, tail
from appcore.planning import ablation_grid, axis_values, sparsity
from appcore.presets import PRESETS

from ..app import page
from ..settings import fields
from ..widgets import sparsity_slider
from ..words import format, run_text, setting_labels
from ..words.number_columns import metric
from ..words.text import cells, plain

_COMMON = ("pruner", "seed")
_TYPED = {"seed": "0-2", "tau": "50, 90, 98", "megabatches": "2, 4, 8", "epochs": "4, 8", "lr": "0.02, 0.05, 0.1"}
_RUNS = 40


def label(name: str, *, of_weights: bool = True) -> str:
    """A setting's display name; parameters of plug-ins are marked as such. `of_weights` as in setting_labels.label_of_words."""
    if name.startswith(ablation_grid.OPTION):
        return f"{setting_labels.label(name.removeprefix(ablation_grid.OPTION))} (parameter)"
    return setting_labels.label_of_words(name, of_weights=of_weights)


def value_words(name: str, value: Any, *, of_weights: bool = True) -> str:
    """A value of a setting for display."""
    return setting_labels.value_words(name, ablation_grid.value_text(value), of_weights=of_weights)


def axis_words(name: str, text: str, *, of_weights: bool = True) -> str:
    """A value of an axis in tables and figures, which write names of plug-ins in their own way: 63.36 % (tau 4.5)."""
    return setting_labels.value_words(name, text, of_weights=of_weights) if name == "tau" else text


def show() -> tuple[dict[str, Any], dict[str, list[Any]], str]:
    """Draw the form; (base, axes, title). Settings with one value are part of the base. Axes are empty while anything is invalid."""
    base = _base()
    complete = build(base).model_dump(mode="json")
    of_weights = quotas.counts_weights(complete)
    names = st.multiselect(
        "Vary",
        ablation_grid.axis_names(),
        default=list(_COMMON),
        format_func=partial(label, of_weights=of_weights),
        key="vary",
        placeholder="Settings whose values to try",
        help="Any setting of a run, and every parameter of a pruner, method or schedule. A setting with one value holds for all runs.",
    )
    chosen = {name: _values(name, complete) for name in names}
    for name, values in chosen.items():
        if values is not None and not values:
            head = plain(label(name, of_weights=of_weights))
            st.caption(f":orange[:material/info: {head}: choose at least one value, or take it out of Vary.]")
    if not all(chosen.values()):
        return base, {}, ""
    picked = {name: values for name, values in chosen.items() if values is not None}
    base, axes = ablation_grid.split(base, picked)
    words = ablation_grid.title(axes, of_weights=ablation_grid.counts_weights(base, axes)) if axes else ""
    title = st.text_input("Title", key="sweep-title", max_chars=MOST_TITLE, placeholder=words)
    return base, axes, title


def _base() -> dict[str, Any]:
    runs = {run["run_id"]: run for run in page.manager().runs(_RUNS)}
    names = {**{name: f"Preset: {preset.title}" for name, preset in PRESETS.items()}}
    names |= {run_id: f"Run: {run['title'] or run_id} · {tail(run_id)}" for run_id, run in runs.items()}
    asked = st.query_params.get("base")
    if asked in names and "base-choice" not in st.session_state:
        st.session_state["base-choice"] = asked
    choice = st.selectbox("Base", list(names), format_func=names.__getitem__, key="base-choice", help="All settings that you do not vary")
    base = dict(PRESETS[choice].settings) if choice in PRESETS else dict(runs[choice]["config"])
    config = build(base)
    st.caption(run_text.summary({"config": config.model_dump(mode="json")}))
    return base


def _values(name: str, base: Mapping[str, Any]) -> list[Any] | None:
    """The control for one axis. None when the input cannot be read."""
    menu = ablation_grid.menu(name, base)
    key, help = f"axis-{name}", None if name.startswith(ablation_grid.OPTION) else fields.help_text(name)
    if menu is not None:
        default = ["snip", "magnitude"] if name == "pruner" else []
        return st.multiselect(
            plain(label(name)),
            menu,
            default=default,
            format_func=lambda value: value_words(name, value),
            key=key,
            help=help,
        )
    shown = f"{sparsity_slider.words(base)[0]}, %" if name == "tau" else plain(label(name))
    text = st.text_input(shown, value="0-2" if name == "seed" else "", key=key, help=help, placeholder=_example(name))
    try:
        return _taus(text) if name == "tau" else axis_values.parse(name, text)
    except ValueError as error:
        fields.show_errors([plain(str(error), 300)])
        return None


def _taus(text: str) -> list[float]:
    """The taus of final sparsities as users type them: "50, 90 %, 98.5"."""
    return list(dict.fromkeys(sparsity.tau_of(sparsity.read(part)) for part in text.split(",") if part.strip()))


def _example(name: str) -> str:
    listed = name in ("lr_drops", "exempt")
    return f"e. g. {_TYPED.get(name, '0.4, 0.8; 0.5' if listed else 'several, divided by commas')}"


def cost(found: Mapping[str, Any], reused: int) -> None:
    """The number of runs and their cost; runs that cost the same are estimated once."""
    cells, shapes = found["cells"], len(ablation_grid.shapes(found["cells"]))
    total, note = None, ""
    with st.skeleton(height=120):
        try:
            total = ablation_grid.cost(cells, page.manager().estimate)
        except ValueError as error:
            note = f":red[:material/error: {plain(str(error), 300)}]"
        with st.grid(4, min_column_width=120, gap="small"):
            st.metric("Runs", format.count(len(cells)), help="Combinations that make sense; each is one run")
            metric("samples_seen", format.count(total["samples"]) if total else "–")
            metric("train_flops_dense", format.flops(total["training_flops"]) if total else "–")
            metric("seconds", f"≈ {format.about(total['seconds'])}" if total and total["seconds"] is not None else "–")
        share = f" {reused} of them exist already and are used again, which saves their part." if reused else ""
        many = f" More than {ablation_grid.MOST_SHAPES} different shapes: not estimated." if shapes > ablation_grid.MOST_SHAPES else ""
        beside = f"up to {total['at_once']} runs side by side" if total and total["at_once"] > 1 else "one run after another"
        how = f", {beside}; {format.how_timed(total['timed'])}" if total else ""
        st.caption(note or f"Repeats of images counted; dense FLOPs{how}; {counted(shapes, 'different shape')} estimated.{share}{many}")


def preview(found: Mapping[str, Any], of_weights: bool) -> None:
    """A preview of all runs, and of the combinations that are left out, with reasons."""
    head, words = partial(label, of_weights=of_weights), partial(value_words, of_weights=of_weights)
    with st.expander(f"All runs ({len(found['cells'])})", icon=":material/list:"):
        rows = [{head(n): "any" if v is None else words(n, v) for n, v in cell["values"].items()} for cell in found["cells"]]
        st.dataframe(cells(pd.DataFrame(rows)), height="auto" if len(rows) < 10 else 340, alt="Runs of this ablation")
    if found["left_out"]:
        with st.expander(f"{counted(len(found['left_out']), 'combination')} left out", icon=":material/block:"):
            rows = [{**{head(n): words(n, v) for n, v in left["values"].items()}, "Reason": left["reason"]} for left in found["left_out"]]
            st.dataframe(cells(pd.DataFrame(rows)), hide_index=True, alt="Combinations that are left out, and why")


@st.cache_data(ttl=60, max_entries=20, show_spinner=False)
def expanded(base: str, axes: str) -> dict[str, Any]:
    """`ablation_grid.expand`, briefly cached: it looks at the data set for every combination. JSON in, plain data out."""
    return ablation_grid.expand(json.loads(base), json.loads(axes))


def dumped(value: Any) -> str:
    """Settings as JSON for `expanded`."""
    return json.dumps(value)
