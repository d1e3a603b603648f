"""A plotly chart that is updated in place: zoom, hidden curves, hover and scroll survive, nothing blinks.

`st.plotly_chart` destroys and rebuilds the chart whenever its data change. This element calls Plotly.react on the existing node.
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

from appcore import charts, files, markup
from appcore.errors import InputError
from appcore.storage.row_rules import RUN_ID
from appcore.transfer import figure_files

from ..words import glossary, readings
from ..words.text import harmless
from . import projector

SCRIPT = Path(__file__).parents[3] / "static" / "plotly.min.js"  # beside app.py
_NAMED = 4  # runs in the name of a file
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
_CSS = """
.frame { position: relative; width: 100%; }
.chart { width: 100%; }
.zoomed { position: absolute; right: 0.5rem; bottom: 0.4rem; font-size: 0.75rem; color: var(--st-gray-text-color); pointer-events: none; }
.tools { position: absolute; left: 0; bottom: 0; display: flex; }
.frame button { padding: 0.1rem 0.4rem; font: inherit; font-size: 0.75rem; line-height: 1.3; cursor: pointer;
  color: var(--st-gray-text-color); background: transparent; border: 1px solid transparent; border-radius: 0.3rem; }
.frame button[aria-pressed='true'], .frame button[aria-expanded='true'] { background: var(--st-background-color); }
.frame button:hover, .frame button:focus-visible, .formats button { color: var(--st-text-color) !important;
  border-color: var(--st-border-color) !important; }
.frame button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.panel { position: absolute; left: 0; bottom: 1.7rem; z-index: 10; display: grid; gap: 0.35rem; padding: 0.6rem 0.7rem; max-width: 100%;
  box-sizing: border-box; font-size: 0.8rem; color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: 0.4rem; box-shadow: 0 2px 10px rgb(0 0 0 / 18%); }
.panel[hidden] { display: none; }
.panel label { display: flex; align-items: center; justify-content: space-between; gap: 0.8rem; }
.panel select, .panel input { font: inherit; color: inherit; background: var(--st-secondary-background-color); padding: 0.1rem 0.3rem;
  border: 1px solid var(--st-border-color); border-radius: 0.25rem; }
.panel input[type='number'] { width: 3.6rem; }
.panel .formats { display: flex; gap: 0.35rem; }
.frame .info { position: absolute; top: 5px; width: 1.15rem; height: 1.15rem; padding: 0; border-radius: 50%; line-height: 1;
  visibility: hidden; font-weight: 600; border-color: var(--st-border-color); }
.panel.about { top: 2rem; bottom: auto; width: 27rem; display: block; line-height: 1.45; }
.panel.about[hidden] { display: none; }
.panel.about p { margin: 0 0 0.4rem; font-size: inherit; }
.panel.about p:last-child { margin: 0; }
.panel.about a { color: inherit; text-decoration: underline dotted; text-underline-offset: 0.2em; }
@media print { .tools, .panel, .frame .info { display: none; } }
.panel small { color: var(--st-gray-text-color); overflow-wrap: anywhere; }
.table { overflow: auto; box-sizing: border-box; padding-bottom: 1.8rem; }
.table table { border-collapse: collapse; font-size: 0.8rem; font-variant-numeric: tabular-nums; }
.table caption { text-align: left; font-weight: 600; padding: 0 0 0.4rem; }
.table th, .table td { padding: 0.15rem 0.6rem; border-bottom: 1px solid var(--st-border-color); text-align: right; white-space: nowrap; }
.table thead th { position: sticky; top: 0; background: var(--st-background-color); }
.table tbody th { text-align: left; font-weight: 400; }
"""
_PARTS = {name: (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8") for name in ("table", "paper", "about")}
_JS = """
const TEMPLATES = __TEMPLATES__;
const CONFIG = __CONFIG__;
const ONE_ROW = 30;  // pixels of a legend that takes one row
const LEGEND = __LEGEND__;  // pixels that a figure keeps free for its legend
const SOURCE = new URL('app/static/plotly.min.js', document.baseURI).href;

