"""The first half of the Stream page: settings of a stream in the address, its timeline, and its cost versus the other replay rules."""

from __future__ import annotations

from typing import Any, get_origin

import pandas as pd
import streamlit as st

from appcore.charts import stream_timeline as timeline_charts
from appcore.config import RunConfig
from appcore.planning import address, stream_timeline
from appcore.planning.relevance import is_relevant

from ..app import page
from ..settings import fields, form
from ..widgets import live_chart, run_search
from ..widgets.run_picker import not_here
from ..words import format, run_text, setting_labels
from ..words.number_columns import metric
from ..words.text import harmless

FIELDS = (
    *("dataset", "arch", "megabatches", "classes_per_megabatch", "epochs"),
    *("replay", "replay_fraction", "buffer_size", "budget", "val_fraction"),
)
NAMES = {**setting_labels.VALUE_LABELS["replay"], "none": "no replay"}
_VERBS = {
    "full": "Seeing all earlier data again",
    "one": "Seeing the previous part again",
    "buffer": "Replay from a fixed buffer",
    "fraction": "Replay of a fading share",
}
_KEY = "stream_{}"


def choose(everything: dict[str, dict[str, Any]]) -> RunConfig | None:
    """Draw the settings; returns the configuration, or None while something is wrong."""
    base = _base(everything)
    asked, unreadable = _asked()
    overrides = {**base, **asked}
    config, errors = form.check(overrides)
    defaults = {name: field.default for name, field in RunConfig.model_fields.items()}
    values = config.model_dump() if config else {**defaults, **overrides}
    with st.grid(4, min_column_width=170, gap=("xsmall", "medium")):
        for name in FIELDS:
            if is_relevant(name, values):
                _field(name, values[name], errors.get(name, []))
    rest = [text for name, found in errors.items() if name not in FIELDS for text in found]
    for text in [*rest, *unreadable]:
        st.markdown(f":red[:material/error: {harmless(text)}]")
    return config


