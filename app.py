"""The dashboard's entry: `streamlit run app.py`. Checks the installation, finds the pages, and starts the shared manager."""

import streamlit as st

from appcore import installation
from appcore.ui.app import page, page_files, signin, streamlit_patches, web_server
from appcore.ui.classroom import door
from appcore.ui.widgets import bars, live_chart, projector


def read_ahead() -> None:
    """What a fresh process reads before it imports torch."""
    from appcore.ui.app import library  # and pandas, for which no first page waits

    library.read_ahead()


def draw() -> None:
    """One session's page, with what all pages share around it."""
    st.set_page_config(page_title="Pruning lab", page_icon=str(installation.APP / "static" / "icon.svg"), layout="wide")
    problem = installation.mismatch() or installation.broken()
    if problem:
        st.error(problem, icon=":material/error:")
        st.stop()
    st.html(page_files.STYLE)
    streamlit_patches.mend()
    live_chart.serve_script()
    installation.share_cores()
    installation.warm_up(("appcore.engine.loop", "appcore.engine.flops", "appcore.runner.driver"), first=read_ahead)
    signin.require()
    pages = {
        name: st.Page(
            file.path,
            title=file.title,
            icon=file.icon,
            url_path=name,
            default=not place,
            help=file.help,
            visibility="visible" if file.in_bar else "hidden",
        )
        for place, (name, file) in enumerate(page_files.found().items())
    }
    st.session_state["nav_ready"] = True
    chosen = st.navigation(list(pages.values()), position="hidden")
    goto = st.session_state.pop("_goto", None)  # a deep link that arrived before this file ran
    if goto:
        st.switch_page(pages[goto[0]], query_params=goto[1])
    bars.of_pages()
    projector.switch()
    try:
        page.careful(chosen.run)()
    finally:  # whichever way the page ended
        page.manager().recorded.begin()


if __name__ == "__main__":  # each session runs this file
    draw()
else:  # the web server imports it: `streamlit run` looks for this assignment, and so takes what stands around its own server
    app = st.App(__file__, routes=door.routes(), middleware=web_server.MIDDLEWARE, lifespan=web_server.lifespan)