function load() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  window.__plotlyLoading = window.__plotlyLoading || new Promise((done, failed) => {
    const script = document.createElement('script');
    script.src = SOURCE;
    script.onload = () => done(window.Plotly);
    script.onerror = failed;
    document.head.appendChild(script);
  });
  return window.__plotlyLoading;
}

function isDark(node) {
  const probe = document.createElement('span');
  probe.style.color = getComputedStyle(node).getPropertyValue('--st-background-color');
  node.appendChild(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/[0-9.]+/g).map(Number);
  probe.remove();
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

// A chart that nobody sees keeps its newest figure and draws it when it comes near: on a long page most of the work of an update.
// Its first figure it also draws when nothing new has come for a while, so that a page at rest is whole and can be searched.
const REST = 3000;  // ms
function drawNext(host) {
  clearTimeout(host.rest);
  const next = host.next;
  host.next = null;
  if (next) next();
}

function drawWhenSeen(host) {
  clearTimeout(host.rest);
  if (host.isFar === false && !document.hidden) drawNext(host);
  else if (!host.data) host.rest = setTimeout(() => drawNext(host), REST);
}

if (!window.__liveCharts) {
  window.__liveCharts = new Set();
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) window.__liveCharts.forEach((host) => { if (host.isFar === false) drawNext(host); });
  });
  window.addEventListener('beforeprint', () => window.__liveCharts.forEach(drawNext));
}

function watch(host) {
  if (host.sight) return;
  host.sight = new IntersectionObserver((seen) => {
    host.isFar = !seen.at(-1).isIntersecting;
    if (!host.isFar) drawNext(host);
  }, { rootMargin: '300px', scrollMargin: '300px' });
  host.sight.observe(host.parentElement);
  window.__liveCharts.add(host);
}

function prepare(Plotly, host, note) {
  if (host.watcher) return;
  host.watcher = new ResizeObserver(() => {
    if (host.data && host.clientWidth) Plotly.Plots.resize(host).then(() => settle(Plotly, host)).then(() => placeInfo(host));
  });
  host.watcher.observe(host);
  host.addEventListener('mousemove', (event) => { host.pointer = [event.clientX, event.clientY]; });
  host.addEventListener('mouseleave', () => { host.pointer = null; });
  host.on('plotly_relayout', (change) => {
    const keys = Object.keys(change);
    if (keys.some((key) => /axis.*range\\[/.test(key))) note.hidden = false;
    if (keys.some((key) => /axis.*(autorange|range)$/.test(key))) note.hidden = true;
    host.isZoomed = !note.hidden;
  });
}

// A legend of several rows grows over the subtitle; the plot gives way.
function makeRoom(Plotly, host, top) {
  const rows = host._fullLayout.showlegend ? host._fullLayout.legend?._height || 0 : 0;
  const wanted = top + Math.max(0, rows - ONE_ROW * (host._fullLayout.legend?.font.size || 13) / 13);
  if (Math.abs(host._fullLayout.margin.t - wanted) > 2) return Plotly.relayout(host, { 'margin.t': wanted });
}

// Words in as many lines as the width takes: plotly cuts what is longer than the chart. Tags are not measured.
const pen = document.createElement('canvas').getContext('2d');
function broken(words, font, room) {
  pen.font = font;
  const lines = [];
  for (const word of (words || '').split(' ')) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && pen.measureText(longer.replace(/<[^>]*>/g, '')).width > room) lines.push(word);
    else lines[Math.max(0, lines.length - 1)] = longer;
  }
  return lines;
}

// The title and subtitle as they fit into the host, and the margin that they take, for Plotly.relayout.
function fitted(host) {
  const { layout } = host.asked;
  const wide = host.clientWidth > 50 ? host.clientWidth - 16 : Infinity;  // nobody sees it yet
  const { title } = layout.template.layout;
  const lines = broken(layout.title.text, `600 ${title.font.size}px "Source Sans"`, wide);
  const below = broken(layout.title.subtitle.text, `${title.subtitle.font.size}px "Source Sans"`, wide);
  const [above, more] = [1.3 * (lines.length - 1) * title.font.size, 1.3 * (below.length - 1) * title.subtitle.font.size];
  return {
    'title.text': lines.join('<br>'),
    'title.subtitle.text': below.join('<br>'),
    'title.pad.t': layout.title.pad.t + above,  // plotly hangs up a title by its last line
    'margin.t': layout.margin.t + above + more,
  };
}

