"""What a teacher sees of a class: code, address and QR for the projector, how many have answered, then what they answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial, wraps
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from appcore import limits, markup
from appcore.charts.classroom.answers import answers as figure
from appcore.names import counted

from ..app import page, web_server
from ..widgets import live_chart
from ..words.text import harmless
from . import door, listener

_KEY, _ASKED, _SHOWN = "_class", "_class_asked", "class-code-shown"
_EVERY = 2.0  # seconds between two counts
_UNREACHABLE = "Phones cannot reach this address, which is this machine's name for itself. Write `{line}` into limits.toml, then reload."


def bar(is_asking: bool = False, offer: Any = None) -> str:
    """Let a teacher open a class, show its code and end it. Returns the code of the class that is open on this page, or nothing.

    `is_asking`: whether a question follows below, which needs the room; so the first of a class puts the large code away.
    `offer`: a place for the button that opens a class; by default a line of its own.
    """
    if not web_server.has_classes():
        return ""
    code, place = _open_now(), limits.load().class_address
    if not code:
        _offer(offer)
        return ""
    if place:
        page.careful(partial(listener.ensure, place))()
    with st.container(horizontal=True, vertical_alignment="center", key="class-bar"):
        st.markdown(f":material/groups: **Class {spaced(code)}**", width="content")
        _came(code)
        if is_asking and st.session_state.get(_ASKED) != code:
            st.session_state[_ASKED], st.session_state[_SHOWN] = code, False
        st.session_state.setdefault(_SHOWN, True)
        st.toggle("Show the code", key=_SHOWN)
        with st.popover("End the class", icon=":material/stop_circle:", type="tertiary"):
            st.caption("All answers are deleted.")
            st.button("End it", key="class-end", type="primary", on_click=_end, args=(code,))
    if st.session_state[_SHOWN]:
        _card(code)
    return code


def ask(code: str, question: dict[str, Any] | None) -> dict[str, Any] | None:
    """Let phones show a question in plain data (service/class_questions.py), or None; returns its truth where that is shown already."""
    classes = page.store().classes
    classes.ask(code, question)
    return classes.get(code)["truths"].get(question["id"]) if question else None


def vote(code: str, question: dict[str, Any], truth: dict[str, Any]) -> None:
    """The question for the projector, and how many have answered; if the teacher wants it what they answered, and at last the truth."""
    st.markdown(f"**{harmless(question['text'])}**")
    with st.container(horizontal=True, vertical_alignment="center", key="class-count"):
        _count(code, question["id"])
        st.toggle("Show answers", key=_toggle(question), help="Phones may still change theirs until the truth is shown.")
        st.button("Show the truth", key="class-truth", type="primary", on_click=_reveal, args=(code, question["id"], truth))
    if are_shown(question):
        _ticking(lambda: answers(code, question), "stretch")
    elif question["kind"] == "curve":
        first, last = question["options"][0], question["options"][-1]
        across = f"{harmless(question['x'])}, from {harmless(first)} to {harmless(last)}"
        upwards = f"{harmless(question['y'])}, {question['low']:g} to {question['high']:g}\u00a0{harmless(question['unit'])}"
        st.markdown(f"- across: {across}\n- upwards: {upwards}")
    else:
        st.markdown("\n".join(f"- {harmless(text)}" for text in question["options"]))


def are_shown(question: dict[str, Any]) -> bool:
    """Whether the teacher has the answers to a question shown before its truth, which takes room."""
    return bool(st.session_state.get(_toggle(question)))


def answers(code: str, question: dict[str, Any], truth: dict[str, Any] | None = None) -> None:
    """What the phones answered, the truth marked where it is given."""
    given = page.store().classes.answers(code, question["id"])
    token = code, question["id"], truth is None, json.dumps(given)
    live_chart.chart("class-answers", token, lambda: figure(question, given, truth), alt=_said(question, given))


def spaced(code: str) -> str:
    """A code as it is read aloud: in groups of four."""
    return " ".join(code[start : start + 4] for start in range(0, len(code), 4))


# ---- the class of this page


def _open_now() -> str:
    """The code of the class that this page holds, which stands in the address so that a reload keeps it."""
    code = st.session_state.get(_KEY) or st.query_params.get(door.PATH, "")
    if code:
        try:
            page.store().classes.get(code)
        except ValueError as error:
            if getattr(error, "field", "") != "class":
                raise
            _leave()
            st.toast("That class is over.", icon=":material/groups:")
            return ""
        _hold(code)
    return code


def _hold(code: str) -> None:
    st.session_state[_KEY] = code
    if st.query_params.get(door.PATH) != code:
        st.query_params[door.PATH] = code


def _leave() -> None:
    st.session_state.pop(_KEY, None)
    st.query_params.pop(door.PATH, None)


def _offer(place: Any) -> None:
    with place or st.container(horizontal=True, key="class-offer"):
        help = "Students answer the questions on their phones, without names; what they answered is shown here. Gone after a day."
        st.button("Open a class", icon=":material/groups:", key="class-open", help=help, on_click=_begin)
        known = page.store().classes.newest()
        if known:
            st.button(f"Go on with {spaced(known)}", icon=":material/history:", key="class-resume", on_click=_hold, args=(known,))


def _pressed(act: Callable[..., None]) -> Callable[..., None]:
    """What a button does; where it cannot, say so in a line and leave the page as it is."""

    @wraps(act)
    def done(*arguments: Any) -> None:
        try:
            act(*arguments)
        except ValueError as error:
            if not hasattr(error, "message"):
                raise
            st.toast(harmless(error), icon=":material/error:")

    return done


@_pressed
def _begin() -> None:
    _hold(page.store().classes.open())


@_pressed
def _end(code: str) -> None:
    _leave()
    page.store().classes.close(code)


def _toggle(question: dict[str, Any]) -> str:
    return f"class-shows-{question['id']}"


@_pressed
def _reveal(code: str, question: str, truth: dict[str, Any]) -> None:
    page.store().classes.reveal(code, question, truth)


# ---- what is drawn


def _card(code: str) -> None:
    """Address, code and QR in large type, to be read from the last row."""
    root, can_be_reached = _root()
    address = f"{root}/{door.PATH}/{code}"
    shown = markup.html(f"{root.partition('://')[2]}/{door.PATH}")
    st.html(
        f"<div class='class-card'>{_picture(address)}"
        f"<div><p>With a phone, open</p><p class='address'>{shown}</p><p>and type</p><p class='code'>{spaced(code)}</p></div></div>"
    )
    if not can_be_reached:
        line = f'class_address = "{listener.own_number()}:8502"'
        st.caption(f":material/info: {_UNREACHABLE.format(line=line)} docs/SERVER.md, A class, says more.")


def _picture(address: str) -> str:
    """The QR code as HTML; nothing where the package for it is not installed."""
    try:
        import segno
    except ImportError:
        return ""
    source = segno.make(address, error="m").svg_data_uri(scale=8, border=3)
    return f"<img alt='QR code of {markup.html(address)}' src='{markup.html(source)}'>"


def _root() -> tuple[str, bool]:
    """The address of the app as phones need it, without a path, and whether another machine can use it.

    Where classes have an address of their own, that is it. A teacher who sits at the server has opened it as localhost; where the settings
    give it a name in the network, that one is meant.
    """
    own = limits.load().class_address
    if own:
        return f"http://{own}", True
    here = urlsplit(st.context.url or "http://localhost")
    others = [name for name in limits.load().hosts if "*" not in name and name not in web_server.LOCAL]
    base = st.get_option("server.baseUrlPath").strip("/")
    if here.hostname in web_server.LOCAL and others:
        name = f"[{others[0]}]" if ":" in others[0] else others[0]
        place = f"{name}:{here.port}" if here.port else name
    else:
        place = here.netloc
    root = f"{here.scheme}://{place}" + (f"/{base}" if base else "")
    return root, bool(others) or here.hostname not in web_server.LOCAL


def _came(code: str) -> None:
    def came() -> None:
        st.markdown(f":gray[{counted(page.store().classes.counts(code)[0], 'phone')}]", width="content")

    _ticking(came)


def _count(code: str, question: str) -> None:
    def count() -> None:
        came, answered = page.store().classes.counts(code, question)
        have = "has" if answered == 1 else "have"
        st.markdown(f":material/how_to_vote: **{answered} of {counted(came, 'phone')}** {have} answered", width="content")

    _ticking(count)


def _ticking(draw: Callable[[], None], width: Any = "content") -> None:
    """Draw it, and again every two seconds, in a container of its own for the reason that `page.own_place` gives."""
    with st.container(width=width):
        st.fragment(page.careful(draw), run_every=_EVERY)()


def _said(question: dict[str, Any], given: list[Any]) -> str:
    return f"What {counted(len(given), 'phone')} answered to: {question['text']}"
