"""What every page uses first: the deep-link guard, the shared manager and its store. Returns plain data only."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from appcore.names import RECORDED
from appcore.presets import PRESETS

from ..words import text
from . import page_files, signin

_NAMED = 3
_PAGE, _TOLD = "_page", "_address_told"  # the page that is open, and the query of its address that the browser knows of
_ARRIVAL_SECONDS = 5.0
_spent, _lock, _this_thread = [0.0], threading.Lock(), threading.local()


def guard(file: str) -> None:
    """First line of a page, given its `__file__`. Streamlit finds a folder pages/ by itself, so when the first request of a fresh process
    is a deep link, it runs the page without app.py: remember the page and run app.py first."""
    name = Path(file).stem
    if "nav_ready" not in st.session_state:
        st.session_state["_goto"] = (name, _everything_asked())
        st.switch_page("app.py")
    if st.session_state.get(_PAGE) != name:
        st.session_state[_PAGE] = name
        st.session_state.pop(_TOLD, None)


def _everything_asked() -> dict[str, list[str]]:
    """All that the address says: `to_dict` keeps the last one of ?columns=tau&columns=epochs."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


def link(name: str) -> str:
    """The argument of `st.page_link` and `st.switch_page` for the page of this name."""
    return page_files.found()[name].path


def careful(draw: Callable[[], None]) -> Callable[[], None]:
    """Show errors that users can fix (a locked or broken store, a full disk) as their one line, not as a traceback.

    The processor time of drawing is counted, see `spent`.
    """

    @functools.wraps(draw)
    def drawn() -> None:
        begun, outer = time.thread_time(), getattr(_this_thread, "is_drawing", False)
        _this_thread.is_drawing = True
        try:
            draw()
        except ValueError as error:  # InputError, which has another identity after a source reload
            if not hasattr(error, "message"):
                raise
            st.error(text.sentence(error.message), icon=":material/error:", title="This cannot be shown now")
        finally:
            _this_thread.is_drawing = outer
            if not outer:  # a page counts the fragments in it
                with _lock:
                    _spent[0] += time.thread_time() - begun

    return drawn


def spent() -> float:
    """Processor seconds spent on drawing all pages of this process."""
    return _spent[0]


def own_place() -> Any:
    """A container for a timed fragment: one element of the page, whatever is in it.

    When the first tick comes before a slow connection has received the page, Streamlit (1.67) drops what the fragment had drawn and keeps
    what follows it; without a container that is put at places that do not exist, and the browser shows a white page.
    """
    return st.container()


def place_in_line(run: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `run_status.sentence` for a waiting run: its position in this process, and the other program that it waits for."""
    if run["status"] != "queued":
        return {}
    queued = manager().waiting()
    ahead = queued[: queued.index(run["run_id"])] if run["run_id"] in queued else []
    titles = [manager().get(other)["title"] or other for other in ahead[:_NAMED]]
    return {
        "position": manager().queue_position(run["run_id"]),
        "waits_for": manager().waits_for(run["run_id"]),
        "ahead": [*titles, *([f"{len(ahead) - _NAMED} more"] if len(ahead) > _NAMED else [])],
    }


def manager() -> Any:
    """The process-wide manager, the same one in every tab and after every reload; with sign-in, restricted to this user's runs."""
    from appcore.service import manager as module

    return signin.seen(module.shared())


def store() -> Any:
    """The store that the manager writes to."""
    return manager().store


def await_recorded() -> None:
    """Wait for the recorded runs, as long as a new store needs to get them."""
    from appcore.service import manager as module

    module.shared().recorded.wait(_ARRIVAL_SECONDS)


def runs(limit: int | None = None) -> list[dict[str, Any]]:
    """The runs that this user may see, newest first, then recorded ones; those that cannot be read are named on the page.

    A store that is empty yet, or is asked for recorded runs, is given the seconds that a new one needs to get them.
    """
    found, unreadable = store().survey(limit, recorded=True)
    if not found or any(RECORDED in value for values in _everything_asked().values() for value in values):
        await_recorded()
        found, unreadable = store().survey(limit, recorded=True)
    name_unreadable(unreadable)
    return found


def name_unreadable(found: Sequence[Any]) -> None:
    """Say which rows were left out because they cannot be read, and what to do about it."""
    if found:
        named = "; ".join(str(one) for one in found[:_NAMED])
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        rows = "1 row of the store cannot be read and is" if len(found) == 1 else f"{len(found)} rows of the store cannot be read and are"
        remedy = "`python -m appcore doctor --repair` quarantines them, `python -m appcore delete RUN` deletes a run."
        st.warning(f"{rows} left out here: {text.harmless(named + more)}. {remedy}", icon=":material/broken_image:")


def requested(name: str) -> list[str]:
    """Run ids in the address: ?runs=a,b (or ?run=a) -> [a, b]. Waits for recorded ones, which a new store has within seconds."""
    found = [part for part in st.query_params.get(name, "").split(",") if part]
    if any(run_id.startswith(RECORDED) for run_id in found):
        await_recorded()
    return found


def settle_address() -> None:
    """Let the browser's address say what this page was asked for: a link of Streamlit (1.67) to the page that it stands on leaves it
    as it was, and the next update or a reload would lead back. Once for each query: on a busy machine once more comes when Back has been
    pressed meanwhile, and takes the way forward."""
    asked = _everything_asked()
    if asked == st.session_state.get(_TOLD):
        return
    address_told()
    with suppress(StreamlitAPIException):  # a parameter is bound to an element, so the page was here before
        st.query_params.from_dict(asked)


def address_told() -> None:
    """For callbacks that have written the address of a page which settles it."""
    st.session_state[_TOLD] = _everything_asked()


def keep_form(query: Mapping[str, str]) -> None:
    """Remember the form as it stands in the address, for links back to it."""
    st.session_state["_form"] = {name: value for name, value in query.items() if name != "projector"}


def form_address() -> dict[str, str]:
    """The address of the form as it was left. Never empty: without a parameter a link would keep those of the page that it is on."""
    return st.session_state.get("_form") or {"preset": next(iter(PRESETS))}


def take_up(run_id: str) -> None:
    """Remember the run that a page is about, so that the navigation leads to the other pages about it."""
    st.session_state["_run"] = run_id


def taken_up() -> str:
    """The run that was looked at last; empty where there was none."""
    asked, kept = st.query_params.get("run", ""), st.session_state.get("_run", "")
    if asked or not kept:
        return asked
    with suppress(ValueError):  # the page says so itself when the store cannot be read
        if store().revision(kept):
            return kept
    return ""


def find(run_id: str) -> tuple[dict[str, Any] | None, str]:
    """(run, "") or (None, reason) for an id that came from an address."""
    try:
        return manager().get(run_id), ""
    except ValueError as error:
        return None, str(error)