function settle(Plotly, host) {
  const fit = fitted(host);
  const { text, subtitle } = host.layout.title;
  const isSame = text === fit['title.text'] && (subtitle?.text ?? '') === fit['title.subtitle.text'];
  return isSame ? undefined : Plotly.relayout(host, fit).then(() => makeRoom(Plotly, host, fit['margin.t']));
}

function hoverAgain(host) {
  if (!host.pointer) return;
  const layer = host.querySelector('.nsewdrag');
  if (!layer) return;
  const [clientX, clientY] = host.pointer;
  layer.dispatchEvent(new MouseEvent('mousemove', { clientX, clientY, bubbles: true }));
}

__TABLE__

// For a room: every font, line and mark grows; the room that titles take grows with them.
function enlarge(node, factor, inFont) {
  if (Array.isArray(node)) { node.forEach((item) => enlarge(item, factor, inFont)); return; }
  if (node === null || typeof node !== 'object' || ArrayBuffer.isView(node)) return;
  for (const [key, value] of Object.entries(node)) {
    const isSize = (key === 'size' && (inFont || typeof value === 'number')) || (key === 'width' && inFont === 'line');
    if (isSize && typeof value === 'number') node[key] = value * factor;
    else if (typeof value === 'object') enlarge(value, factor, /font$/i.test(key) ? 'font' : key === 'line' ? 'line' : undefined);
  }
}

__PAPER__

function showPanel(frame, host, data, setTriggerValue) {
  const [panel, button] = [frame.querySelector('.panel'), frame.querySelector('.save')];
  const show = (isOn) => {
    panel.hidden = !isOn;
    button.setAttribute('aria-expanded', String(isOn));
  };
  button.onclick = () => {
    if (panel.hidden) fillPanel(panel, host, data, (format) => load().then((Plotly) => saveFigure(Plotly, host, data, format,
      (wish) => setTriggerValue('wish', wish))).catch((error) => console.warn('figure', error)));
    show(panel.hidden);
  };
  frame.onkeydown = (event) => {
    if (event.key !== 'Escape' || panel.hidden) return;
    show(false);
    button.focus();
  };
  if (data.file && host.saved !== data.file.id) {
    host.saved = data.file.id;
    save(bytes(data.file.content), data.file.name, 'application/pdf');
  }
}

__ABOUT__

