"""The dashboard's entry: `streamlit run app.py`. Checks the installation, finds the pages, and starts the shared manager."""

import streamlit as st

from appcore import installation
from appcore.ui.app import page, page_files, signin, streamlit_patches, web_server
from appcore.ui.widgets import live_chart, projector

# Live pages run a fragment every second. Streamlit would each time show "running … Stop" beside the Stop button of the run, and on a
# busy machine fade what is not redrawn yet: blinking without new data.
CALM = "[data-testid='stStatusWidget'] { display: none; } [data-stale='true'] { opacity: 1 !important; transition: none !important; }"
# In a narrow window the names of all pages fit into the bar when their icons are hidden.
NARROW = "@media (max-width: 1100px) { [data-testid='stTopNavLink'] > span:has([data-testid='stIconMaterial']) { display: none; } }"
# Parts that Streamlit draws too pale for contrast AA: captions in the light theme, the chosen option in the dark theme.
LEGIBLE = "[data-testid='stCaptionContainer'] { opacity: 0.75; } "
# The count of typed characters stands in the field: text ends before it.
LEGIBLE += "[data-testid='stTextInput']:has([data-testid='InputInstructions']:not(:empty)) input { padding-right: 13rem; } "
LEGIBLE += "button[data-variant][data-selected='true'], button[data-variant][data-selected='true'] * { color: inherit !important; }"
# Words that the glossary explains.
TERMS = "a[href^='glossary?term='] { color: inherit !important; text-decoration: underline dotted !important; }"
# Whole names: chosen runs in as many lines as they take, long titles of ablations too.
_CHIPS = "[data-testid='stMultiSelectTagsContainer']"
WHOLE = f".st-key-picked_runs {_CHIPS} {{ flex-wrap: wrap; height: auto; max-height: none; overflow: visible; mask: none; }} "
WHOLE += f".st-key-picked_runs [role='group']:has(> {_CHIPS}) {{ height: auto; max-height: none; }} "
WHOLE += ".st-key-picked_runs [data-tag] { max-width: 16rem; } "
WHOLE += ".st-key-ablations [data-testid='stPageLink'] * { white-space: normal; overflow: visible; overflow-wrap: anywhere; }"


def draw() -> None:
    """One session's page, with what all pages share around it."""
    st.set_page_config(page_title="Pruning lab", page_icon="static/icon.svg", layout="wide")
    problem = installation.mismatch() or installation.broken()
    if problem:
        st.error(problem, icon=":material/error:")
        st.stop()
    st.html(f"<style>{CALM} {NARROW} {LEGIBLE} {TERMS} {WHOLE}</style>")
    streamlit_patches.mend()
    live_chart.serve_script()
    installation.share_cores()
    installation.warm_up(("appcore.engine.loop", "appcore.engine.flops", "appcore.runner.driver"))
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
    chosen = st.navigation(list(pages.values()), position="top")
    goto = st.session_state.pop("_goto", None)  # a deep link that arrived before this file ran
    if goto:
        st.switch_page(pages[goto[0]], query_params=goto[1])
    projector.switch()
    page.careful(chosen.run)()


if __name__ == "__main__":  # each session runs this file
    draw()
else:  # the web server imports it: `streamlit run` looks for this assignment, and so takes what stands around its own server
    app = st.App(__file__, middleware=web_server.MIDDLEWARE, lifespan=web_server.lifespan)
