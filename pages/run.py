"""Run: "what is it doing now?" Without ?run= the launch form with plan and cost; with ?run=ID the live view of a run."""

from functools import partial

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Run",
    "icon": ":material/play_circle:",
    "order": 20,
    "help": "Set up a run, see its plan and cost, start it, watch it.",
    "of_run": ("Curves", "run"),
    "plays": True,
    "on_start": (
        "Set up a run of your own",
        "Data set, network, method, pruner: see the plan and its cost before it starts.",
    ),
}

page.guard(__file__)

from appcore import charts  # noqa: E402
from appcore.config import build  # noqa: E402
from appcore.planning import address  # noqa: E402
from appcore.statuses import BROKEN, RESUMABLE  # noqa: E402
from appcore.transfer import reproduce  # noqa: E402
from appcore.ui.app import tables  # noqa: E402
from appcore.ui.run import launch, log, machine, network, next_steps, ticket, view  # noqa: E402
from appcore.ui.settings import form  # noqa: E402
from appcore.ui.widgets import alerts, bars, bell, image_answers, live_chart, playback, projector, run_controls, run_labels  # noqa: E402
from appcore.ui.words import format, run_status, run_text, text  # noqa: E402


def launch_page() -> None:
    """Settings on the left; plan and costs on the right, before anything runs."""
    st.title("New run")
    form.choose_preset()
    left, right = st.columns([6, 5], gap="large")
    with left:
        chosen, config = form.show()
    with right, st.container(key="beside-the-form"):
        cost = st.container()
        if config is not None:
            live_chart.chart(
                "plan",
                config.fingerprint,
                lambda: charts.staircase(charts.planned(config), colour=run_text.colour(config), revision="plan"),
                alt="Steps: planned sparsity at each megabatch",
            )
        labels, again = launch.labels(config), launch.known([config.model_dump(mode="json")] if config else [])
        if st.button("Start run", type="primary", icon=":material/play_arrow:", key="start", disabled=config is None, width="stretch"):
            launch.start([chosen], form.launcher(), labels, again=again)
        if config is None:
            st.caption(":red[:material/error: Something on the left needs another value first.]")
        with cost:
            launch.costs(config)


