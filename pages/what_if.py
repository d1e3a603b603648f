"""What if: "what would that density do?" Scores are computed once; then density, scope and exempt layers can be varied."""

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "What if",
    "icon": ":material/tune:",
    "order": 50,
    "help": "Drag density, scope and exempt layers; see what each criterion would keep, before anything is trained.",
    "of_run": ("What if", "run"),
}

page.guard(__file__)

from appcore.errors import InputError  # noqa: E402
from appcore.quotas import FLOPS  # noqa: E402
from appcore.ui.settings import fields  # noqa: E402
from appcore.ui.what_if import accuracy, choose, train, view  # noqa: E402
from appcore.ui.widgets import bars, projector  # noqa: E402

st.title("What would that density do?")
under_title = st.container()
everything = {run["run_id"]: run for run in page.runs()}
with st.container(key="what-if-words"):
    st.markdown("Nothing is trained or changed here: the weights are scored once, then any cut is answered at once.")

with st.container(key="what-if-choices"):
    source = choose.source(everything)
    if (of_run := st.query_params.get("run")) in everything:
        with under_title:
            bars.of_run(everything[of_run])
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    with left:
        criteria = choose.criteria()
    with right:
        granularity = choose.granularity(source, everything.get(of_run or "", {}).get("config", {}))
if not criteria:
    st.markdown("**Choose a criterion above.** Two or more stand side by side.")
    st.stop()
waiting, testing = view.is_waiting(view.ask(source, criteria, granularity)), accuracy.is_waiting()


@st.fragment(run_every=0.5 if waiting or testing else None)
@page.careful
def dragged() -> None:
    """All parts that depend on the controls; polls for scores while some are missing."""
    found = view.ask(source, criteria, granularity)
    if waiting and not view.is_waiting(found):
        st.rerun()
    view.progress(found)
    ready = {name: reply for name, reply in found.items() if reply["state"] == "ready"}
    if not ready:
        if not waiting:
            st.markdown("No scores: choose another network, data set or criterion above.")
        return
    sketches = {name: reply["sketch"] for name, reply in ready.items()}
    one = next(iter(sketches.values()))
    try:
        density, scope, exempt = choose.question(one, everything.get(of_run or "", {}).get("config", {}))
        if len(exempt) == len(one["layers"]):
            st.markdown("**Every layer is exempt, so nothing would be pruned.** Take one out of the list.")
            return
        answers, milliseconds = view.answer(sketches, density, scope, exempt)
    except InputError as error:
        fields.show_errors([error.message])
        return
    deaths = view.falls(ready, density, scope, exempt)
    asked = (str(density), scope, tuple(exempt), tuple(reply["key"] for reply in ready.values()))
    view.in_words(answers, deaths, density if scope == FLOPS else None)
    on_top = st.container() if projector.is_on() else None  # an audience sees charts first
    with st.container():
        view.numbers(sketches, answers, deaths, granularity)
    with on_top or st.container():
        view.figures(sketches, answers, deaths, asked)
    if not source.is_recorded:  # what follows reads data, which may not be here
        accuracy.section(source, list(sketches), density, scope, exempt, granularity)
        train.section(source, list(sketches), density, scope, exempt, granularity)
    view.scores(sketches, answers, asked)
    choose.small_print(source, criteria, one, milliseconds, granularity)
    if accuracy.is_waiting() != testing:
        st.rerun()


with page.own_place():
    dragged()
