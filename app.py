"""The dashboard's entry: `streamlit run app.py`. Checks the installation, names the pages, and starts the shared manager."""

import streamlit as st

from appcore import installation
from appcore.ui.app import page, signin, streamlit_patches
from appcore.ui.widgets import live_chart, projector

st.set_page_config(page_title="Pruning lab", page_icon="static/icon.svg", layout="wide")

problem = installation.mismatch() or installation.broken()
if problem:
    st.error(problem, icon=":material/error:")
    st.stop()

# Live pages run a fragment every second. Streamlit would each time show "running … Stop" beside the Stop button of the run, and on a
# busy machine fade what is not redrawn yet: both are blinking without news.
CALM = "[data-testid='stStatusWidget'] { display: none; } [data-stale='true'] { opacity: 1 !important; transition: none !important; }"
# On a narrow window the names of all pages fit into the bar when their icons make room.
NARROW = "@media (max-width: 1100px) { [data-testid='stTopNavLink'] > span:has([data-testid='stIconMaterial']) { display: none; } }"
# What Streamlit draws too pale for contrast AA: captions in the light theme, the chosen one of several in the dark theme.
LEGIBLE = "[data-testid='stCaptionContainer'] { opacity: 0.75; } "
LEGIBLE += "button[data-variant][data-selected='true'], button[data-variant][data-selected='true'] * { color: inherit !important; }"
st.html(f"<style>{CALM} {NARROW} {LEGIBLE}</style>")

streamlit_patches.mend()
live_chart.serve_script()
installation.share_cores()
installation.warm_up(("appcore.engine.loop", "appcore.engine.flops", "appcore.runner.driver"))
signin.require()

PAGES = {
    "home": st.Page(
        "pages/home.py",
        title="Start",
        icon=":material/home:",
        default=True,
        help="Start a first comparison with one click; see the newest runs.",
    ),
    "run": st.Page(
        "pages/run.py",
        title="Run",
        icon=":material/play_circle:",
        url_path="run",
        help="Set up a run, see its plan and cost, start it, watch it.",
    ),
    "compare": st.Page(
        "pages/compare.py",
        title="Compare",
        icon=":material/compare_arrows:",
        url_path="compare",
        help="Put runs side by side, layer by layer.",
    ),
    "masks": st.Page(
        "pages/masks.py",
        title="Masks",
        icon=":material/grid_on:",
        url_path="masks",
        help="Go through the masks of a run: which weights went, which came back, what collapsed.",
    ),
    "what_if": st.Page(
        "pages/what_if.py",
        title="What if",
        icon=":material/tune:",
        url_path="what_if",
        help="Drag density, scope and exempt layers; see what each criterion would keep, before anything is trained.",
    ),
    "stream": st.Page(
        "pages/stream.py",
        title="Stream",
        icon=":material/stacked_line_chart:",
        url_path="stream",
        help="What replay, splits and budget cost, before and after a run; accuracy against compute.",
    ),
    "ablations": st.Page(
        "pages/ablations.py",
        title="Ablations",
        icon=":material/apps:",
        url_path="ablations",
        help="Choose values for any settings and try them all; see the cost first.",
    ),
    "runs": st.Page(
        "pages/runs.py",
        title="Runs",
        icon=":material/inventory_2:",
        url_path="runs",
        help="The library: search, filter, group, tag, archive, delete; files in and out.",
    ),
    "export": st.Page(
        "pages/export.py",
        title="Export",
        icon=":material/download:",
        url_path="export",
        help="The network of a run as files, and what it weighs and takes on this machine.",
    ),
}
st.session_state["nav_ready"] = True
chosen = st.navigation(list(PAGES.values()), position="top")
goto = st.session_state.pop("_goto", None)  # a deep link that arrived before this file ran
if goto:
    st.switch_page(PAGES[goto[0]], query_params=goto[1])
projector.switch()
page.careful(chosen.run)()
