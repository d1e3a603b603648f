"""What to try next, at the end of a finished run: cards made from its numbers, each a link to the filled form."""

from __future__ import annotations

from typing import Any

import streamlit as st

from appcore.analysis.suggestions import Facts, suggestions
from appcore.planning import address

from ..app import page, tables
from ..words import format
from ..words.text import harmless


def show(run: dict[str, Any]) -> None:
    """Nothing while the run goes on, or where there is nothing that has not been run yet."""
    data = tables.read([run])
    if run["status"] != "done" or data.megabatches.empty:
        return
    end = data.megabatches.iloc[-1].to_dict()
    layers = data.layers[(data.layers["point"] == "end") & (data.layers["megabatch"] == end["megabatch"])]
    found = suggestions(Facts(run, end, layers, data.epochs), page.store().fingerprints())
    if not found:
        return
    st.subheader("What next?", anchor=False)
    with st.grid(len(found), min_column_width=300, gap="small", key="next"):
        for place, one in enumerate(found):
            with st.container(border=True, height="stretch", gap="small", key=f"next-{place}"):
                st.markdown(harmless(one.why))
                st.page_link(
                    page.link("run"),
                    label=f"**{harmless(one.what)}** · about {format.about(one.seconds)}",
                    icon=":material/arrow_forward:",
                    query_params=address.of_run(one.settings),
                )
