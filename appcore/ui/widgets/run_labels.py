"""Input fields for the name, tags and note of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from appcore.names import MOST_TITLE
from appcore.service.labels import MOST_NOTE

from ..app import page, signin
from ..words.text import plain


def details(run: dict[str, Any], tags: Sequence[str]) -> None:
    """Fields for name, tags and note of one run, saved when a field loses focus."""
    run_id = run["run_id"]
    keys = {name: f"{name}-{run_id}" for name in ("title", "tags", "note")}
    for name, key in keys.items():
        st.session_state[key] = run[name]
    left, right = st.columns(2, gap="medium")
    with left:
        st.text_input("Name", key=keys["title"], max_chars=MOST_TITLE, on_change=_edited, args=(run_id, "title"))
        options = list(dict.fromkeys([*run["tags"], *tags]))
        st.multiselect(
            "Tags",
            options,
            key=keys["tags"],
            accept_new_options=True,
            on_change=_edited,
            args=(run_id, "tags"),
            placeholder="Type a word, press Enter",
        )
    with right:
        st.text_area("Note", key=keys["note"], max_chars=MOST_NOTE, height=118, on_change=_edited, args=(run_id, "note"))


def sharing(run: dict[str, Any]) -> None:
    """Whether everybody at this server may look at the run; nothing where nobody signs in, and all see everything."""
    if not signin.is_on():
        return
    key = f"shared-{run['run_id']}"
    st.session_state[key] = page.store().is_shared(run["run_id"])
    help = "Without its name, tags and note. Whoever asks the same question sees it anyway, unless this server keeps runs apart."
    st.toggle("Everybody here may look at it", key=key, on_change=_shared, args=(run["run_id"], key), help=help)


def _shared(run_id: str, key: str) -> None:
    try:
        page.manager().share(run_id, st.session_state[key])
    except ValueError as error:
        st.toast(plain(str(error), 300), icon=":material/error:")


def name_of(run: dict[str, Any]) -> str:
    return run["title"] or run["run_id"]


def _edited(run_id: str, name: str) -> None:
    keep([run_id], **{name: st.session_state[f"{name}-{run_id}"]})


def keep(run_ids: Sequence[str], **labels: Any) -> None:
    for run_id in run_ids:
        try:
            page.manager().label(run_id, **labels)
        except ValueError as error:
            st.toast(plain(str(error), 300), icon=":material/error:")
            return
