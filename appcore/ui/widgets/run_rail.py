"""The runs of a page as a list beside its charts: mark, name, number and progress of each, and an eye that hides it from all charts.

The charts of such a page have no legend of their own. Hidden runs are kept in the address (?hide=a,b).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from appcore import charts

from ..app import page, tables
from ..words import format, run_status

SHAPES = {"circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "cross": "✚", "star": "★", "hexagon": "⬢", "x": "✖"}
HIDE = "hide"  # in the address
_WIDTH = 250  # pixels, on a wide window
_HTML = '<div class="rail" role="list" aria-label="Runs on this page"></div><button class="rail-all" type="button" hidden>Show all</button>'
_CSS = """
.rail { display: flex; flex-direction: column; font-size: 0.875rem; line-height: 1.3; }
.rail .run { display: grid; grid-template-columns: 1.7rem 1rem 1fr auto; column-gap: 0.3rem; padding: 0.3rem 0;
  border-bottom: 1px solid var(--st-border-color); align-items: start; }
.rail .name { font-weight: 600; overflow-wrap: anywhere; }
.rail .value { font-variant-numeric: tabular-nums; white-space: nowrap; }
.rail .state { grid-column: 3 / 5; font-size: 0.78rem; color: var(--st-gray-text-color); overflow-wrap: anywhere; }
.rail .bar { grid-column: 3 / 5; height: 3px; margin-top: 0.25rem; border-radius: 2px; background: var(--st-border-color); }
.rail .bar div { height: 100%; border-radius: 2px; background: var(--st-primary-color); }
.rail .is-hidden .name, .rail .is-hidden .mark, .rail .is-hidden .value { opacity: 0.45; }
.rail .eye, .rail-all { font: inherit; color: var(--st-gray-text-color); background: transparent; border: 1px solid transparent;
  border-radius: 0.3rem; cursor: pointer; padding: 0 0.15rem; }
.rail .eye svg { display: block; width: 1.15rem; height: 1.15rem; margin-top: 0.05rem; }
.rail-all { margin-top: 0.4rem; padding: 0.1rem 0.4rem; font-size: 0.8rem; border-color: var(--st-border-color); }
.rail .eye:hover, .rail-all:hover { color: var(--st-text-color); border-color: var(--st-border-color); }
.rail .eye:focus-visible, .rail-all:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.st-key-run-rail, :has(> .st-key-rail-place) { position: sticky; top: 4.2rem; align-self: flex-start;
  max-height: calc(100vh - 5rem); overflow-y: auto; }
@media (max-width: 1100px) {
  .rail { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); column-gap: 1.2rem; }
  .st-key-beside-rail { flex-wrap: wrap; }
  .st-key-run-rail, .st-key-rail-place, :has(> .st-key-rail-place) { position: static; width: 100% !important;
    flex: 1 1 100% !important; max-width: none !important; max-height: none; }
}
@media (max-width: 640px) { .st-key-run-rail, :has(> .st-key-rail-place) { max-height: 40vh; } }
"""
_JS = """
const SEEN = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2">'
  + '<path d="M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12z"/><circle cx="12" cy="12" r="3"/></svg>';
const HIDDEN = SEEN.replace('</svg>', '<path d="M4 20L20 4"/></svg>');
const PARTS = '<button class="eye" type="button"></button><span class="mark" aria-hidden="true"></span><span class="name"></span>'
  + '<span class="value"></span><span class="state"></span><div class="bar" hidden><div></div></div>';

