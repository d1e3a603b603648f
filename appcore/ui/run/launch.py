"""Starting runs: name and costs beforehand, and the start itself."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from appcore import plugins
from appcore.config import RunConfig
from appcore.names import MOST_TITLE
from appcore.service.labels import MOST_NOTE, checked_labels

from ..app import page
from ..words import format
from ..words.number_columns import metric
from ..words.run_text import title
from ..words.text import harmless

PAIR = ({"pruner": "snip"}, {"pruner": "magnitude"})
_ABOUT_THE_PAIR = "Two runs from the same initial weights and the same data: ResNet-20 on small digits, "
_ABOUT_THE_PAIR += "about a minute on a laptop, no download."
_COST = "_form_cost"  # (settings, what they cost): an answer is drawn until the settings change
_PATIENCE = 0.4  # seconds in which most answers come, so that nothing is greyed for a blink


def start(
    configs: Sequence[dict[str, Any]],
    launcher: str = plugins.DEFAULT_LAUNCHER,
    labels: Mapping[str, Any] | None = None,
    *,
    again: bool = False,
) -> None:
    """Start runs together and open their page: Run for one, Compare for several. Pressed twice, it starts them once.

    `labels`: name, tags and note of them all; without a name each is called by what it does. What has been run already is shown and not
    run again, unless `again` is asked for.
    """
    token = st.session_state.setdefault("_start_token", secrets.token_hex(8)) + json.dumps(configs, sort_keys=True)
    try:
        given = checked_labels(dict(labels or {}))
        name = given.pop("title", "")
        titles = [name or title(config) for config in configs]
        options: dict[str, Any] = {"launcher": launcher, "titles": titles, "token": token}
        if again:
            run_ids, reused = page.manager().start([dict(config) for config in configs], **options), []
        else:
            found = page.manager().start_once([dict(config) for config in configs], **options)
            run_ids, reused = found["runs"], found["reused"]
        for run_id in run_ids if any(given.values()) else ():
            if run_id not in reused:
                page.manager().label(run_id, **given)
    except (ValueError, OSError) as error:
        st.error(harmless(str(error)), icon=":material/error:")
        return
    if reused:
        what = (
            "This has been run already"
            if len(reused) == len(run_ids)
            else f"Of these {len(run_ids)} runs {len(reused)} had been run already"
        )
        st.toast(f"{what}, with the same settings and data.", icon=":material/recycling:", duration="long")
    if len(run_ids) == 1:
        st.switch_page(page.link("run"), query_params={"run": run_ids[0]})
    st.switch_page(page.link("compare"), query_params={"runs": ",".join(run_ids)})


def first_pair() -> None:
    """The button that starts the first comparison, for pages with nothing to show."""
    again = known(PAIR) if page.store().own_ids() else False  # the first page need not wait for settings to be completed
    if st.button("Start SNIP versus magnitude", type="primary", icon=":material/play_arrow:", key="start"):
        start(PAIR, again=again)
    st.caption(_ABOUT_THE_PAIR)


def labels(config: RunConfig | None) -> dict[str, Any]:
    """Fields for name, tags and note of the run that will be started."""
    usual = "" if config is None else title(config.model_dump())
    with st.expander("Name, tags and note", icon=":material/edit_note:"):
        name = st.text_input("Name", key="form_title", max_chars=MOST_TITLE, placeholder=usual)
        tags = st.multiselect("Tags", [], key="form_tags", accept_new_options=True, placeholder="Type a word, press Enter")
        note = st.text_area("Note", key="form_note", max_chars=MOST_NOTE, height=80, placeholder="What is this run to show?")
    return {"title": name or "", "tags": tags, "note": note or ""}


def known(configs: Sequence[dict[str, Any]]) -> bool:
    """Where all of these settings have been run already: a link, and whether they shall be run again all the same."""
    run_ids = [run_id for config in configs if (run_id := page.manager().same(config))]
    if not run_ids or len(run_ids) < len(configs):
        return False
    place, query = ("run", {"run": run_ids[0]}) if len(run_ids) == 1 else ("compare", {"runs": ",".join(run_ids)})
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="known"):
        st.page_link(page.link(place), label="This has been run already", icon=":material/recycling:", query_params=query)
        return st.toggle("Run it again", key="form_again", help="The same settings, data and machine give the same bits")


def costs(config: RunConfig | None) -> None:
    """Images, FLOPs, time and memory that the settings will take. While they are measured, the previous numbers stay, greyed."""
    settings = "" if config is None else json.dumps(config.model_dump(mode="json"), sort_keys=True)
    known, answer = st.session_state.get(_COST, ("", None))
    if known != settings or answer is None:
        answer = _asked(config, settings, _PATIENCE)
    if answer is not None:
        _shown(*answer)
        return
    old = st.session_state.get(_COST, ("", None))[1]
    with st.container(key="cost-before"):
        _shown(old[0] if old else _NOTHING, ":material/hourglass_top: Measuring what these settings cost …")

    @st.fragment(run_every=0.5)
    @page.careful
    def measuring() -> None:
        if _asked(config, settings, 0.05) is not None:
            st.rerun()

    with page.own_place():
        measuring()


_NOTHING = ("–",) * 4


def _shown(values: Sequence[str], note: str) -> None:
    with st.container(gap="xsmall"):
        with st.grid(4, min_column_width=120, gap="small"):
            for name, value in zip(("samples_seen", "train_flops_dense", "seconds", "peak_memory_bytes"), values):
                metric(name, value)
        st.caption(note)


def _asked(config: RunConfig | None, settings: str, patience: float) -> tuple[Sequence[str], str] | None:
    """(numbers, a note on them) once they are known, which is remembered; None before."""
    if config is None:
        return _NOTHING, "The cost appears when all settings are possible."
    try:
        found = page.manager().estimate_soon(config.model_dump(mode="json"), patience)
    except ValueError as error:
        return _NOTHING, f":red[:material/error: {harmless(str(error))}]"
    if found is None:
        return None
    time = "–" if found["seconds"] is None else f"≈ {format.about(found['seconds'])}"
    values = (format.count(found["samples"]), format.flops(found["training_flops"]), time, f"≈ {format.size(found['memory_bytes'])}")
    most = "The most that it can be, since steps that turn out to be unnecessary are left out. " if found.get("is_most") else ""
    answer = values, f"{most}Repeats of images counted; dense FLOPs; {format.how_timed(found)}."
    st.session_state[_COST] = settings, answer
    return answer
