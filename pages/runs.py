"""Runs: "where is that run?" The library: search, filter, group, label, compare, archive, delete, import and export."""

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Runs",
    "icon": ":material/inventory_2:",
    "order": 80,
    "help": "The library: search, filter, group, tag, archive, delete; files in and out.",
}

page.guard(__file__)

from appcore.analysis import run_library  # noqa: E402
from appcore.ui.app import library  # noqa: E402
from appcore.ui.run import launch  # noqa: E402
from appcore.ui.runs import actions, files, table, views  # noqa: E402
from appcore.ui.widgets import run_files, run_labels  # noqa: E402
from appcore.ui.words import run_status, text  # noqa: E402

store = page.store()


def states() -> tuple[tuple[str, str], ...]:
    """The state of each run, also of those that cannot be read."""
    return tuple((run_id, status) for run_id, _, status in store.revision())


shown = states()
runs, unreadable = store.survey(recorded=True)
by_id = {run["run_id"]: run for run in runs}

left, right = st.columns([3, 2], vertical_alignment="bottom")
with left:
    st.title("Runs")
with right, st.container(horizontal=True, horizontal_alignment="right"):
    with st.popover("Views", icon=":material/bookmarks:", key="views"):
        views.chooser()
    with st.popover("Import", icon=":material/upload:", key="import"):
        files.importer()
for kind, said in st.session_state.pop("_import_said", []):
    if kind == "error":
        st.error(text.plain(said, 600), icon=":material/error:")
    else:
        st.toast(text.plain(said), icon=":material/check:")
if settings := st.session_state.pop("_runs_goto_form", None):
    st.switch_page(page.link("run"), query_params=settings)
if "_runs_said" in st.session_state:
    st.toast(st.session_state.pop("_runs_said"), icon=":material/check:")

page.name_unreadable(unreadable)
has_own = any(not run["recorded"] for run in runs)
if not has_own:
    st.markdown(
        "**No runs yet.** Start the first ones, or import a bundle that somebody gave you: every run stays here until you delete it."
    )
    launch.first_pair()
if not runs:
    st.stop()
if not has_own:
    st.subheader("Recorded runs, which came with the program", anchor=False)

ablations, unreadable_ablations = store.ablations.survey()
page.name_unreadable(unreadable_ablations)
frame = library.overview(runs, ablations)
found, by = table.filters(frame, has_own)
titles = {ablation["sweep_id"]: ablation["title"] or ablation["sweep_id"] for ablation in ablations}
more, opened = ([], []) if by else table.added(frame, {one: titles[one] for one in frame["ablation"].unique() if one})
hidden = int(frame["archived"].sum())
recorded = sum(bool(run["recorded"]) for run in runs)
all_runs = len(frame) if st.session_state.get("recorded") or not has_own else len(frame) - recorded
st.caption(table.counted(len(found), all_runs, hidden, recorded))

if found.empty:
    st.markdown("**No run fits.** Use fewer words or filters" + (", or show the archived ones." if hidden else "."))
    picked = []
elif by:
    picked = table.groups(run_library.grouped(found, by))
else:
    picked = table.table(run_library.folded(found, ablations, opened), more)

chosen = [by_id[run_id] for run_id in picked]
folded = [] if by else [one for one in found[found["run_id"].isin(picked)]["ablation"].unique() if one and one not in opened]
tags = run_library.values(frame, "tag")
if chosen:
    with st.container(border=True, key="picked"):
        actions.bar(chosen, tags, run_files.downloads, folded)
        if len(chosen) == 1:
            if chosen[0]["recorded"]:
                st.caption(run_status.recorded(chosen[0]))
            elif chosen[0].get("is_shared"):
                st.caption("Somebody shares this run: it can be looked at only.")
            else:
                run_labels.details(chosen[0], tags)
                run_labels.sharing(chosen[0])
            if chosen[0]["error"]:
                st.error(text.plain(chosen[0]["error"], 500), icon=":material/error:")
elif len(found):
    st.caption("Tick rows at their left edge to open, compare, tag, archive, download or delete runs.")


@st.fragment(run_every=3.0)
def watch() -> None:
    """Redraw the page when a run was added, removed or changed its state; each check costs one small query."""
    if states() != shown:
        st.rerun()


watch()
