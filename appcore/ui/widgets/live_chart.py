"""A plotly chart that is updated in place: zoom, hidden curves, hover and scroll survive, nothing blinks.

`st.plotly_chart` destroys and rebuilds the chart whenever its data change. This element calls Plotly.react on the existing node
(live_chart.js).
Each chart can also be read "as table", made in the browser from the numbers that it draws (table.js), and saved as a file (paper.js).
Independent of runs. Where the script cannot be served or loaded it falls back to `st.plotly_chart`.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable, Hashable
from functools import cache, partial
from pathlib import Path
from typing import Any

import plotly
import plotly.graph_objects as go
import streamlit as st

from appcore import charts, files, installation, markup
from appcore.errors import InputError
from appcore.locks import Locks
from appcore.names import tail
from appcore.storage.row_rules import RUN_ID
from appcore.transfer import figure_files

from ..words import glossary, readings
from ..words.text import harmless
from . import projector

SCRIPT = installation.APP / "static" / "plotly.min.js"
_NAMED = 4  # runs in the name of a file
_building = Locks()
_CONFIG = {
    "responsive": True,
    "displaylogo": False,
    "doubleClick": "reset",
    "modeBarButtonsToRemove": ["toImage", "lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],  # the button "save" makes images
}
_HTML = """
<div class="frame">
  <div class="chart" role="img"></div>
  <div class="table" role="region" tabindex="0" hidden></div>
  <div class="zoomed" hidden>zoomed · double-click to see all</div>
  <div class="tools">
    <button class="switch" type="button" aria-pressed="false">as table</button>
    <button class="save" type="button" aria-expanded="false">save</button>
  </div>
  <div class="panel" role="group" aria-label="Save this chart" hidden></div>
  <button class="info" type="button" aria-expanded="false" aria-label="How to read this chart" hidden>i</button>
  <div class="panel about" role="note" hidden></div>
