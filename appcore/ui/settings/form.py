"""The launch form, generated from RunConfig: presets on top, main settings visible, the rest folded; errors at their fields.

Settings that the user changed are in one plain dict in session state ("overrides"); all others follow the data set's recipe and the
defaults, as on the command line. A new field of RunConfig appears under "More settings" by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from pydantic import ValidationError

from appcore import plugins
from appcore.config import RunConfig, problems
from appcore.config import group as group_of
from appcore.errors import InputError
from appcore.planning import plan
from appcore.planning.relevance import is_relevant
from appcore.presets import PRESETS

from ..words.text import harmless
from . import fields

BASIC = ("dataset", "arch", "method", "pruner", "megabatches", "epochs", "tau", "replay", "buffer_size", "replay_fraction", "seed")
_HIDDEN = ("options",)
_STATE = "form"
_LAUNCHER = "form_launcher"
# Choices such as `images:` that the user completes: key, title and example of the text field for the rest.
_COMPLETED = {
    "dataset": ("form_path", "Path of a folder or zip", "pictures.zip"),
    "arch": ("form_classifier", "Name of the classifier", "mobilenet_v2"),
}


def show() -> tuple[dict[str, Any], RunConfig | None]:
    """Draw the form. Returns (what the user chose, the valid configuration or None while something is wrong)."""
    state = st.session_state.setdefault(_STATE, {"overrides": {}, "preset": "quick"})
    _presets(state)
    config, errors = check(state["overrides"])
    values = _shown_values(state["overrides"], config)
    with st.grid(2, min_column_width=190, gap=("xsmall", "medium")):
        for name in BASIC:
            _field(name, values, errors)
        _options(values, errors)
    with st.expander("More settings", icon=":material/tune:"):
        _advanced(values, errors)
        _launchers()
    for problem in plugins.problems():
        st.caption(f":orange[:material/extension_off: {harmless(problem[0].upper() + problem[1:])}]")
    for message in errors.get("", []):
        st.error(harmless(message), icon=":material/error:")
    return dict(state["overrides"]), config


def launcher() -> str:
    """The choice of launcher: where the form's run will train."""
    return st.session_state.get(_LAUNCHER, plugins.DEFAULT_LAUNCHER)


def check(overrides: Mapping[str, Any]) -> tuple[RunConfig | None, dict[str, list[str]]]:
    """(configuration, {}) or (None, messages by field); also checks by the plan that the data suffice."""
    try:
        config = RunConfig(**overrides)
        plan.check(config)
        return config, {}
    except ValidationError as error:
        found = problems(error)
    except InputError as error:
        found = [error]
    messages: dict[str, list[str]] = {}
    for problem in found:
        field = problem.field if problem.field in RunConfig.model_fields else ""
        messages.setdefault(field, []).append(problem.message)
    return None, messages


def _shown_values(overrides: Mapping[str, Any], config: RunConfig | None) -> dict[str, Any]:
    """The values in the fields: the configuration, or while it is invalid the recipe with the user's own values on top."""
    if config is not None:
        return config.model_dump()
    dataset = overrides.get("dataset", RunConfig.model_fields["dataset"].default)
    recipe: dict[str, Any] = {}
    known = plugins.choices("datasets")
    head = dataset.partition(":")[0] + ":"
    for name in (dataset, head):
        recipe = known[name].literal("RECIPE") if name in known else recipe
    defaults = {name: field.default for name, field in RunConfig.model_fields.items()}
    return {**defaults, **recipe, **overrides}


def _presets(state: dict[str, Any]) -> None:
    def choose() -> None:
        chosen = st.session_state["form_preset"]
        if chosen:
            state["overrides"] = dict(PRESETS[chosen].settings)
            state["preset"] = chosen

    untouched = state["overrides"] == PRESETS[state["preset"]].settings
    st.session_state["form_preset"] = state["preset"] if untouched else None
    st.pills("Start from", list(PRESETS), format_func=lambda name: PRESETS[name].title, key="form_preset", on_change=choose, wrap=True)
    st.caption(PRESETS[state["preset"]].source + ("" if untouched else " · changed by you"))


def _changed(name: str) -> None:
    overrides = st.session_state[_STATE]["overrides"]
    value = fields.from_widget(name, st.session_state[f"form_{name}"])
    overrides[name] = f"{value}{st.session_state.get(_COMPLETED[name][0], '')}" if name in _COMPLETED and value.endswith(":") else value
    overrides.pop("options", None) if name in fields.PLUGIN_FIELDS else None
    config, _ = check({key: v for key, v in overrides.items() if key != name})
    if config is not None and getattr(config, name) == overrides[name]:
        del overrides[name]  # back at the recipe's value: no longer an override


def _completed(name: str) -> None:
    argument = st.session_state[_COMPLETED[name][0]].strip()
    st.session_state[_STATE]["overrides"][name] = f"{st.session_state[f'form_{name}']}{argument}"


def _option_changed(name: str) -> None:
    overrides = st.session_state[_STATE]["overrides"]
    overrides["options"] = {**overrides.get("options", {}), name: st.session_state[f"form_option_{name}"]}


def _field(name: str, values: Mapping[str, Any], errors: Mapping[str, list[str]]) -> None:
    if not is_relevant(name, values):
        return
    key = f"form_{name}"
    st.session_state[key] = fields.to_widget(name, values[name])
    with st.container(gap="xxsmall"):
        fields.widget(name, values[name], key, _changed)
        if name in _COMPLETED and st.session_state[key].endswith(":"):
            argument, title, example = _COMPLETED[name]
            st.session_state[argument] = values[name].partition(":")[2]
            st.text_input(title, key=argument, on_change=_completed, args=(name,), placeholder=example)
        fields.show_errors(errors.get(name, []))


def _launchers() -> None:
    known = plugins.choices("launchers")
    st.session_state.setdefault(_LAUNCHER, plugins.DEFAULT_LAUNCHER)
    help = "A crash in a process of its own leaves this program alone; there it takes some seconds to begin."
    st.selectbox("Where it trains", list(known), format_func=lambda name: known[name].title, key=_LAUNCHER, help=help)


def _options(values: Mapping[str, Any], errors: Mapping[str, list[str]]) -> None:
    """Parameters of the chosen plug-ins that are in use."""
    specs: dict[str, Any] = {}
    for field, kind in fields.PLUGIN_FIELDS.items():
        if is_relevant(field, values) and values[field] in plugins.choices(kind):
            specs.update(plugins.choices(kind)[values[field]].options)
    for name, spec in specs.items():
        st.session_state[f"form_option_{name}"] = values["options"].get(name, spec["default"])
        fields.option(name, spec, f"form_option_{name}", _option_changed)
    fields.show_errors(errors.get("options", []))


def _advanced(values: Mapping[str, Any], errors: Mapping[str, list[str]]) -> None:
    groups: dict[str, list[str]] = {}
    for name in RunConfig.model_fields:
        if name not in BASIC and name not in _HIDDEN:
            groups.setdefault(group_of(name), []).append(name)
    for group, names in groups.items():
        shown = [name for name in names if is_relevant(name, values)]
        if shown:
            st.markdown(f"**{group}**")
            with st.grid(2, min_column_width=190, gap=("xsmall", "medium")):
                for name in shown:
                    _field(name, values, errors)