function write(node, run, press) {
  const part = (name) => node.querySelector('.' + name);
  const put = (name, text) => { if (part(name).textContent !== text) part(name).textContent = text; };
  node.className = 'run' + (run.hidden ? ' is-hidden' : '') + (run.share === null ? ' is-over' : '');
  node.title = run.about;
  put('mark', run.mark);
  part('mark').style.color = run.colour;
  put('name', run.name);
  put('value', run.value);
  put('state', run.state);
  part('bar').hidden = run.share === null;
  part('bar').firstChild.style.width = `${100 * (run.share ?? 0)}%`;
  const eye = part('eye');
  if (eye.dataset.is !== String(run.hidden)) eye.innerHTML = run.hidden ? HIDDEN : SEEN;
  eye.dataset.is = String(run.hidden);
  eye.setAttribute('aria-label', `${run.hidden ? 'Show' : 'Hide'} ${run.name}`);
  eye.onclick = () => press(run.id);
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const rail = parentElement.querySelector('.rail');
  const press = (id) => setTriggerValue('pressed', id);
  while (rail.children.length > data.runs.length) rail.lastChild.remove();
  data.runs.forEach((run, place) => {
    let node = rail.children[place];
    if (!node) {
      node = document.createElement('div');
      node.setAttribute('role', 'listitem');
      node.innerHTML = PARTS;
      rail.appendChild(node);
    }
    write(node, run, press);
  });
  const all = parentElement.querySelector('.rail-all');
  all.hidden = !data.runs.some((run) => run.hidden);
  all.onclick = () => press('');
}
"""
_component = st.components.v2.component("run_rail", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)


def place() -> Any:
    """The row that holds the rail and what stands beside it."""
    return st.container(horizontal=True, gap="medium", key="beside-rail")


def own_place() -> Any:
    """A container for a rail that is a fragment of its own (see `page.own_place`), as wide as the rail."""
    return st.container(key="rail-place", width=_WIDTH)


def hidden(runs: Sequence[Mapping[str, Any]]) -> set[str]:
    """Ids of the runs that the address hides."""
    return {run["run_id"] for run in runs} & set(page.requested(HIDE))


def show(runs: Sequence[Mapping[str, Any]], data: tables.Frames, numbers: Mapping[str, str]) -> None:
    """Draw the rail: `numbers` has the text beside each name by run id. A press draws the page again."""
    looks, away = data.once("looks", lambda: charts.looks(runs)), hidden(runs)
    rows = [
        {
            "id": run["run_id"],
            "name": looks[run["run_id"]].label,
            "colour": looks[run["run_id"]].colour,
            "mark": SHAPES[looks[run["run_id"]].symbol],
            "value": numbers.get(run["run_id"], "–"),
            "hidden": run["run_id"] in away,
            **_state(run),
        }
        for run in runs
    ]
    pressed = _component(key="run-rail", data={"runs": rows}, width=_WIDTH, height="content", on_pressed_change=lambda: None).pressed
    if pressed is not None:
        kept = away ^ {pressed} if pressed else set()
        shown = [run["run_id"] for run in runs if run["run_id"] in kept]
        if shown:
            st.query_params[HIDE] = ",".join(shown)
        else:
            st.query_params.pop(HIDE, None)
        st.rerun()


def _state(run: Mapping[str, Any]) -> dict[str, Any]:
    """The line below the name: the state, while it goes on how far and how long yet."""
    about, parts = f"{run['title']} · {run['run_id']}", [run_status.word(run)]
    if mark := run.get("recorded"):
        about, parts = f"{about} · {mark['machine']} · {mark['command']}", [*parts, mark["date"][:10]]
    share, left = run_status.share_done(run), (run["progress"] or {}).get("eta_seconds")
    if not run_status.is_active(run):
        parts += [f"at {100 * share:.0f}\u00a0%"] if share < 1 else []
        return {"state": " ".join(parts), "share": None, "about": about}
    parts.append(f"{100 * share:.0f}\u00a0%")
    line = page.place_in_line(run)
    if line.get("waits_for"):
        parts.append("after another program on this machine")
    elif line.get("position"):
        parts.append(f"position {line['position']} in the queue")
    elif left and run_status.state(run) == "running":
        parts.append(f"{format.about(left)} left")
    return {"state": " · ".join(parts), "share": share, "about": about}