def run_page(run: dict) -> None:
    """One run: buttons on top (in the main script), live parts in a fragment below."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left, st.container(key="run-head"):
        st.title(text.plain(run["title"] or run["run_id"]))
        st.markdown(f"{run_status.markdown(run)} &nbsp; {run_text.summary(run)}")
    with right:
        if not run_status.is_only_read(run):
            run_controls.buttons(run)
        with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", key="again"):
            alerts.switch([run])
            change_and_run_again(run)
    bars.of_run(run)
    pace = tables.pace([run])
    shown = (run["status"], run["command"], run_status.state(run), pace)
    beside, looks = ticket.others(run), image_answers.is_waiting(run["run_id"])
    is_watched = looks or any(run_status.is_active(one) for one in beside)

    def read() -> tuple[dict, tables.Frames]:
        now = present(run["run_id"])
        if (now["status"], now["command"], run_status.state(now), tables.pace([now])) != shown:
            st.rerun()
        return now, tables.read([now])

    def figures(now: dict, data: tables.Frames) -> None:
        on_top = st.container() if projector.is_on() else None  # an audience sees charts first
        with st.container():
            view.header_numbers(playback.as_of(now, data), data)
            machine.line(now)
            ticket.section(now, data, beside)
        shown_as = view.controls(now, data)
        with on_top or st.container():
            view.figures(now, data, shown_as)
        network.section(now, data, shown_as)
        if image_answers.is_waiting(run["run_id"]) != looks:
            st.rerun()
        view.costs(playback.as_of(now, data), data, shown_as)
        with st.expander("Pairing hashes and machine", icon=":material/fingerprint:"):
            view.facts(now)
        if now["status"] not in BROKEN:
            log.show(now)
        if data.played is None:  # else it would speak of the end
            next_steps.show(now)

    @st.fragment(run_every=1.0 if looks else pace if is_watched else 5.0 if run["status"] in RESUMABLE else None)
    @page.careful
    def everything() -> None:
        now, whole = read()
        page.name_unreadable(whole.unreadable)
        data = playback.played([now], whole, partial(view.moment_of_link, now, whole))
        with st.container():  # whatever is in it, what follows keeps its place
            view.progress_bar(now, data)
            if now["traceback"] and now["status"] == "failed":
                with st.expander("Traceback", icon=":material/terminal:", key="traceback"):
                    st.code(now["traceback"], language=None)
            if now["status"] in BROKEN:
                log.show(now, is_open=not projector.is_on())
        figures(now, data)

    @st.fragment(run_every=pace)
    @page.careful
    def progress() -> None:
        now, data = read()
        view.progress_bar(now, data)
        bell.ring("run-figures", data.news)

    @st.fragment(key="run-figures")
    @page.careful
    def new_figures() -> None:
        now, data = read()
        page.name_unreadable(data.unreadable)
        figures(now, data)

    if run_status.is_active(run) and not is_watched:  # the bar moves each second, the rest when there is something new
        with page.own_place():
            progress()
        with st.container():
            new_figures()
    else:
        with page.own_place():
            everything()
    if run.get("is_shared"):
        st.caption("Somebody else started this run, with the settings and data that you asked for, or shares it with everybody.")
    if not run_status.is_only_read(run):
        with st.expander("Name, tags and note", icon=":material/edit_note:"):
            run_labels.details(run, [])
            run_labels.sharing(run)
    with st.expander("Copy as command or Python", icon=":material/content_copy:"):
        as_program(run)
    with st.expander("All settings", icon=":material/settings:"):
        st.dataframe(text.cells(run_text.settings_table(run)), hide_index=True, alt="Settings of this run")
    with st.container(horizontal=True):
        st.page_link(page.link("run"), label="New run", icon=":material/add:", query_params=page.form_address())
        st.page_link(page.link("compare"), label="Compare this run", icon=":material/compare_arrows:", query_params={"runs": run["run_id"]})
        st.caption(f"Started {format.age(run['created'])} · {text.plain(run['run_id'])}")


def change_and_run_again(run: dict) -> None:
    """A link to the form, filled from this run."""
    again = {**address.of_run(run["config"]), address.FROM: run["run_id"]}
    st.page_link(page.link("run"), label="Change and run again", icon=":material/edit:", query_params=again)


def present(run_id: str) -> dict:
    """The run as it is now; where it was deleted while somebody looked at it, the whole page says so."""
    try:
        return page.manager().get(run_id)
    except ValueError:
        if page.store().revision(run_id):  # it is there, and cannot be read at the moment
            raise
        st.rerun()


def not_here(reason: str) -> None:
    """What is said of a run that cannot be shown, and where to go."""
    st.title("Run")
    st.error(text.sentence(reason), icon=":material/search_off:", title="This run cannot be shown")
    with st.container(horizontal=True):
        st.page_link(page.link("runs"), label="All runs", icon=":material/table_rows:")
        st.page_link(page.link("run"), label="New run", icon=":material/add:", query_params=page.form_address())


def as_program(run: dict) -> None:
    """The run as a command and as a Python program."""
    try:
        config = build(run["config"])
    except ValueError as error:  # a plug-in that is not here
        st.caption(text.harmless(error))
        return
    st.caption("Either starts a run with the same initial weights, data order and scoring batches: its hashes will agree.")
    # No colours: those of the highlighter are too pale for contrast AA.
    st.code(reproduce.command(config), language=None, wrap_lines=True)
    st.code(reproduce.python(config), language=None, wrap_lines=True)


# A run and the form stand at places of their own, and what one draws at the place of the other takes the other away at once.
page.settle_address()
ids = page.requested("run")
if ids:
    st.empty()
    with st.container():
        found, reason = page.find(ids[0])
        if found is None:
            not_here(reason)
        else:
            run_page(found)
else:
    place = st.container()
    st.empty()
    with place:
        launch_page()
