"""Ablations: "what if I try them all?" Without ?sweep= the form with its cost and the list; with ?sweep=ID the board of one."""

import functools

import streamlit as st

from appcore import names
from appcore.planning import ablation_grid
from appcore.ui.app import page

PAGE = {
    "title": "Ablations",
    "icon": ":material/apps:",
    "order": 70,
    "help": "Choose values for any settings and try them all; see the cost first.",
}

page.guard(__file__)

from appcore.ui.ablations import board as ablation_board  # noqa: E402
from appcore.ui.ablations import form as ablation_form  # noqa: E402
from appcore.ui.ablations import list as ablation_list  # noqa: E402
from appcore.ui.widgets import projector  # noqa: E402
from appcore.ui.words import run_status, text  # noqa: E402

manager = page.manager()


def setup_page() -> None:
    """Values on the left; cost and preview on the right, before anything runs."""
    st.title("Ablations")
    st.markdown("Choose values for any settings: every combination that makes sense becomes a run, and runs that exist are used again.")
    left, right = st.columns([5, 6], gap="large")
    with left, st.container(border=True):
        base, axes, title = ablation_form.show()
    with right:
        found = None
        if axes:
            try:
                found = ablation_form.expanded(ablation_form.dumped(base), ablation_form.dumped(axes))
            except ValueError as error:
                st.error(text.plain(str(error), 400), icon=":material/error:")
        if found:
            reused = len(manager.ablations.reusable(found["cells"]))
            cost = st.container()
            label = f"Start {names.counted(len(found['cells']) - reused, 'run')}" if len(found["cells"]) > reused else "Show the results"
            start = functools.partial(_start, title, base, axes)
            st.button(
                label,
                type="primary",
                icon=":material/play_arrow:",
                key="start",
                on_click=start,
                disabled=not found["cells"],
                width="stretch",
            )
            ablation_form.preview(found, ablation_grid.counts_weights(base, axes))
        else:
            st.caption("The number of runs and their cost appear here when values are chosen.")
    ablations, unreadable = manager.ablations.survey()
    page.name_unreadable(unreadable)
    ablation_list.show(ablations)
    if found:  # last: the first estimate imports torch and times a few steps
        with cost:
            ablation_form.cost(found, reused)


def _start(title: str, base: dict, axes: dict) -> None:
    try:
        sweep_id = manager.ablations.create(title, base, axes)
        manager.ablations.run_missing(sweep_id)
        st.query_params.from_dict({"sweep": sweep_id})
    except (ValueError, OSError) as error:
        st.toast(text.plain(str(error), 300), icon=":material/error:")


def board_page(sweep_id: str) -> None:
    """One ablation: buttons on top, the board and its results live below."""
    data = manager.ablations.board(sweep_id)
    if not data["cells"]:  # a name that this program does not know: of another version, or of a plug-in that is gone
        st.title(text.plain(data["sweep"]["title"]))
        why = "No run can be made of its values; the reasons stand below."
        st.error(why, icon=":material/block:", title="All combinations are left out")
        ablation_list.facts(data)
        return
    board = ablation_board.Board(data)
    ablation_list.head(board)
    shown = board.token
    view, metric, down, across = ablation_board.controls(board)
    busy = any(cell["run"] and run_status.is_active(cell["run"]) for cell in board.cells)

    @st.fragment(run_every=2.0 if busy else 10.0)
    @page.careful
    def moving() -> None:
        now = ablation_board.Board(manager.ablations.board(sweep_id))
        if now.token != shown:
            st.rerun()
        on_top = st.container() if projector.is_on() else None  # an audience sees results first
        with st.container():
            ablation_list.progress(now)
            is_over = (now.rows["state"] == "done").all()
            with st.expander("States of the runs", icon=":material/grid_view:") if is_over else st.container():
                ablation_board.states(now, down, across)
            ablation_board.caveats(now)
            ablation_board.only(now, down, across)
        with on_top or st.container():
            ablation_board.results(now, view, metric, down, across)

    with page.own_place():
        moving()
    ablation_board.failures(board)
    waiting = manager.waiting()
    with st.expander("Queue", icon=":material/reorder:", key="queue", on_change="rerun") as queue:
        if queue.open:
            ablation_board.queue(board, waiting)
    ablation_list.facts(data)


sweep = st.query_params.get("sweep")
if sweep:
    try:
        manager.ablations.get(sweep)
    except ValueError as error:
        st.title("Ablations")
        st.error(text.sentence(error), icon=":material/search_off:", title="This ablation cannot be shown")
        st.page_link(page.link("ablations"), label="See all ablations", icon=":material/apps:", query_params={})
        st.stop()
    board_page(sweep)
else:
    setup_page()
