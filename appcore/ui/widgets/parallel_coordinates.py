"""Parallel coordinates as a filter: ranges selected on the axes are returned to the page. Independent of ablations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from appcore import charts, markup

from . import live_chart, projector

_HTML = '<div class="chart" role="img"></div>'
_JS = """
const TEMPLATES = __TEMPLATES__;
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

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const host = parentElement.querySelector('.chart');
  const wanted = data.theme + data.figure;
  host.style.height = data.height + 'px';
  host.setAttribute('aria-label', data.alt);
  if (host.wanted === wanted) return;
  host.wanted = wanted;
  load().then((Plotly) => {
    const figure = JSON.parse(data.figure);
    figure.layout.template = TEMPLATES[data.theme === 'dark' ? 1 : 0];
    return Plotly.react(host, figure.data, figure.layout, { responsive: true, displaylogo: false }).then(() => {
      host.dataset.updates = Number(host.dataset.updates || 0) + 1;
      if (host.watched) return;
      host.watched = true;
      host.on('plotly_restyle', () => {
        setStateValue('ranges', (host.data[0] || { dimensions: [] }).dimensions.map((axis) => axis.constraintrange || null));
      });
    });
  }).catch((error) => console.warn('parallel coordinates', error));
}
"""


def _templates() -> str:
    return json.dumps(
        [json.loads(go.Figure(layout={"template": charts.template(dark)}).to_json())["layout"]["template"] for dark in (False, True)]
    )


_component = st.components.v2.component(
    "parallel_coordinates", html=_HTML, js=_JS.replace("__TEMPLATES__", _templates()), isolate_styles=False
)


def chart(key: str, figure: go.Figure, names: Sequence[str], *, alt: str) -> dict[str, Any]:
    """Show the figure; returns the ranges selected on its axes, by column name."""
    theme = "dark" if st.context.theme.type == "dark" else "light"
    height = round(int(figure.layout.height or 420) * (1 + (projector.scale() - 1) / 2))
    figure.update_layout(font_size=13 * projector.scale())
    text = markup.figure(figure.to_json())
    if not live_chart.SCRIPT.exists():
        shown = go.Figure(json.loads(text)).update_layout(template=charts.template(theme == "dark"))
        st.plotly_chart(shown, key=f"{key}-still", theme=None, alt=alt)
        return {}
    data = {"figure": text, "height": height, "alt": alt, "theme": theme}
    result = _component(key=key, data=data, height=height, on_ranges_change=lambda: None)
    return {name: spans for name, spans in zip(names, result.ranges or []) if spans}
