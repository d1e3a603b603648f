"""Playback: one slider with Play that moves all figures of a page in time, over runs that do not train now.

The browser cuts the curves, which it has whole (clip.js, playback.js), as often as it can draw them. The server draws the rest, of the
rows of the store up to the moment, when the slider rests and, while it plays, when something was counted. ?at= is the moment, in percent
of all: it means the same on every page of a run and on every x axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from appcore import charts
from appcore.charts.playback.moments import Moments, moments
from appcore.charts.playback.still import frame_of, keep
from appcore.statuses import MOVING

from ..app import tables
from . import live_chart

Run = Mapping[str, Any]
AT = "at"  # in the address
_BEFORE = ("moment", "megabatch", "point")  # parameters of links of before playback, which pages still read
_KEY, _PLAYING, _RESTED = "playback-bar", "_playing", "_rested"
_SECONDS = (10, 30, 60)
_HTML = f"""
<div class="playback" role="group" aria-label="Playback">
  <button class="play" type="button"></button>
  <input type="range" min="0" step="1" aria-label="Moment of the run">
  <output></output>
  <button class="end" type="button" aria-label="To the end">
    <svg viewBox="0 0 24 24"><path d="M5 5v14l10-7zM16 5h3v14h-3z"/></svg></button>
  <label>all in <select aria-label="Time that playing takes">
    {"".join(f'<option value="{seconds}">{seconds} s</option>' for seconds in _SECONDS)}
  </select></label>
</div>
"""
_beside = Path(__file__).with_suffix
_component = st.components.v2.component(
    "playback",
    html=_HTML,
    css=_beside(".css").read_text(encoding="utf-8"),
    js=_beside(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def is_for(runs: Sequence[Run]) -> bool:
    """Whether these runs can be played: a run that trains has its newest state shown instead."""
    return live_chart.are_live() and not any(run["status"] in MOVING for run in runs)


def played(runs: Sequence[Run], data: tables.Frames, old: Callable[[Moments], int | None] = lambda _: None) -> tables.Frames:
    """Draw the slider and give the tables up to its moment, all of them where there is nothing to play.

    `old`: the moment that a link of before playback asks for.
    """
    known = moments_of(runs, data)
    return data if known is None else data.until(known, bar(known, old=old))


def moments_of(runs: Sequence[Run], data: tables.Frames) -> Moments | None:
    """The moments of these runs on the axis of the page's curves; None where there is nothing to play."""
    if not is_for(runs):
        return None
    asked = st.session_state.get("x") or st.query_params.get("x")
    view = charts.View(asked if asked in charts.AXES else "megabatches")
    by_name = {name: getattr(data, name) for name in tables.TABLES}
    known = data.once(("moments", view.x, *(run["run_id"] for run in runs)), lambda: moments(view, runs, by_name))
    return known if known.last else None


def bar(known: Moments, stops: Mapping[int, str] | None = None, old: Callable[[Moments], int | None] = lambda _: None) -> int:
    """Draw the slider and give its moment. `stops`: the moments that the page has something for, with their names; without, all."""
    at = _at(known, old)
    if st.session_state.pop(_RESTED, False):
        st.rerun()  # the links of the page lead to this moment as well
    places = sorted(stops or range(known.last + 1))
    data = {
        "stops": places,
        "words": [stops[place] for place in places] if stops else known.words,
        "edges": known.places[places].tolist(),
        "news": places if stops else known.counts,
        "last": known.last,
        "at": at,
    }
    with st.container(key="playback"):
        _component(key=_KEY, data=data, on_moved_change=lambda: _moved(known.last))
    return at


def _at(known: Moments, old: Callable[[Moments], int | None]) -> int:
    """The moment: where the browser plays, else that of the address."""
    playing = st.session_state.pop(_PLAYING, None)
    if playing is not None:
        return min(playing, known.last)
    if AT not in st.query_params:
        before = old(known)
        return known.last if before is None else before
    return _moment(st.query_params[AT], known.last)


def _moment(percent: Any, last: int) -> int:
    """The moment of so many percent; the end where that is no number."""
    try:
        share = float(percent) / 100
    except (TypeError, ValueError):
        return last
    return round(min(max(share, 0.0), 1.0) * last) if math.isfinite(share) else last


def _moved(last: int) -> None:
    """Called when the browser tells where it is: on its way, or at rest, which is written into the address."""
    told = st.session_state[_KEY].get("moved") or {}
    at = _moment(told.get("percent"), last)
    if not told.get("rests"):
        st.session_state[_PLAYING] = at
        return
    st.session_state[_RESTED] = True
    for name in _BEFORE:
        st.query_params.pop(name, None)
    if at < last:
        st.query_params[AT] = f"{100 * at / last:.2f}".rstrip("0").rstrip(".")
    else:
        st.query_params.pop(AT, None)


def address() -> dict[str, str]:
    """The moment for links to other pages about the same run."""
    return {AT: st.query_params[AT]} if AT in st.query_params else {}


def as_of(run: Run, seen: tables.Frames) -> dict[str, Any]:
    """A run as it was at the moment that is shown: without totals, with its speed so far."""
    if seen.played is None:
        return dict(run)
    epochs, prunes = (rows[rows["run_id"] == run["run_id"]] for rows in (seen.epochs, seen.prunes))
    seconds = epochs["seconds"].sum() + prunes["seconds"].sum()
    speed = epochs["samples_seen"].iloc[-1] / seconds if len(epochs) and seconds else None
    return {**run, "totals": None, "progress": {"images_per_second": speed}}


def chart(
    key: str, token: Hashable, build: Callable[[tables.Frames], go.Figure], seen: tables.Frames, needs: Sequence[str], **more: Any
) -> None:
    """A live chart of the rows up to the moment, on the axes of all rows. It needs these tables, and `token` is what else it shows."""
    whole = seen.played
    if whole is None:
        live_chart.chart(key, (token, seen.token(*needs)), lambda: build(seen), shared=seen.figures, **more)
        return

    def built() -> go.Figure:
        return keep(build(seen), whole.once(("frame", key, token), lambda: frame_of(build(whole))))

    live_chart.chart(key, (token, seen.token(*needs), seen.at), built, **more)