def _base(everything: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The settings of the run in the address (?from=), or none: then the data set's recipe applies."""
    chosen = st.query_params.get("from")
    st.session_state["stream_from"] = chosen if chosen in everything else None
    if everything:
        offered = run_search.offered(everything, [chosen], "stream_from")
        words = {key: f"{everything[key]['title'] or key} · {run_text.which(everything[key])}" for key in offered}
        st.selectbox(
            "Settings of",
            offered,
            index=None,
            format_func=words.__getitem__,
            key="stream_from",
            on_change=_picked,
            placeholder="the data set's recipe",
            help="Begin with all settings of a run; what you change below is then different from it",
            width=420,
        )
    if chosen and chosen not in everything:
        not_here([chosen])
    return dict(everything[chosen]["config"]) if chosen in everything else {}


def _picked() -> None:
    for name in FIELDS:
        st.query_params.pop(name, None)
    _put("from", st.session_state["stream_from"])


def _put(name: str, value: Any) -> None:
    if value is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = str(value)


def _asked() -> tuple[dict[str, Any], list[str]]:
    """(settings in the address, entries that cannot be read)."""
    found: dict[str, Any] = {}
    bad: list[str] = []
    for name in FIELDS:
        if name not in st.query_params:
            continue
        text = st.query_params[name]
        kind: Any = RunConfig.model_fields[name].annotation
        try:
            found[name] = text if get_origin(kind) else kind(text)
            if get_origin(kind) and text not in kind.__args__:
                raise ValueError
        except ValueError:
            found.pop(name, None)
            bad.append(f"{setting_labels.label(name)} in the address cannot be {text[:40]!r}; choose a value above")
    return found, bad


def _field(name: str, value: Any, errors: list[str]) -> None:
    key = _KEY.format(name)
    st.session_state[key] = fields.to_widget(name, value)
    with st.container(gap="xxsmall"):
        fields.widget(name, value, key, _changed)
        fields.show_errors(errors)


def _changed(name: str) -> None:
    value = fields.from_widget(name, st.session_state[_KEY.format(name)])
    _put(name, f"{value:g}" if isinstance(value, float) else value)


@st.cache_data(max_entries=64, ttl=600, show_spinner=False)
def _rules(settings: dict[str, Any]) -> tuple[pd.DataFrame, Any, Any, list[tuple[int, int]]]:
    """(images of every rule, timeline) as plain data; the form shows an InputError."""
    from appcore.planning import plan

    config = RunConfig(**settings)
    found = plan.check(config)
    shown = stream_timeline.timeline(config, found)
    return stream_timeline.rules(config, found), shown.train, shown.val, shown.parts


def show(config: RunConfig) -> None:
    """Costs in numbers, the timeline, and all replay rules side by side."""
    settings = config.model_dump(mode="json")
    rules, train, val, parts = _rules(settings)
    _answer(config, rules)
    _costs(settings, rules, config.replay)
    token = config.fingerprint
    live_chart.chart(
        "timeline",
        token,
        lambda: timeline_charts.timeline(train, val, parts, revision="timeline"),
        alt="Picture: which parts of the data are trained on and validated on at each megabatch",
    )
    with live_chart.grid(2):
        live_chart.chart(
            "rule-costs",
            token,
            lambda: timeline_charts.rule_costs(rules, config.replay, NAMES, revision="rules"),
            alt="Bars: training images of the whole stream under every rule of replay",
        )
        live_chart.chart(
            "growth",
            token,
            lambda: timeline_charts.growth(rules, config.replay, NAMES, revision="growth"),
            alt="Curves: training images so far for the chosen rule, none and full",
        )
    if st.button("Set up a run with this stream", icon=":material/play_circle:", key="stream_to_run"):
        st.switch_page(page.link("run"), query_params=address.of_run(config.model_dump()))


def _answer(config: RunConfig, rules: pd.DataFrame) -> None:
    """The answer to the page's question in a sentence made from the plan."""
    totals = rules.groupby("replay")["samples"].sum()
    mine, none, full = (int(totals[rule]) for rule in (config.replay, "none", "full"))
    law = stream_timeline.law(config.megabatches)
    if config.replay == "none":
        head = (
            f"Without replay the stream costs {format.count(mine)} training images; full replay would cost {full / none:.2f} times as much"
        )
    else:
        head = f"{_VERBS[config.replay]} costs {mine / none:.2f} times as much as no replay"
    why = f"Full replay sees part 1 in each megabatch and the last one once: (T + 1) / 2 = **{law:g} times** none"
    if abs(full / none - law) >= 0.005:
        because = "the budget cuts every megabatch to the same size" if config.budget else "its parts are not all of one size"
        why += f". With this stream it is {full / none:.2f} times, because {because}"
    with st.container(border=True, key="answer"):
        st.markdown(f"#### {head}  \n{why}.")


def _costs(settings: dict[str, Any], rules: pd.DataFrame, chosen: str) -> None:
    """The chosen stream in images, FLOPs and time, each versus no replay."""
    totals = rules.groupby("replay")["samples"].sum()
    with st.skeleton(height=110):
        try:
            found = page.manager().estimate(settings)
            note = f"Dense FLOPs of forward and backward; {format.how_timed(found)}."
        except ValueError as error:
            found, note = None, f":red[:material/error: {harmless(error)}]"
        share = totals["none"] / totals[chosen]
        per_image = found["training_flops"] / found["samples"] if found else None
        with st.container(gap="xsmall"), st.grid(4, min_column_width=150, gap="small"):
            more = f"{format.count(int(totals['none']))} without replay"
            _metric("samples_seen", format.count(int(totals[chosen])), more)
            flops = [format.flops(per_image * totals[rule]) if per_image else "–" for rule in (chosen, "none")]
            _metric("train_flops_dense", flops[0], f"{flops[1]} without replay")
            seconds = found["seconds"] if found else None
            times = [f"≈ {format.about(value)}" if value else "–" for value in (seconds, seconds and seconds * share)]
            _metric("seconds", times[0], f"{times[1]} without replay")
            with st.container(gap="xxsmall"):
                st.metric("For one image", format.flops(per_image))
                st.caption("forward and backward")
        st.caption(note)


def _metric(name: str, value: str, beside: str) -> None:
    with st.container(gap="xxsmall"):
        metric(name, value)
        st.caption(beside)
