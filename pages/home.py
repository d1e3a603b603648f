"""Start: "what is this, and how do I see something true within a minute?" Ways in, recorded pictures, and the newest runs."""

import streamlit as st

from appcore.ui.app import page, page_files

PAGE = {
    "title": "Start",
    "icon": ":material/home:",
    "order": 10,
    "help": "Start a first comparison with one click; see the newest runs.",
}

page.guard(__file__)

from appcore.ui.home import gallery, ways_in  # noqa: E402
from appcore.ui.run import launch  # noqa: E402
from appcore.ui.widgets import live_chart, run_list  # noqa: E402
from appcore.ui.words import run_status  # noqa: E402

st.title("Watch a network learn while it is being pruned")
st.markdown(
    "Data arrive in megabatches; before each one a share of the weights is removed for good. "
    "SNIP removes those that the loss does not feel, magnitude the smallest: **which layers do they take, and what does it cost?**"
)
shown = ways_in.show(launch.first_pair)
has_gallery = gallery.show()

newest = run_list.newest()
if any(newest) or not has_gallery:
    st.subheader("Newest runs", anchor=False)
    busy = any(run_status.is_active(run) for run in newest[0]) or any(row["done"] < row["runs"] for row in newest[1])

    @st.fragment(run_every=2.0 if busy else 10.0)
    @page.careful
    def list_runs() -> None:
        run_list.show(*run_list.newest())

    with page.own_place():
        list_runs()

st.subheader("What else is here", anchor=False)
with st.grid(2, min_column_width=300, gap="medium"):
    for other in page_files.found().values():
        if other.on_start and other.name not in shown:
            label, text = other.on_start
            with st.container(border=True, height="stretch"):
                st.page_link(other.path, label=label, icon=other.icon, query_params=page.form_address() if other.name == "run" else None)
                st.caption(text)
live_chart.load_ahead()
