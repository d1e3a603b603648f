"""A plotly chart that is updated in place: zoom, hidden curves, hover and scroll survive, nothing blinks.

`st.plotly_chart` destroys and rebuilds the chart whenever its data change. This element calls Plotly.react on the node that is there.
It knows nothing of runs. Where the script cannot be served or loaded it falls back to `st.plotly_chart`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st

from appcore import charts

SCRIPT = Path(__file__).parents[2] / "static" / "plotly.min.js"  # beside app.py
_CONFIG = {
    "responsive": True,
    "displaylogo": False,
    "doubleClick": "reset",
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    "toImageButtonOptions": {"format": "svg"},
}
_HTML = '<div class="frame"><div class="chart" role="img"></div><div class="zoomed" hidden>zoomed · double-click to see all</div></div>'
_CSS = """
.frame { position: relative; width: 100%; }
.chart { width: 100%; }
.zoomed { position: absolute; right: 0.5rem; bottom: 0.4rem; font-size: 0.75rem; color: var(--st-gray-text-color); pointer-events: none; }
"""
_JS = """
const TEMPLATES = __TEMPLATES__;
const CONFIG = __CONFIG__;
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

function prepare(Plotly, host, note) {
  if (host.watcher) return;
  host.watcher = new ResizeObserver(() => { if (host.data && host.clientWidth) Plotly.Plots.resize(host); });
  host.watcher.observe(host);
  host.addEventListener('mousemove', (event) => { host.pointer = [event.clientX, event.clientY]; });
  host.addEventListener('mouseleave', () => { host.pointer = null; });
  host.on('plotly_relayout', (change) => {
    const keys = Object.keys(change);
    if (keys.some((key) => /axis.*range\\[/.test(key))) note.hidden = false;
    if (keys.some((key) => /axis.*(autorange|range)$/.test(key))) note.hidden = true;
  });
}

function hoverAgain(host) {
  if (!host.pointer) return;
  const layer = host.querySelector('.nsewdrag');
  if (!layer) return;
  const [clientX, clientY] = host.pointer;
  layer.dispatchEvent(new MouseEvent('mousemove', { clientX, clientY, bubbles: true }));
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const host = parentElement.querySelector('.chart');
  const note = parentElement.querySelector('.zoomed');
  host.style.height = data.height + 'px';
  host.setAttribute('aria-label', data.alt);
  const dark = isDark(host);
  const wanted = (dark ? 'dark' : 'light') + data.figure;
  if (host.wanted === wanted) return;
  host.wanted = wanted;
  load().then((Plotly) => {
    if (host.wanted !== wanted) return;
    const figure = JSON.parse(data.figure);
    figure.layout.template = TEMPLATES[dark ? 1 : 0];
    return Plotly.react(host, figure.data, figure.layout, CONFIG).then(() => {
      prepare(Plotly, host, note);
      host.dataset.updates = Number(host.dataset.updates || 0) + 1;
      hoverAgain(host);
    });
  }).catch((error) => { console.warn('live chart', error); setTriggerValue('failed', true); });
  return () => {
    if (host.watcher) host.watcher.disconnect();
    if (window.Plotly && host.data) window.Plotly.purge(host);
  };
}
"""


def _templates() -> str:
    figures = [go.Figure(layout={"template": charts.template(dark)}) for dark in (False, True)]
    return json.dumps([json.loads(figure.to_json())["layout"]["template"] for figure in figures])


_component = st.components.v2.component(
    "live_plotly",
    html=_HTML,
    css=_CSS,
    js=_JS.replace("__TEMPLATES__", _templates()).replace("__CONFIG__", json.dumps(_CONFIG)),
    isolate_styles=False,
)


def chart(key: str, token: Hashable, build: Callable[[], go.Figure], *, alt: str) -> None:
    """Show the figure that `build` makes; it is built again only when `token` changes, so that a tick without news costs nothing."""
    memo = st.session_state.setdefault("_figures", {})
    if key not in memo or memo[key][0] != token:
        figure = build()
        height = int(figure.layout.height or 360)
        figure.layout.height = None
        memo[key] = (token, figure.to_json(), height)
    _, text, height = memo[key]
    if st.session_state.get("_no_live_charts") or not SCRIPT.exists():
        _still(key, text, height, alt)
        return
    result = _component(key=key, data={"figure": text, "height": height, "alt": alt}, height=height, on_failed_change=lambda: None)
    if result.failed:
        st.session_state["_no_live_charts"] = True
        st.rerun()


def _still(key: str, text: str, height: int, alt: str) -> None:
    figure = go.Figure(json.loads(text))
    figure.update_layout(template=charts.template(st.context.theme.type == "dark"), height=height)
    st.plotly_chart(figure, key=f"{key}-still", width="stretch", theme=None, config=_CONFIG, alt=alt)


def serve_script() -> None:
    """Write the plotly script beside app.py once, so that the browser gets it from this server; without it charts fall back."""
    from plotly.offline import get_plotlyjs

    text = get_plotlyjs()
    if SCRIPT.exists() and SCRIPT.stat().st_size == len(text.encode()):
        return
    try:
        SCRIPT.parent.mkdir(exist_ok=True)
        unfinished = SCRIPT.with_suffix(".tmp")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(SCRIPT)
    except OSError as error:
        print(f"live charts are drawn the slow way: {SCRIPT} cannot be written ({error})")
