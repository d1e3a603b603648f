"""The launch form, generated from RunConfig: presets on top, main settings visible, the rest folded; errors at their fields.

All of it is in the address (planning/address.py): a preset, and the settings that differ. What nobody named follows the recipes
of method and data set and the defaults, as on the command line. A new field of RunConfig appears under "More settings" by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from pydantic import ValidationError

from appcore import plugins, quotas
from appcore.config import RunConfig, problems
from appcore.config import group as group_of
from appcore.errors import InputError
from appcore.models import own_code
from appcore.planning import address, plan, sparsity
from appcore.planning.relevance import is_relevant
from appcore.presets import PRESETS
from appcore.runner import failures
from appcore.runner.launcher import missing

from ..app import page
from ..widgets import projector, sparsity_slider
from ..widgets.run_picker import not_here
from ..words import run_status, setting_labels
from ..words.text import harmless, plain
from . import fields, own_file, own_presets, presets, uploading

BASIC = ("dataset", "arch", "method", "pruner", "tau", "megabatches", "epochs", "replay", "buffer_size", "replay_fraction", "seed")
_OF_OPTIMIZER = ("lr", "weight_decay")
_HIDDEN = ("options",)
_LAUNCHER = "form_launcher"
_SAID = "_form_said"  # what a choice has changed besides itself
# Choices such as `images:` that the user completes: title and example of the text field for the rest. Others have their name for a title.
_COMPLETED = {
    "images:": ("Path of a folder, .zip, .npz or .parquet on this machine", "pictures.zip"),
    "file:": ("Path of the Python file and its function", "net.py:Net"),
    "torchvision:": ("Name of the classifier", "mobilenet_v2"),
    "timm:": ("Name of the network", "resnet10t"),
    "mlp:": ("Widths of the hidden layers", "32-32"),
}
_ARGUMENT = "form_argument_{}"


def show() -> tuple[dict[str, Any], RunConfig | None]:
    """Draw the form. Returns (what the user chose, the valid configuration or None while something is wrong)."""
    _, overrides, bad = _read()
    page.keep_form(st.query_params.to_dict())
    config, errors = check(overrides)
    values = address.effective(overrides)
    _remarks(bad, values)
    marks = _of_run(errors)
    with st.grid(2, min_column_width=round(250 * projector.scale()), gap=("xsmall", "medium")):
        for name in BASIC:
            _field(name, values, marks)
        _options(values, errors)
    is_marked = any(name not in (*BASIC, *_HIDDEN) for name in marks if name)
    with st.expander("More settings", icon=":material/tune:", expanded=is_marked):
        _advanced(values, marks)
        _launchers()
    for problem in plugins.problems():
        st.caption(f":orange[:material/extension_off: {harmless(problem[0].upper() + problem[1:])}]")
    for message in errors.get("", []):
        st.error(harmless(message), icon=":material/error:")
    return overrides, config


def choose_preset() -> None:
    """The presets, above the form."""
    own = _own()
    preset, overrides, _ = address.read(st.query_params.to_dict(), own)
    presets.show(preset, overrides, own, _choose)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        presets.about(preset, overrides, own)
        own_presets.keeper(preset, own, _keep, _forget)


def launcher() -> str:
    """The choice of launcher: where the form's run will train."""
    asked = st.query_params.get(address.LAUNCHER, plugins.DEFAULT_LAUNCHER)
    return asked if asked in plugins.choices("launchers") else plugins.DEFAULT_LAUNCHER


def check(overrides: Mapping[str, Any]) -> tuple[RunConfig | None, dict[str, list[str]]]:
    """(configuration, {}) or (None, messages by field); also checks by the plan that the data suffice."""
    try:
        config = RunConfig(**overrides)
        own_code.check(config.arch)
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


def _own() -> address.Own:
    return page.store().saved_presets.all()


