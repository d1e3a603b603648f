"""The widget of a setting, made from its RunConfig field or plug-in option: label, help with limits, and a fitting control."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict, get_args, get_origin

import streamlit as st

from appcore import plugins
from appcore.config import PLUGIN_FIELDS, RunConfig
from appcore.quotas import GRANULARITIES

from ..words.setting_labels import VALUE_LABELS, label
from ..words.text import harmless

PLACEHOLDERS = {"weights": "none", "densities": "e. g. conv1=0.5, fc=0.1"}
_MOST_SAID = 1e6  # larger limits only keep numbers storable


def limits(name: str) -> tuple[float | None, float | None]:
    """(smallest, largest) value of a field, None where there is no limit."""
    low = high = None
    for item in RunConfig.model_fields[name].metadata:
        low = getattr(item, "ge", getattr(item, "gt", low))
        high = getattr(item, "le", getattr(item, "lt", high))
    return low, high


def help_text(name: str) -> str:
    """The help text: the field's description with its limits."""
    low, high = limits(name)
    text = RunConfig.model_fields[name].description or ""
    if low is not None and high is not None:
        return f"{text}. From {low:,g} to {high:,g}." if high <= _MOST_SAID else f"{text}. At least {low:,g}."
    return text if text.endswith(".") else f"{text}."


class _Common(TypedDict):
    """Arguments common to all widgets of settings."""

    key: str
    help: str | None
    on_change: Callable[..., None]
    args: tuple[str]


def widget(name: str, value: Any, key: str, on_change: Callable[..., None]) -> None:
    """The control for one field. Its value goes in through session state; `on_change(name)` is called when the user changes it."""
    common: _Common = {"key": key, "help": help_text(name), "on_change": on_change, "args": (name,)}
    annotation: Any = RunConfig.model_fields[name].annotation
    if name in PLUGIN_FIELDS:
        _menu(name, common)
    elif get_origin(annotation) is Literal:
        titles = VALUE_LABELS.get(name, {})
        st.selectbox(label(name), get_args(annotation), format_func=lambda v: titles.get(v, str(v)), **common)
    elif name == "granularity":
        words = VALUE_LABELS[name]
        st.selectbox(label(name), GRANULARITIES, format_func=lambda v: words.get(v, v), accept_new_options=True, **common)
    elif annotation is bool:
        st.toggle(label(name), **common)
    elif annotation in (int, float):
        _number(label(name), annotation, *limits(name), common, value)
    else:
        st.text_input(label(name), placeholder=PLACEHOLDERS.get(name, "several, divided by commas"), **common)


def _menu(name: str, common: _Common) -> None:
    """A menu of plug-ins. Where some want to be completed, such as images:PATH, that can be typed into it too."""
    known = plugins.choices(PLUGIN_FIELDS[name])
    is_open = any(choice.takes_argument for choice in known.values())
    st.selectbox(
        label(name),
        list(known),
        format_func=lambda choice: known[choice].title if choice in known else choice,
        accept_new_options=is_open,
        **common,
    )


def _number(text: str, kind: type, low: float | None, high: float | None, common: _Common, value: Any) -> None:
    bounds: dict[str, Any] = {"min_value": None if low is None else kind(low), "max_value": None if high is None else kind(high)}
    if kind is int:
        st.number_input(text, step=1, **bounds, **common)
        return
    step = (
        0.1
        if high == 1 and not value
        else 0.5
        if (high or 0) > 10 and value >= 1
        else 0.05
        if value >= 0.2
        else 0.01
        if value >= 0.01
        else 0.0001
    )
    st.number_input(text, step=step, format="%g", **bounds, **common)


def option(name: str, spec: Mapping[str, Any], key: str, on_change: Callable[..., None]) -> None:
    """The control for a plug-in's own parameter, from its OPTIONS entry."""
    common: _Common = {"key": key, "help": spec.get("help"), "on_change": on_change, "args": (name,)}
    default = spec["default"]
    if "in" in spec:
        titles = VALUE_LABELS.get(name, {})
        st.selectbox(label(name), list(spec["in"]), format_func=lambda value: titles.get(value, str(value)), **common)
    elif isinstance(default, bool):
        st.toggle(label(name), **common)
    elif isinstance(default, (int, float)):
        _number(label(name), type(default), spec.get("ge"), spec.get("le"), common, default)
    else:
        st.text_input(label(name), **common)


def to_widget(name: str, value: Any) -> Any:
    """A configuration value converted for its widget."""
    if name in PLUGIN_FIELDS and isinstance(value, str) and ":" in value:
        head = value.partition(":")[0] + ":"
        return head if head in plugins.choices(PLUGIN_FIELDS[name]) else value
    if isinstance(value, (tuple, list)):
        return ", ".join(item if isinstance(item, str) else f"{item:g}" for item in value)
    return value


def from_widget(name: str, value: Any) -> Any:
    """A widget's value converted for the configuration; text that is no list of numbers is passed on, so that the field reports it."""
    annotation = RunConfig.model_fields[name].annotation
    if name in PLUGIN_FIELDS:
        return _meant(plugins.choices(PLUGIN_FIELDS[name]), value)
    if get_origin(annotation) is not tuple:
        return value
    parts = [part.strip() for part in str(value).replace(";", ",").split(",") if part.strip()]
    try:
        return tuple(get_args(annotation)[0](part) for part in parts)
    except ValueError:
        return value


def _meant(known: Mapping[str, plugins.Choice], typed: str) -> str:
    """The choice whose title alone has the typed words; where none or several have them, what was typed."""
    if typed in known or ":" in typed:
        return typed
    found = [name for name, choice in known.items() if typed.strip().casefold() in choice.title.casefold()]
    return found[0] if len(found) == 1 else typed


def show_errors(messages: Sequence[str]) -> None:
    """The errors of a field, shown right below it."""
    for message in messages:
        st.markdown(f":red[:material/error: {harmless(message)}]")
