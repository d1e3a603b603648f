"""Actions on the picked runs: open, compare, name, tag, note, archive, delete. Deleting asks once and says what is removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from appcore import paths
from appcore.analysis.run_library import PINNED
from appcore.runner.admission import folder_bytes

from ..app import page
from ..widgets.run_labels import keep, name_of
from ..widgets.run_picker import MOST
from ..words import format, run_status
from ..words.text import plain

Runs = Sequence[dict[str, Any]]


def bar(runs: Runs, tags: Sequence[str], files: Callable[[Runs], None], ablations: Sequence[str] = ()) -> None:
    """The buttons for the picked runs; `files` draws the downloads. `ablations`: those of which a row was picked."""
    ids = [run["run_id"] for run in runs]
    own, shared = [run for run in runs if not run_status.is_only_read(run)], [run for run in runs if run.get("is_shared")]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="actions"):
        st.markdown(f"**{len(runs)} picked**" if len(runs) > 1 else f"**{plain(name_of(runs[0]), 60)}**", width="content")
        if len(runs) == 1:
            st.page_link(page.link("run"), label="Open", icon=":material/open_in_full:", query_params={"run": ids[0]})
        for sweep_id in ablations[:1]:
            st.button("List its runs", icon=":material/unfold_more:", key="unfold", on_click=_unfold, args=(ablations,))
            st.page_link(page.link("ablations"), label="Ablation", icon=":material/apps:", query_params={"sweep": sweep_id})
        if len(runs) <= MOST:
            st.page_link(page.link("compare"), label="Compare", icon=":material/compare_arrows:", query_params={"runs": ",".join(ids)})
        else:
            st.caption(f"Compare takes up to {MOST} runs")
        if own:
            _labelling(own, tags)
        with st.popover("Download", icon=":material/download:", key="download"):
            files(runs)
            query = {"part": "Numbers", "runs": ",".join(ids)}
            st.page_link(page.link("export"), label="A table for a paper, figures", icon=":material/article:", query_params=query)
        if own and st.button("Delete", icon=":material/delete:", key="delete"):
            _ask(own)
        if shared:
            leave: dict[str, Any] = {
                "key": "leave",
                "on_click": _delete,
                "args": (shared, "taken off your list"),
                "help": "They stay with who started them",
            }
            st.button("Take off my list", icon=":material/playlist_remove:", **leave)
        if len(own) + len(shared) < len(runs):
            st.caption("Recorded runs came with the program and stay as they are.")


def _labelling(runs: Runs, tags: Sequence[str]) -> None:
    """Buttons that tag, pin and archive runs."""
    ids = [run["run_id"] for run in runs]
    with st.popover("Tag", icon=":material/sell:", key="tag-popover"):
        _tag_many(runs, tags)
    pinned = all(PINNED in run["tags"] for run in runs)
    st.button(
        "Unpin" if pinned else "Pin",
        icon=":material/keep_off:" if pinned else ":material/keep:",
        key="pin",
        on_click=_pin,
        args=(runs, not pinned),
        help=f"Pinned runs stand first; they have the tag {PINNED}",
    )
    away = not all(run["archived"] for run in runs)
    label, icon = ("Archive", ":material/archive:") if away else ("Unarchive", ":material/unarchive:")
    st.button(label, icon=icon, key="archive", on_click=keep, args=(ids,), kwargs={"archived": away}, help="Out of sight, not deleted")


def _unfold(ablations: Sequence[str]) -> None:
    st.session_state["open"] = list(dict.fromkeys([*st.session_state.get("open", []), *ablations]))


def _pin(runs: Runs, is_wanted: bool) -> None:
    for run in runs:
        others = [tag for tag in run["tags"] if tag != PINNED]
        keep([run["run_id"]], tags=[PINNED, *others] if is_wanted else others)


def _tag_many(runs: Runs, tags: Sequence[str]) -> None:
    st.multiselect(
        "Add" if len(runs) == 1 else "Add to all", tags, key="tags-add", accept_new_options=True, placeholder="Type a word, press Enter"
    )
    shared = list(dict.fromkeys(tag for run in runs for tag in run["tags"]))
    if shared:
        st.multiselect("Take away" if len(runs) == 1 else "Take from all", shared, key="tags-take")
    st.button("Apply", key="tags-apply", type="primary", on_click=_apply_tags, args=(runs,))


def _apply_tags(runs: Runs) -> None:
    add, take = st.session_state.get("tags-add", []), set(st.session_state.get("tags-take", []))
    for run in runs:
        keep([run["run_id"]], tags=[tag for tag in dict.fromkeys([*run["tags"], *add]) if tag not in take])
    st.session_state["tags-add"] = []


@st.dialog("Delete for good?", icon=":material/delete:")
def _ask(runs: Runs) -> None:
    """Ask before deleting, and say what is removed; active runs are left alone."""
    ended = [run for run in runs if not run_status.is_active(run)]
    size = sum(_size(run["run_id"]) for run in ended)
    if ended:
        names = "\n".join(f"- {plain(name_of(run), 70)} ({run['run_id']})" for run in ended[:8])
        more = f"\n- and {len(ended) - 8} more" if len(ended) > 8 else ""
        st.markdown(f"**{len(ended)} {'run goes' if len(ended) == 1 else 'runs go'}:**\n{names}{more}")
        st.markdown(f"Every number, checkpoint and mask of {'it' if len(ended) == 1 else 'them'} ({format.size(size)} on disk) is removed.")
    if len(ended) < len(runs):
        st.caption(f"{len(runs) - len(ended)} still going on: left alone. Stop them first.")
    st.caption("To keep a copy, download a bundle first; to only tidy up, archive.")
    with st.container(horizontal=True):
        yes: dict[str, Any] = {"type": "primary", "icon": ":material/delete:", "key": "delete-yes", "disabled": not ended}
        if st.button("Delete", on_click=_delete, args=(ended,), **yes):
            st.rerun()
        if st.button("Cancel", key="delete-no"):
            st.rerun()


def _delete(runs: Runs, done: str = "deleted") -> None:
    gone = 0
    for run in runs:
        try:
            page.manager().delete(run["run_id"])
            gone += 1
        except ValueError as error:
            st.toast(plain(str(error), 300), icon=":material/error:")
    st.query_params.pop("runs", None)
    st.session_state["_runs_said"] = f"{gone} {'run' if gone == 1 else 'runs'} {done}."


def _size(run_id: str) -> int:
    return folder_bytes(paths.run_folder(page.store().folder, run_id))
