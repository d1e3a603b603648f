"""The bar of all pages on top, and below a run's title the bar of the pages about it. Both carry the run, so that nobody loses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ..app import page, page_files
from . import playback


class _Start(st.Page):
    """The first page as a link. Streamlit (1.67) gives it an empty address, which in a new tab is that of the page it stands on."""

    @property
    def url_path(self) -> str:
        return "."


def of_pages() -> None:
    """All pages. Those about a run lead to the one that was looked at last, and Run to the form as it was left."""
    run_id = page.taken_up()
    with st.container(horizontal=True, key="pages"):
        for place, (name, file) in enumerate(page_files.found().items()):
            carried = {"run": run_id} if run_id and file.of_run and file.of_run[1] == "run" else {}
            target = file.path if place else _Start(file.path, url_path=name, default=True)
            st.page_link(target, label=file.title, help=file.help, query_params=page.form_address() if name == "run" else carried)


def of_run(run: Mapping[str, Any]) -> None:
    """The pages about this run, at the moment that is shown."""
    page.take_up(run["run_id"])
    about = [(*file.of_run, file) for file in page_files.found().values() if file.of_run]
    with st.container(horizontal=True, key="of-run"):
        for label, parameter, file in sorted(about, key=lambda one: one[1] != "run"):
            moment = playback.address() if file.plays else {}
            st.page_link(file.path, label=label, icon=file.icon, query_params={parameter: run["run_id"], **moment})
