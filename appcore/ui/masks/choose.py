"""Choices on the Masks page: runs, snapshot, page of a large layer; and what is shown when there is nothing to choose."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st

from appcore import plugins
from appcore.analysis import mask_history
from appcore.charts.playback.moments import Moments
from appcore.statuses import RESUMABLE

from ..app import page, tables
from ..app.mask_data import Snapshot
from ..widgets import playback, run_search
from ..widgets.run_picker import not_here
from ..words import run_status, run_text

Run = Mapping[str, Any]
_SNAPSHOT = "A prune point, or the end of a megabatch whose epochs moved the mask; arrow keys step"


@dataclass(frozen=True)
class Side:
    """A run with its mask snapshots."""

    run: Run
    look: Any
    snapshots: list[Snapshot]

    def thinned(self, chosen: int) -> tuple[list[Snapshot], int]:
        """The snapshots for a comparison, always including the chosen one, and its place among them."""
        places = sorted({*mask_history.thinned(len(self.snapshots)), chosen})
        return [self.snapshots[place] for place in places], places.index(chosen)


def pick(everything: dict[str, dict[str, Any]]) -> tuple[str | None, str | None]:
    """The run of the address (?run=a, and ?against=b), changed by the pickers; without one, the newest pruned run."""
    if "run" not in st.query_params:
        pruned = [run_id for run_id, run in everything.items() if plugins.prunes(run["method"])]
        st.query_params["run"] = page.taken_up() if page.taken_up() in everything else (pruned or list(everything))[0]
    run_id, other = st.query_params["run"], st.query_params.get("against")
    missing = [asked for asked in (run_id, other) if asked and asked not in everything]
    st.session_state["masks_run"] = run_id if run_id in everything else None
    st.session_state["masks_against"] = other if other in everything and other != run_id else None
    with st.container(horizontal=True, vertical_alignment="bottom", key="masks-pick"):
        offered = run_search.offered(everything, [run_id, other], "masks_run")
        words = run_text.options({key: everything[key] for key in offered})
        st.selectbox("Run", offered, format_func=words.__getitem__, key="masks_run", on_change=_picked, args=("run",), width=360)
        others = [key for key in offered if key != run_id]
        st.selectbox(
            "Compare with",
            others,
            index=None,
            format_func=words.__getitem__,
            key="masks_against",
            on_change=_picked,
            args=("against",),
            placeholder="No second run",
            width=360,
        )
    if missing:
        not_here(missing)
    return st.session_state["masks_run"], st.session_state["masks_against"]


def _picked(name: str) -> None:
    chosen = st.session_state[f"masks_{name}"]
    if chosen:
        st.query_params[name] = chosen
    else:
        st.query_params.pop(name, None)


def nothing_yet(run: Run) -> None:
    """Why there are no masks to show, and what to do."""
    with st.container(border=True, key="no-masks"):
        if not plugins.prunes(run["method"]):
            st.markdown(
                "#### This run keeps every weight  \nIts method prunes nothing, so it has no masks. Pick a run that is pruned above."
            )
        elif run_status.is_active(run):
            st.markdown(f"#### No prune point yet  \n{run_status.sentence(run)} The first mask appears here by itself.")
        elif run["status"] in RESUMABLE and not run["cursor"]:
            st.markdown(f"#### It ended before its first prune point  \n{run_status.sentence(run)}")
        else:
            st.markdown(
                "#### The masks of this run are not on this machine  \nIts rows are in the store, its mask files are not: they lie in "
                "the run's folder on the machine that ran it. Import its bundle, or resume or repeat the run, to have them here."
            )
        st.page_link(page.link("run"), label="Open the run", icon=":material/play_circle:", query_params={"run": run["run_id"]})


def pick_snapshot(side: Side, follows: bool, data: tables.Frames) -> int:
    """The snapshot (from 0) on the slider: of a run that is played that of the moment, else the newest while the run is followed."""
    count = len(side.snapshots)
    if count == 1:
        st.caption(f"One mask so far: {side.snapshots[0].words}.")
        return 0
    known = playback.moments_of([side.run], data)
    if known is not None:
        return _at_moment(side, known, data)
    if follows or st.session_state.get("point", 1) > count:
        st.session_state["point"] = count
    newest: dict[str, Any] = {} if "point" in st.session_state else {"value": count}
    return st.slider("Snapshot", 1, count, **newest, key="point", bind="query-params", disabled=follows, help=_SNAPSHOT) - 1


def _at_moment(side: Side, known: Moments, data: tables.Frames) -> int:
    """The newest snapshot by the moment of the playback; its slider goes from snapshot to snapshot."""
    of_segment: dict[int, int] = {}
    for name in ("prunes", "megabatches"):
        rows = getattr(data, name)
        mine = (rows["run_id"] == side.run["run_id"]).to_numpy()
        of_segment |= dict(zip(rows["segment"][mine].tolist(), known.of_rows[name][mine].tolist(), strict=True))
    moments = [of_segment[snapshot.segment] for snapshot in side.snapshots]
    moments[-1] = known.last  # with the last snapshot everything is there

    def of_link(_: Moments) -> int | None:
        with suppress(KeyError, ValueError, IndexError):  # ?point= of before playback
            chosen = int(st.query_params["point"])
            return moments[chosen - 1] if chosen > 0 else None
        return None

    stops = {moment: snapshot.words for moment, snapshot in zip(moments, side.snapshots, strict=True)}
    at = playback.bar(known, stops, of_link)
    return max((place for place, moment in enumerate(moments) if moment <= at), default=0)


def beside(side: Side, at: int, other: Side) -> int:
    """The other run's counterpart of snapshot `at`: its last that is not later in the stream, nor of a later round."""
    if len(side.snapshots) == len(other.snapshots):
        return at
    place = (side.snapshots[at].megabatch, side.snapshots[at].stage)
    return max((i for i, snapshot in enumerate(other.snapshots) if (snapshot.megabatch, snapshot.stage) <= place), default=0)