</div>
"""


def _templates() -> str:
    figures = [go.Figure(layout={"template": charts.template(dark)}) for dark in (False, True)]
    return json.dumps([json.loads(figure.to_json())["layout"]["template"] for figure in figures])


def _beside(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _script() -> str:
    """live_chart.js with what it is made of: the other scripts, whose functions stand in its scope, and the settings of charts."""
    places = {name.upper(): _beside(f"{name}.js").rstrip() for name in ("load", "table", "paper", "about", "clip")}
    places |= {"TEMPLATES": _templates(), "CONFIG": json.dumps(_CONFIG), "LEGEND": str(charts.LEGEND_ROOM)}
    return re.sub("__([A-Z]+)__", lambda found: places[found[1]], _beside("live_chart.js"))


_component = st.components.v2.component(
    "live_plotly",
    html=_HTML,
    css=_beside("live_chart.css"),
    js=_script(),
    isolate_styles=False,
)
_ahead = st.components.v2.component(
    "plotly_ahead", html="<span hidden></span>", js=_beside("load_ahead.js").replace("__LOAD__", _beside("load.js").rstrip())
)


def chart(
    key: str,
    token: Hashable,
    build: Callable[[], go.Figure],
    *,
    alt: str,
    shared: dict[str, Any] | None = None,
    legend: bool = True,
    edge: float | None = None,
) -> list[Any]:
    """Show the figure that `build` makes; it is rebuilt only when `token` changes, so that a tick without new data costs nothing.

    Pages share built figures through `shared`, if the token and the owner of `shared` determine all that the figure shows. Without
    `legend` the figure's legend is left out on the page, which has one of its own. `edge`: how far a figure over the clock is shown, on a
    page that plays (clip.js). Returns the ranges that were drawn on the axes of parallel coordinates, None for an axis without one; of
    other figures nothing.
    """
    try:
        _, text, height, name = _made(key, token, build, shared)
    except ValueError as error:
        if not hasattr(error, "message"):
            raise
        st.caption(f":gray[:material/info: {harmless(alt)}: {harmless(error)}]")  # the other charts of the page are shown
        return []
    if not are_live():
        _still(key, text, height, alt)
        return []
    scale = projector.scale()
    data = {
        "figure": text,
        "paper_height": height,
        "alt": alt,
        "scale": scale,
        "name": name,
        "legend": legend,
        "edge": edge,
        "about": _about(key),
        **_pdf(key),
    }
    height = round(height * (1 + (scale - 1) / 2))  # half of the scale: type grows, and a chart must still fit a screen
    data["height"] = height
    told: dict[str, Any] = {"on_failed_change": lambda: None, "on_ranges_change": lambda: None, "on_wish_change": partial(_make_pdf, key)}
    result = _component(key=key, data=data, height=height, **told)
    if result.failed:
        st.session_state["_no_live_charts"] = True
        st.rerun()
    return result.ranges or []


def _made(key: str, token: Hashable, build: Callable[[], go.Figure], shared: dict[str, Any] | None) -> tuple[Hashable, str, int, str]:
    """Token, figure as JSON, height, name of a file. Pages that want the same at one moment wait for the one that builds it."""
    mine = st.session_state.setdefault("_figures", {})
    everybodys = {} if shared is None else shared
    with _building.of((id(everybodys), key)):
        made = next((known[key] for known in (mine, everybodys) if key in known and known[key][0] == token), None)
        if made is None:
            figure = build()
            height = int(figure.layout.height or 360)
            figure.layout.height = None
            made = token, markup.figure(figure.to_json()), height, _file_name(key, figure)
        mine[key] = everybodys[key] = made
    return made


def load_ahead() -> None:
    """Let the browser load plotly once it is idle, on a page without charts that leads to one with charts: 5 MB of script, for which the
    first chart would else wait, blank beside its words."""
    if are_live():
        _ahead(key="plotly-ahead")


def are_live() -> bool:
    """Whether charts are drawn by our script; else each change of one replaces it."""
    return not st.session_state.get("_no_live_charts") and SCRIPT.exists()


def _file_name(key: str, figure: go.Figure) -> str:
    """What the chart shows and of which runs: accuracy_c9cf-3ffa. The browser puts the page before it."""
    ids = [tail(found) for found in re.findall(RUN_ID.strip("^$"), str(figure.layout.uirevision).partition("/")[0])]
    more = [f"and-{len(ids) - _NAMED}"] if len(ids) > _NAMED else []
    return "_".join(filter(None, (key.removesuffix("-chart").replace("-", "_"), "-".join([*ids[:_NAMED], *more]))))


@cache
def _about(key: str) -> list[list[tuple[str, str]]]:
    """What the chart is, how it is read, and what would be surprising: sentences as (text, anchor of the glossary or "")."""
    reading, known = readings.of(key), set[str]()
    return [] if reading is None else [list(glossary.pieces(text, known)) for text in reading]


def _make_pdf(key: str) -> None:
    """The drawing that the browser sent, as PDF; it goes there with the chart's next data."""
    wish = st.session_state[key].get("wish") or {}
    try:
        content = base64.b64encode(figure_files.pdf(str(wish["svg"]))).decode()
    except ValueError as error:
        st.toast(harmless(error), icon=":material/error:")
        return
    st.session_state["_figure_file"] = key, {"id": secrets.token_hex(4), "name": str(wish["name"]), "content": content}


def _pdf(key: str) -> dict[str, Any]:
    """What the chart's panel knows of PDF, and the file that was asked for."""
    if not figure_files.can_make_pdf():
        return {"pdf": False, "no_pdf": figure_files.NEEDED}
    of, file = st.session_state.get("_figure_file", ("", {}))
    if of != key:
        return {"pdf": True}
    del st.session_state["_figure_file"]
    return {"pdf": True, "file": file}


NARROW = 340  # pixels that a chart without a legend takes at least


def grid(columns: int, width: int = 380) -> Any:
    """Places for charts side by side, at most so many and none narrower than `width` pixels, scaled in projector mode."""
    return st.grid(columns, min_column_width=round(width * projector.scale()), gap=("medium", "medium"))


def _still(key: str, text: str, height: int, alt: str) -> None:
    figure = go.Figure(json.loads(text))
    figure.update_layout(template=charts.template(st.context.theme.type == "dark"), height=height)
    st.plotly_chart(figure, key=f"{key}-still", width="stretch", theme=None, config=_CONFIG, alt=alt)


def serve_script() -> None:
    """Copy the plotly script next to app.py once, so that the browser loads it from this server; without it charts fall back."""
    source = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    if SCRIPT.exists() and SCRIPT.stat().st_size == source.stat().st_size:
        return
    try:
        files.write(SCRIPT, source.read_bytes())  # several apps may start at once
    except InputError as error:
        print(f"live charts are drawn the slow way: {error.message}")