function showTable(frame, host, isOn) {
  const table = frame.querySelector('.table');
  const button = frame.querySelector('.switch');
  button.setAttribute('aria-pressed', String(isOn));
  button.textContent = isOn ? 'as chart' : 'as table';
  table.hidden = !isOn;
  host.style.display = isOn ? 'none' : '';
  if (isOn) {
    table.style.height = host.style.height;
    table.setAttribute('aria-label', host.getAttribute('aria-label'));
    fillTable(table, host);
  } else if (host.data) window.Plotly.Plots.resize(host).then(() => settle(window.Plotly, host));
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const host = parentElement.querySelector('.chart');
  const note = parentElement.querySelector('.zoomed');
  host.style.height = data.height + 'px';
  host.setAttribute('aria-label', data.alt);
  const frame = parentElement.querySelector('.frame');
  const button = parentElement.querySelector('.switch');
  button.onclick = () => showTable(frame, host, button.getAttribute('aria-pressed') !== 'true');
  showPanel(frame, host, data, setTriggerValue);
  showAbout(frame, data.about);
  const dark = isDark(host);
  const wanted = (dark ? 'dark' : 'light') + data.scale + data.legend + data.figure;
  if (host.wanted === wanted) return;
  host.wanted = wanted;
  watch(host);
  load().then((Plotly) => {
    if (host.wanted !== wanted) return;
    host.next = () => draw(Plotly).catch(failed);
    drawWhenSeen(host);
  }).catch(failed);

  async function draw(Plotly) {
    const figure = JSON.parse(data.figure);
    figure.layout.template = structuredClone(TEMPLATES[dark ? 1 : 0]);
    if (data.scale !== 1) {
      enlarge(figure, data.scale);
      figure.layout.margin.t *= data.scale;
    }
    if (!data.legend && figure.layout.showlegend) {
      figure.layout.showlegend = false;
      figure.layout.margin.t -= LEGEND * data.scale;
    }
    host.asked = { layout: structuredClone(figure.layout) };
    const fit = fitted(host);
    const top = figure.layout.margin.t = fit['margin.t'];
    figure.layout.title.text = fit['title.text'];
    figure.layout.title.subtitle.text = fit['title.subtitle.text'];
    figure.layout.title.pad.t = fit['title.pad.t'];
    return Plotly.react(host, figure.data, figure.layout, CONFIG).then(() => makeRoom(Plotly, host, top)).then(() => {
      prepare(Plotly, host, note);
      placeInfo(host);
      host.dataset.updates = Number(host.dataset.updates || 0) + 1;
      hoverAgain(host);
      if (button.getAttribute('aria-pressed') === 'true') fillTable(frame.querySelector('.table'), host);
    });
  }

  function failed(error) {
    console.warn('live chart', error);
    setTriggerValue('failed', true);
  }

  return () => {
    clearTimeout(host.rest);
    host.next = null;
    host.watcher?.disconnect();
    host.sight.disconnect();
    window.__liveCharts.delete(host);
    if (window.Plotly && host.data) window.Plotly.purge(host);
  };
}
"""


def _templates() -> str:
    figures = [go.Figure(layout={"template": charts.template(dark)}) for dark in (False, True)]
    return json.dumps([json.loads(figure.to_json())["layout"]["template"] for figure in figures])


def _script() -> str:
    places = {"TABLE": _PARTS["table"], "PAPER": _PARTS["paper"], "ABOUT": _PARTS["about"], "LEGEND": str(charts.LEGEND_ROOM)}
    places |= {"TEMPLATES": _templates(), "CONFIG": json.dumps(_CONFIG)}
    return re.sub("__([A-Z]+)__", lambda found: places[found[1]], _JS)


_component = st.components.v2.component(
    "live_plotly",
    html=_HTML,
    css=_CSS,
    js=_script(),
    isolate_styles=False,
)


def chart(
    key: str, token: Hashable, build: Callable[[], go.Figure], *, alt: str, shared: dict[str, Any] | None = None, legend: bool = True
) -> None:
    """Show the figure that `build` makes; it is rebuilt only when `token` changes, so that a tick without new data costs nothing.

    Pages share built figures through `shared`, if the token and the owner of `shared` determine all that the figure shows. Without
    `legend` the figure's legend is left out on the page, which has one of its own.
    """
    mine = st.session_state.setdefault("_figures", {})
    made = next((known[key] for known in (mine, shared or {}) if key in known and known[key][0] == token), None)
    if made is None:
        try:
            figure = build()
        except ValueError as error:
            if not hasattr(error, "message"):
                raise
            st.caption(f":gray[:material/info: {harmless(alt)}: {harmless(error)}]")  # the other charts of the page are shown
            return
        height = int(figure.layout.height or 360)
        figure.layout.height = None
        made = token, markup.figure(figure.to_json()), height, _file_name(key, figure)
    mine[key] = made
    if shared is not None:
        shared[key] = made
    _, text, height, name = made
    if st.session_state.get("_no_live_charts") or not SCRIPT.exists():
        _still(key, text, height, alt)
        return
    scale = projector.scale()
    data = {
        "figure": text,
        "paper_height": height,
        "alt": alt,
        "scale": scale,
        "name": name,
        "legend": legend,
        "about": _about(key),
        **_pdf(key),
    }
    height = round(height * (1 + (scale - 1) / 2))  # half of the scale: type grows, and a chart must still fit a screen
    data["height"] = height
    result = _component(key=key, data=data, height=height, on_failed_change=lambda: None, on_wish_change=partial(_make_pdf, key))
    if result.failed:
        st.session_state["_no_live_charts"] = True
        st.rerun()


def _file_name(key: str, figure: go.Figure) -> str:
    """What the chart shows and of which runs: accuracy_c9cf-3ffa. The browser puts the page before it."""
    ids = [found[-4:] for found in re.findall(RUN_ID.strip("^$"), str(figure.layout.uirevision).partition("/")[0])]
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