def _read() -> tuple[str, dict[str, Any], list[str]]:
    """(preset, settings, a line for each entry that cannot be used) of the form as it stands in the address."""
    return address.read(st.query_params.to_dict(), _own())


def _choose(preset: str) -> None:
    _write(address.of_preset(preset, _own())[0], preset)


def _keep(name: str) -> str:
    """Keep the settings now on the form as a preset of one's own, and go on from it; returns its name as it was kept."""
    if name in PRESETS:
        raise InputError(f"preset: {name!r} comes with the program; type another name", "preset")
    _, overrides, _ = _read()
    name = page.store().saved_presets.keep(name, {key: [text] for key, text in address.written(overrides).items()})
    _write(overrides, name)
    return name


def _forget() -> None:
    """Delete the preset of one's own that is chosen; the form stays as it is."""
    preset, overrides, _ = _read()
    page.store().saved_presets.delete(preset)
    _write(overrides, preset if preset in PRESETS else address.USUAL)


def _write(overrides: Mapping[str, Any], preset: str) -> None:
    """Put the form into the address; what else is there stays, but for the run that it was filled from when another preset is chosen."""
    kept = {name: st.query_params[name] for name in ("projector", address.LAUNCHER) if name in st.query_params}
    if address.FROM in st.query_params and preset == st.query_params.get("preset", address.USUAL):
        kept[address.FROM] = st.query_params[address.FROM]
    st.query_params.from_dict({**kept, **address.written(overrides, preset, _own())})
    page.address_told()


def _remarks(bad: list[str], values: Mapping[str, Any]) -> None:
    """What of the address cannot be used, what the last choice changed besides itself, and what to know of the chosen granularity."""
    for line in bad:
        st.caption(f":red[:material/link_off: {plain(line, 300)}]")
    if said := st.session_state.pop(_SAID, ""):
        st.caption(f":material/info: {said}")
    note = quotas.remark(values["granularity"], values["scope"], values["densities"])
    if note and is_relevant("granularity", values):
        st.caption(f":material/info: {harmless(note)}")


