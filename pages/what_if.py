"""What if: "what would that density do?" Scores are computed once; then density, scope and exemptions are dragged."""

import streamlit as st

from appcore.ui import lab

lab.guard("what_if")

from appcore.ui import what_if_choose, what_if_view  # noqa: E402

everything = {run["run_id"]: run for run in lab.manager().runs()}
st.title("What would that density do?")
st.markdown("Nothing is trained or changed here: the weights are scored once, then any cut is answered at once.")

source = what_if_choose.source(everything)
criteria = what_if_choose.criteria()
if not criteria:
    st.markdown("**Choose a criterion above.** Two or more stand side by side.")
    st.stop()
waiting = what_if_view.is_waiting(what_if_view.ask(source, criteria))


@st.fragment(run_every=0.5 if waiting else None)
def dragged() -> None:
    """Everything that the controls below move; it looks for scores by itself while some are missing."""
    found = what_if_view.ask(source, criteria)
    if waiting and not what_if_view.is_waiting(found):
        st.rerun()
    what_if_view.progress(found)
    ready = {name: reply for name, reply in found.items() if reply["state"] == "ready"}
    if not ready:
        if not waiting:
            st.markdown("No scores: choose another network, data set or criterion above.")
        return
    sketches = {name: reply["sketch"] for name, reply in ready.items()}
    one = next(iter(sketches.values()))
    density, scope, exempt = what_if_choose.question([layer["name"] for layer in one["layers"]], one["density"])
    if len(exempt) == len(one["layers"]):
        st.markdown("**Every layer is exempt, so nothing would be pruned.** Take one out of the list.")
        return
    answers, milliseconds = what_if_view.answer(sketches, density, scope, exempt)
    deaths = what_if_view.falls(ready, scope, exempt)
    asked = (density, scope, tuple(exempt), tuple(reply["key"] for reply in ready.values()))
    what_if_view.in_words(answers, deaths)
    what_if_view.numbers(sketches, answers, deaths)
    what_if_view.figures(sketches, answers, deaths, asked)
    what_if_view.scores(sketches, answers, asked)
    what_if_choose.small_print(source, criteria, one, milliseconds)


with lab.own_place():
    dragged()
