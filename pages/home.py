"""Start: "what is this, and how do I see something true within a minute?" One button, and the newest runs."""

import streamlit as st

from appcore.ui import lab

lab.guard("home")

from appcore.ui import launch, run_list, status  # noqa: E402

st.title("Watch a network learn while it is being pruned")
st.markdown(
    "Data arrive in megabatches; before each one a share of the weights is removed for good. "
    "SNIP removes those that the loss does not feel, magnitude the smallest: **which layers do they take, and what does it cost?**"
)
if st.button("Start SNIP versus magnitude", type="primary", icon=":material/play_arrow:", key="start"):
    launch.start(launch.PAIR)
st.caption("Two runs from the same initial weights and the same data: ResNet-20 on small digits, about a minute on a laptop, no download.")

st.subheader("Newest runs", anchor=False)
newest = lab.manager().runs(run_list.SHOWN)
busy = any(status.is_active(run) for run in newest)


@st.fragment(run_every=2.0 if busy else 10.0)
@lab.careful
def list_runs() -> None:
    run_list.show(lab.manager().runs(run_list.SHOWN))


with lab.own_place():
    list_runs()

st.subheader("What else is here", anchor=False)
with st.grid(2, min_column_width=300, gap="medium"):
    for page, label, icon, text in (
        (
            lab.RUN,
            "Set up a run of your own",
            ":material/tune:",
            "Data set, network, method, pruner: see the plan and its cost before it starts.",
        ),
        (
            lab.COMPARE,
            "Compare runs",
            ":material/compare_arrows:",
            "Curves on top of each other, layers side by side, and proof that the runs are paired.",
        ),
    ):
        with st.container(border=True, height="stretch"):
            st.page_link(page, label=label, icon=icon)
            st.caption(text)
