"""The table of the Runs page: search, filters, groups, columns, and the picked runs. Every choice is in the address."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from appcore import names
from appcore.analysis import conditions, run_fields, run_library

from ..app import old_links, page
from ..words.text import cells, harmless
from . import columns, pages

_LABELS = {"status": "State", "method": "Method", "pruner": "Pruner", "dataset": "Data set", "arch": "Network", "tag": "Tag"}
_HEIGHT = 430
_SEARCH = (
    "Words are looked for in names, notes, tags and settings; 20 finds 20 and not 2026. Conditions name any setting or number: "
    "`sparsity>90`, "
    '`pruner=snip,magnitude`, `seed<3`, `state!=done`, `tau>=4.5`; numbers in the unit of their column. Quotes make a word of one: `"a=b"`.'
)


def filters(frame: pd.DataFrame, has_own: bool) -> tuple[pd.DataFrame, str | None]:
    """(the matching rows, the column to group them by or None). Recorded runs are shown where asked for, or where there are no others."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = st.text_input(
            "Search",
            key="q",
            type="search",
            bind="query-params",
            icon=":material/search:",
            placeholder="words, and conditions: sparsity>90 pruner=snip seed<3",
            help=_SEARCH,
        )
        by = st.selectbox(
            "Group by",
            list(run_library.GROUPS),
            index=None,
            key="by",
            bind="query-params",
            placeholder="nothing",
            width=230,
        )
        archived = st.toggle("Archived too", key="archived", bind="query-params", width="content")
        are_recorded = pd.Series([bool(run["recorded"]) for run in frame["run"]], frame.index, dtype=bool)
        if has_own and are_recorded.any():
            about = "Runs that came with the program; they are only read, and count against no limit"
            with_recorded = st.toggle("Recorded too", key="recorded", bind="query-params", width="content", help=about)
            frame = frame if with_recorded else frame[~are_recorded]
    shown = run_library.choose(frame, {}, archived=archived)
    try:
        shown = conditions.search(shown, text or "")
    except ValueError as error:
        st.caption(f":red[:material/error: {harmless(str(error)[0].upper() + str(error)[1:])}]")
        shown = shown.iloc[:0]
    return run_library.choose(shown, _chosen(frame), archived=True), by


def added(frame: pd.DataFrame, titles: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """(settings and numbers to add as columns, ablations whose runs are listed one by one), both chosen here and in the address.

    `titles` of ablations by id.
    """
    offered = columns.choices(run_fields.fields(frame))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="columns-row"):
        old_links.renamed("columns", offered)  # an address may name them as settings and numbers are named
        chosen = st.multiselect(
            "More columns",
            list(offered),
            key="columns",
            bind="query-params",
            format_func=offered.__getitem__,
            placeholder="any setting or number",
        )
        if not titles:
            return chosen, []
        words = {sweep_id: f"{title} · {sweep_id[-4:]}" for sweep_id, title in titles.items()}
        old_links.renamed("open", words)
        opened = st.multiselect(
            "Ablations run by run",
            list(titles),
            key="open",
            bind="query-params",
            format_func=words.__getitem__,
            placeholder="each is one row",
        )
    return chosen, opened


def _chosen(frame: pd.DataFrame) -> dict[str, list[str]]:
    """One menu for each property that differs among the runs."""
    menus = {name: run_library.values(frame, name) for name in run_library.FILTERS}
    shown = {name: options for name, options in menus.items() if len(options) > 1 or (name == "tag" and options)}
    chosen: dict[str, list[str]] = {}
    if shown:
        with st.grid(len(shown), min_column_width=170, gap="small"):
            for name, options in shown.items():
                words = dict(zip(options, options)) if name in ("status", "tag") else names.apart(options)
                old_links.renamed(name, words)
                chosen[name] = st.multiselect(
                    _LABELS[name],
                    options,
                    key=name,
                    bind="query-params",
                    format_func=words.__getitem__,
                    placeholder="all",
                    max_selections=20,
                )
    return chosen


def table(frame: pd.DataFrame, more: Sequence[str]) -> list[str]:
    """Show the runs, `folded`, with `more` columns; returns the ids of the picked ones."""
    own = columns.own(more, run_fields.fields(frame)) if more else []
    part = pages.part(frame, page.requested("runs"))
    shown, config = columns.shown(part, (*columns.RUNS[: columns.OWN], *own, *columns.RUNS[columns.OWN :]))
    return _select("runs", shown, part["run_ids"].tolist(), config, names.counted(len(part), "run"), _elsewhere(frame, part))


def groups(frame: pd.DataFrame) -> list[str]:
    """Show groups of runs with mean and spread; returns the ids of the runs in the picked groups."""
    part = pages.part(frame, page.requested("runs"))
    shown, config = columns.shown(part, columns.GROUPS)
    ids = part["run_ids"].tolist()
    return _select("groups", shown, ids, config, f"{names.counted(len(shown), 'group')} of runs", _elsewhere(frame, part))


def _elsewhere(frame: pd.DataFrame, part: pd.DataFrame) -> list[str]:
    """The picked runs of rows that stand on other pages of the table."""
    asked = page.requested("runs") if len(part) < len(frame) else []
    here, all_ids = ({run_id for ids in rows["run_ids"] for run_id in ids} if asked else set() for rows in (part, frame))
    return [run_id for run_id in asked if run_id in all_ids - here]


def _select(name: str, shown: pd.DataFrame, ids: list[list[str]], config: dict[str, Any], alt: str, elsewhere: list[str]) -> list[str]:
    """A table with selection. Streamlit selects row numbers, so each list of runs gets a table of its own that keeps the picked runs, with
    those that are picked `elsewhere`."""
    key = f"{name}-{hashlib.sha256(repr(ids).encode()).hexdigest()[:12]}"
    picked = set(page.requested("runs"))
    kept = st.session_state.setdefault("_default_rows", {})
    kept.update(ids=ids, elsewhere=elsewhere)
    if kept.get("key") != key:
        kept.update(key=key, rows=[row for row, run_ids in enumerate(ids) if picked and set(run_ids) <= picked])
    event = st.dataframe(
        cells(shown),
        key=key,
        hide_index=True,
        height=min(_HEIGHT, 44 + 35 * len(shown)) if len(shown) else "auto",
        column_config=config,
        # Only the name is passed: Streamlit keeps the callbacks of all tables of a session, and each new run makes a new table.
        on_select=partial(_remember, key),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": list(kept["rows"])}},
        placeholder="–",
        alt=alt,
    )
    rows = event.selection.rows
    if elsewhere:
        st.caption(f"{names.counted(len(elsewhere), 'run')} picked on other pages of the table.")
    return [*elsewhere, *_of_rows(rows, ids)]


def _of_rows(rows: Sequence[int], ids: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(run_id for row in rows if row < len(ids) for run_id in ids[row]))


def _remember(key: str) -> None:
    kept = st.session_state.get("_default_rows", {})
    if kept.get("key") != key:  # a click on a table that no longer exists
        return
    chosen = [*kept["elsewhere"], *_of_rows(st.session_state[key].selection.rows, kept["ids"])]
    if chosen:
        st.query_params["runs"] = ",".join(chosen)
    elif "runs" in st.query_params:
        del st.query_params["runs"]


def counted(shown: int, all_runs: int, archived: int, recorded: int = 0) -> str:
    """How many runs the table shows, and why not all."""
    text = names.counted(all_runs, "run") if shown == all_runs else f"{shown:,} of {names.counted(all_runs, 'run')}"
    return " · ".join([text, *([f"{archived} archived"] if archived else []), *([f"{recorded} recorded"] if recorded else [])])
