"""A report of a run, or of a comparison, as one HTML file that opens from disk: interactive charts, numbers, settings, hashes, versions.

Pure: rows and tables come in, text goes out. All text from users or bundles is escaped, and a content policy in the file forbids it to
load or send anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from .. import charts, markup
from ..analysis.measures import MEASURES, Measure
from ..analysis.pairing import surroundings
from ..markup import html
from ..names import counted, display, method_and_pruner
from ..planning import stages

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
_CONFIG = {"responsive": True, "displaylogo": False, "toImageButtonOptions": {"format": "svg"}}
_STYLE = """
:root { color-scheme: light dark; --ink: #1B2430; --muted: #566172; --line: #DCE1E8; --ground: #FFFFFF; --soft: #F5F6F9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #E6E9EE; --muted: #9BA6B5; --line: #2E3742; --ground: #12161C; --soft: #1B2129; }
}
body { font: 16px/1.5 "Source Sans 3", "Helvetica Neue", Arial, sans-serif; color: var(--ink); background: var(--ground);
  max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0.5rem 0; overflow-wrap: anywhere; } h2 { font-size: 1.3rem; margin: 2.2rem 0 0.6rem; }
h3 { font-size: 1.05rem; margin: 1.4rem 0 0.3rem; overflow-wrap: anywhere; }
p { margin: 0.3rem 0; overflow-wrap: anywhere; } .muted { color: var(--muted); }
.note { white-space: pre-wrap; border-left: 3px solid var(--line); padding-left: 0.8rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1.5rem 1.25rem; }
.chart { min-width: 0; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.93rem; } th, td { text-align: left; padding: 0.3rem 0.9rem 0.3rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; } th { color: var(--muted); font-weight: 600; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } code { font-size: 0.9em; overflow-wrap: anywhere; }
details { margin: 0.6rem 0; } summary { cursor: pointer; } summary:focus-visible { outline: 2px solid #4A45A0; outline-offset: 2px; }
@media print { .charts { grid-template-columns: 1fr 1fr; } details { display: block; } }
"""
_SCRIPT = """
const FIGURES = JSON.parse(document.getElementById('figures').textContent);
const TEMPLATES = JSON.parse(document.getElementById('templates').textContent);
const CONFIG = __CONFIG__;
const dark = matchMedia('(prefers-color-scheme: dark)');
function draw() {
  FIGURES.forEach((figure, index) => {
    figure.layout.template = TEMPLATES[dark.matches ? 1 : 0];
    Plotly.react('chart-' + index, figure.data, figure.layout, CONFIG);
  });
  document.body.dataset.drawn = FIGURES.length;
}
draw();
dark.addEventListener('change', draw);
"""


@dataclass(frozen=True)
class Data:
    """The rows and tables of some runs, oldest first in each."""

    epochs: pd.DataFrame
    megabatches: pd.DataFrame
    prunes: pd.DataFrame
    layers: pd.DataFrame
    rounds: pd.DataFrame


def report(runs: Sequence[Mapping[str, Any]], data: Data, *, script: str, made: str, program: str) -> str:
    """The text of the whole file. `script` is plotly.js, `made` the date and time, `program` the name and version in the footer."""
    names = charts.labels(runs)
    title = (runs[0]["title"] or runs[0]["run_id"]) if len(runs) == 1 else f"Comparison of {len(runs)} runs"
    shown = _figures(runs, data)
    parts = [f"<h1>{html(title)}</h1>", f'<p class="muted">{html(program)} · {html(made)}</p>']
    parts += [_head(run, names[run["run_id"]]) for run in runs]
    parts += ["<h2>Final numbers</h2>", _numbers(charts.final_table(runs, data.megabatches))]
    parts.append('<h2>Charts</h2><noscript>The charts need JavaScript.</noscript><div class="charts">')
    parts += [f'<div class="chart" id="chart-{index}" role="img" aria-label="{html(alt)}"></div>' for index, (alt, _) in enumerate(shown)]
    parts += ["</div>", _settings(runs), _pairing(runs)]
    parts += [_proof(run, names[run["run_id"]]) for run in runs]
    return _document(title, "\n".join(parts), [figure for _, figure in shown], script)


def _figures(runs: Sequence[Mapping[str, Any]], data: Data) -> list[tuple[str, go.Figure]]:
    """Pairs (description, figure) in reading order."""
    curves = (data.epochs, data.megabatches)
    found = []
    if any(stages.of_run(run).are_rounds for run in runs):
        found.append(("Curves: test accuracy of each round over the weights left", charts.ticket(runs, data.rounds, data.megabatches)))
    found += [
        ("Curves: accuracy over the stream", charts.accuracy(runs, *curves, rounds=data.rounds)),
        ("Curves: generalization gap over the stream", charts.gap(runs, *curves)),
    ]
    if len(runs) == 1 and len(data.layers):
        found.append(("Heatmap: sparsity of each layer at each megabatch or round", charts.sparsity_map(data.layers, runs[0])))
    elif len(data.layers):
        last = int(charts.reached(data.layers, runs).min())
        found.append(("Marks: share kept of each layer at the newest megabatch or round", charts.kept_by_layer(data.layers, runs, last)))
        difference = charts.difference_map(data.layers, runs[0], runs[1], last, among=runs)
        found.append(("Heatmap: difference of the shares kept of the first two runs", difference))
    found.append(("Curves: loss over the stream", charts.loss(runs, *curves)))
    found.append(("Curves: test errors summed over the megabatches", charts.errors(runs, *curves)))
    return found


def _head(run: Mapping[str, Any], name: str) -> str:
    """The heading of a run: settings in words, and the labels that users gave it."""
    config = run["config"]
    what = method_and_pruner(config["method"], config["pruner"])
    where = f"{display(config['arch'])} on {display(config['dataset'])}"
    known = stages.of_run(run)
    plan = f"{counted(config['megabatches'], 'megabatch')} of {counted(config['epochs'], 'epoch')}"
    plan += f", {counted(known.places[-1][1], 'round')} of pruning" if known.are_rounds else ""
    line = f"{what} · {where} · {plan} · seed {config['seed']}"
    parts = [f"<h3>{html(name)}: {html(run['title'] or run['run_id'])}</h3>"]
    parts.append(f'<p>{html(run["status"])} · {html(line)} <span class="muted">· {html(run["run_id"])}</span></p>')
    parts += [f'<p class="muted">Tags: {html(", ".join(run["tags"]))}</p>'] if run.get("tags") else []
    parts += [f'<p class="note">{html(run["note"])}</p>'] if run.get("note") else []
    parts += [f"<p><b>Failed:</b> {html(run['error'])}</p>"] if run.get("error") else []
    return "\n".join(parts)


def _numbers(frame: pd.DataFrame) -> str:
    words = {"run": "Run", "megabatches": "Megabatches"}
    head = "".join(f'<th scope="col">{label}</th>' for label in words.values())
    head += "".join(_head_of(MEASURES[name]) for name in frame if name in MEASURES)
    body = []
    for row in frame.to_dict("records"):
        cells = [f"<td>{html(row[name])}</td>" for name in words]
        cells += [f'<td class="number">{MEASURES[name].text(row[name])}</td>' for name in row if name in MEASURES]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _head_of(about: Measure) -> str:
    return f'<th scope="col" title="{html(about.help)}">{html(about.head)}</th>'


def _settings(runs: Sequence[Mapping[str, Any]]) -> str:
    differing, equal = charts.setting_differences(runs)
    parts = ["<h2>Settings</h2>"]
    if len(runs) > 1:
        head = "".join(f'<th scope="col">{html(name)}</th>' for name in ("setting", *differing.columns))
        rows = [
            f'<th scope="row">{html(field)}</th>' + "".join(f"<td>{html(v)}</td>" for v in row) for field, *row in differing.itertuples()
        ]
        parts.append(
            f'<div class="scroll"><table><tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'
            if rows
            else "<p>All settings are equal.</p>"
        )
    pairs = [(name, charts.setting_text(value)) for name, value in equal.items() if value != {}]
    state, summary = (" open", "All settings") if len(runs) == 1 else ("", "Settings that are equal")
    parts.append(f"<details{state}><summary>{summary}</summary>{_pairs(pairs)}</details>")
    return "\n".join(parts)


def _pairing(runs: Sequence[Mapping[str, Any]]) -> str:
    if len(runs) < 2:
        return ""
    words = {True: "the same", False: "different", None: "not known yet"}
    rows = [(charts.PAIRING[name], words[state]) for name, state in charts.pairing(runs).items()]
    elsewhere, known = surroundings(runs), all(run.get("versions") for run in runs)
    rows.append(("software and machine", f"different: {elsewhere}" if elsewhere else words[known or None]))
    return f"<h2>Are they paired?</h2>{_pairs(rows)}"


def _proof(run: Mapping[str, Any], name: str) -> str:
    """Hashes, versions, and settings in a form that the program reads again."""
    facts = [("run", run["run_id"]), ("fingerprint", run["fingerprint"]), ("created", run["created"])]
    facts += [(f"hash of {charts.PAIRING.get(key, key)}", value) for key, value in (run["hashes"] or {}).items()]
    facts += [("hash of the final weights", (run["totals"] or {})["weights_hash"])] if (run["totals"] or {}).get("weights_hash") else []
    facts += [(f"version: {key}", str(value)) for key, value in (run["versions"] or {}).items()]
    facts += [("remark", str(note)) for note in run["notes"] or []]
    text = html(json.dumps(run["config"], indent=1))
    summary = "Settings as JSON: drop it on the page Runs"
    return f"<h2>Proof: {html(name)}</h2>{_pairs(facts)}<details><summary>{summary}</summary><pre>{text}</pre></details>"


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f'<tr><th scope="row">{html(name)}</th><td>{html(value)}</td></tr>' for name, value in rows)
    return f'<div class="scroll"><table>{cells}</table></div>'


def _document(title: str, body: str, figures: Sequence[go.Figure], script: str) -> str:
    templates = [
        json.loads(go.Figure(layout={"template": charts.template(dark)}).to_json())["layout"]["template"] for dark in (False, True)
    ]
    drawn = "[" + ",".join(markup.figure(figure.to_json()) for figure in figures) + "]"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{body}\n"
        f'<script type="application/json" id="figures">{_inert(drawn)}</script>\n'
        f'<script type="application/json" id="templates">{_inert(json.dumps(templates))}</script>\n'
        f"<script>{script}</script>\n<script>{_SCRIPT.replace('__CONFIG__', json.dumps(_CONFIG))}</script>\n</body></html>\n"
    )


def _inert(text: str) -> str:
    """JSON escaped so that it cannot close the script element around it."""
    return text.replace("<", "\\u003c")