def _of_run(errors: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The errors by field; where the form was filled from a run, say so, and mark what made it fail."""
    asked = st.query_params.get(address.FROM)
    if not asked:
        return dict(errors)
    run, _ = page.find(asked)
    if run is None:
        not_here([asked])
        return dict(errors)
    with st.container(horizontal=True, vertical_alignment="center", key="form-from"):
        st.markdown(f"Settings of **{plain(run['title'] or run['run_id'])}** {run_status.markdown(run)}", width="content")
        st.page_link(page.link("run"), label="Back to it", icon=":material/arrow_back:", query_params={"run": run["run_id"]})
    marks = {name: list(found) for name, found in errors.items()}
    if run["status"] == "failed" and run["error"]:
        named = failures.settings_named(run["error"])
        now = address.effective(_read()[1])
        for name in named:
            if run["config"].get(name) == now.get(name):  # changed since: nothing to mark
                marks.setdefault(name, []).append(f"with {setting_labels.shown(name, now[name])} it failed: {run['error']}")
        if not named:
            st.caption(f":red[:material/error: It failed: {plain(run['error'], 300)}]")
    return marks


def _set(name: str, value: Any) -> None:
    """Take a setting; one that is back at the recipe's value is no longer named."""
    preset, overrides, _ = _read()
    before = address.effective(overrides)
    overrides[name] = value
    overrides.pop("options", None) if name in fields.PLUGIN_FIELDS else None
    config, _ = check({key: v for key, v in overrides.items() if key != name})
    if config is not None and getattr(config, name) == overrides[name]:
        del overrides[name]
    if name in fields.PLUGIN_FIELDS or name == "optimizer":
        st.session_state[_SAID] = _changed_besides(name, before, address.effective(overrides))
    _write(overrides, preset)


def _changed_besides(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Which settings another recipe has changed, in words."""
    others = [other for other in (*BASIC, *_OF_OPTIMIZER) if other != name and before[other] != after[other] and is_relevant(other, after)]
    changes = [
        f"{setting_labels.label(other)} {setting_labels.shown(other, before[other])} → {setting_labels.shown(other, after[other])}"
        for other in others
    ]
    return f"The recipe of this choice also sets: {harmless(', '.join(changes))}." if changes else ""


def _changed(name: str) -> None:
    value = fields.from_widget(name, st.session_state[f"form_{name}"])
    _set(name, value)


def _sparsity_changed() -> None:
    _set("tau", sparsity.tau_of(st.session_state["form_tau"] / 100))


def _completed(name: str) -> None:
    _set(name, f"{st.session_state[f'form_{name}']}{st.session_state[_ARGUMENT.format(name)].strip()}")


def _uploaded(dataset: str, has_test_images: bool) -> None:
    """Take uploaded images as the data set; where it has no test images, a fifth of each class is drawn."""
    _set("dataset", dataset)
    if not has_test_images and not _read()[1].get("split"):
        _set("split", 0.2)


def _option_changed(name: str) -> None:
    preset, overrides, _ = _read()
    overrides["options"] = {**overrides.get("options", {}), name: st.session_state[f"form_option_{name}"]}
    _write(overrides, preset)


def _launcher_changed() -> None:
    st.query_params[address.LAUNCHER] = st.session_state[_LAUNCHER]


def _is_shown(name: str, values: Mapping[str, Any], marks: Mapping[str, list[str]]) -> bool:
    """Whether a setting has an effect, or is what is wrong: one that another choice has put out of use may contradict it."""
    return is_relevant(name, values) or name in marks


def _field(name: str, values: Mapping[str, Any], errors: Mapping[str, list[str]]) -> None:
    if not _is_shown(name, values, errors):
        return
    key = f"form_{name}"
    with st.container(gap="xxsmall"):
        if name == "tau":
            label, help = sparsity_slider.words(values)
            sparsity_slider.slider(sparsity.of_tau(values["tau"]), key=key, label=label, help=help, on_change=_sparsity_changed)
        else:
            st.session_state[key] = fields.to_widget(name, values[name])
            fields.widget(name, values[name], key, _changed)
        found = errors.get(name, [])
        if name in fields.PLUGIN_FIELDS and str(st.session_state[key]).endswith(":"):
            found = found if _completion(name, values[name]) else []  # nothing is wrong while nothing was typed
        fields.show_errors(found)


def _completion(name: str, value: str) -> str:
    """The field for what comes after the colon of a choice such as `images:`; returns what stands in it and may be judged."""
    head, _, argument = value.partition(":")
    title, example = _COMPLETED.get(f"{head}:", (f"{head}:", ""))
    st.session_state[_ARGUMENT.format(name)] = argument.partition("@")[0] if head == "file" else argument
    st.text_input(title, key=_ARGUMENT.format(name), on_change=_completed, args=(name,), placeholder=example)
    if head == "images":
        uploading.images(_uploaded)
    if head == "file" and argument and own_file.ask(value, lambda allowed: _set(name, allowed)):
        return ""  # what is missing has been asked for
    return argument


def _launchers() -> None:
    chosen = launcher()
    known = {name: choice for name, choice in plugins.choices("launchers").items() if name == chosen or not missing(name)}
    st.session_state[_LAUNCHER] = chosen
    help = (
        "In processes of their own runs train side by side, and a crash leaves this program alone; the first takes some seconds to begin."
    )
    titles = {name: known[name].title for name in known}
    st.selectbox("Where it trains", list(known), format_func=titles.__getitem__, key=_LAUNCHER, help=help, on_change=_launcher_changed)


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
        shown = [name for name in names if _is_shown(name, values, errors)]
        if shown:
            st.markdown(f"**{group}**")
            with st.grid(2, min_column_width=round(250 * projector.scale()), gap=("xsmall", "medium")):
                for name in shown:
                    _field(name, values, errors)
