"""The board of an ablation: live states, results in four views, failed cells with reasons, the queue."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from appcore.analysis import ablation_results, pairing
from appcore.charts import ablation_results as result_charts
from appcore.charts import mean_text
from appcore.names import apart, counted, display
from appcore.planning import ablation_grid, sparsity
from appcore.transfer.paper_table import caption

from ..app import old_links, page
from ..widgets import live_chart, paper_table, projector
from ..words import format, number_columns, run_status
from ..words.text import cells, plain
from . import form

VIEWS = ("Heatmap", "Lines", "Parallel coordinates", "Table")
_FORMERLY = {"Small multiples": "Lines"}
_Cells = Sequence[Mapping[str, Any]]


class Board:
    """Data common to the figures of one ablation: rows, axes, their values in order and their names."""

    def __init__(self, board: Mapping[str, Any]):
        self.sweep, self.cells = board["sweep"], board["cells"]
        self.axes = list(self.sweep["axes"])
        self.of_weights = ablation_grid.counts_weights(self.sweep["base"], self.sweep["axes"])  # whether tau is shown as sparsity
        texts = {name: {ablation_grid.value_text(value): value for value in values} for name, values in self.sweep["axes"].items()}
        words = partial(form.axis_words, of_weights=self.of_weights)
        self.words = {name: {text: words(name, text) for text in values} for name, values in texts.items()}
        self.order = {name: list(values.values()) for name, values in self.words.items()}
        self.numbers = {
            name: {self.words[name][text]: self._number(name, value) for text, value in values.items()} for name, values in texts.items()
        }
        self.labels = {name: form.label(name, of_weights=self.of_weights) for name in self.axes} | {"": ""}
        run_ids = [cell["run"]["run_id"] for cell in self.cells if cell["run"]]
        self.rows = ablation_results.rows(self.cells, page.store().megabatches(run_ids, newest=True))
        self.rows = self.rows.assign(**{name: self.rows[name].replace(words) for name, words in self.words.items()})
        self.token = tuple(zip(self.rows["run_id"], self.rows["state"]))
        self.fixed: tuple[str, ...] = ()  # values of other settings that the results are restricted to

    @property
    def main(self) -> list[str]:
        """Axes to show: all but the seed, which is averaged over; the seed only where there is no other."""
        return [name for name in self.axes if name != ablation_results.SEED] or self.axes

    def _number(self, name: str, value: Any) -> float:
        """The place of a value on an axis; nan where it is no number."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return math.nan
        return 100 * sparsity.of_tau(value) if name == "tau" and self.of_weights else float(value)


def only(board: Board, down: str, across: str) -> None:
    """Restrict the results: settings that are neither rows nor columns are averaged over, unless one of their values is chosen."""
    others = [name for name in board.main if name not in (down, across)]
    if others:
        with st.container(horizontal=True, gap="small"):
            for name in others:
                shown = apart(board.order[name])
                old_links.renamed(f"only-{name}", {**board.words[name], **shown})
                value = st.selectbox(
                    f"Only {plain(board.labels[name].lower())}", board.order[name], index=None, key=f"only-{name}", bind="query-params",
                    format_func=shown.__getitem__, placeholder="all, averaged", width=200,
                )  # fmt: skip
                if value is not None:
                    board.rows = board.rows[board.rows[name].isin([value, ablation_results.ANY])]
                    board.fixed = (*board.fixed, value)


def controls(board: Board) -> tuple[str, str, str, str]:
    """(view, metric, rows, columns), kept in the address."""
    axes = board.main if len(board.main) > 1 else board.axes if len(board.axes) > 1 else [*board.main, ""]
    old_links.renamed("metric", old_links.METRICS)
    old_links.renamed("view", _FORMERLY)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        metric = st.selectbox(
            "Metric",
            list(ablation_results.METRICS),
            format_func=lambda name: ablation_results.METRICS[name].label,
            key="metric",
            bind="query-params",
            width=250,
        )
        down = st.selectbox("Rows", axes, key="rows", bind="query-params", format_func=board.labels.__getitem__, width=200)
        others = [name for name in axes if name != down] or [""]
        if st.session_state.get("columns") not in others:
            st.session_state["columns"] = others[0]
        across = st.selectbox("Columns", others, key="columns", bind="query-params", format_func=board.labels.__getitem__, width=200)
        usual = VIEWS.index("Parallel coordinates") if board.sweep["picks"] else 0  # a search leaves most of a grid empty
        view = st.selectbox("Results as", VIEWS, index=usual, key="view", bind="query-params", width=round(200 * projector.scale()))
    return view, metric, down, across


def states(board: Board, down: str, across: str) -> None:
    """Every run in its cell, with colour and symbol by state."""
    live_chart.chart(
        "board",
        (board.sweep["sweep_id"], board.token, down, across),
        lambda: result_charts.board(board.rows, down, across, board.order, board.labels, revision=board.sweep["sweep_id"]),
        alt="Board: every run of the ablation with its state",
    )


def caveats(board: Board) -> None:
    """Why differences between the runs may not come from their settings, where there is a reason."""
    runs = [cell["run"] for cell in board.cells if cell["run"]]
    if pairing.mixes_data(runs):
        st.warning(
            "The images or labels were changed between these runs, so differences may come from that. Delete the older ones on the page "
            "Runs, then run what is missing.",
            icon=":material/warning:",
        )
    if elsewhere := pairing.surroundings(runs):
        st.caption(
            f"Computed on different software or machines ({plain(elsewhere, 300)}): rounding differs, and can grow while a network trains."
        )


def results(board: Board, view: str, metric: str, down: str, across: str) -> None:
    """The chosen view of the finished runs."""
    if not (board.rows["state"] == "done").any():
        st.caption("Results appear here with the first run that is done.")
        return
    _DRAW[view](board, metric, down, across)


def _heatmap(board: Board, metric: str, down: str, across: str) -> None:
    axes, order, rows = [name for name in (down, across) if name], board.order, board.rows
    if not across:
        axes, order, rows = [*axes, ""], {**order, "": [" "]}, rows.assign(**{"": " "})
    live_chart.chart(
        "heatmap",
        (board.sweep["sweep_id"], board.token, board.fixed, metric, down, across),
        lambda: result_charts.heatmap(rows, metric, down, across, order, board.labels, revision=board.sweep["sweep_id"]),
        alt=f"Heatmap: mean {ablation_results.METRICS[metric].label} of each combination",
    )
    averaged = [board.labels[name] for name in board.axes if name not in axes and len(set(board.rows[name]) - {ablation_results.ANY}) > 1]
    if averaged:
        st.caption(f"Averaged over: {plain(', '.join(averaged).lower())}.")


def _multiples(board: Board, metric: str, down: str, across: str) -> None:
    panel = next((name for name in board.main if name not in (down, across)), "")
    with st.container(key="panels" if panel else None):  # several side by side, which a phone scrolls
        live_chart.chart(
            "multiples",
            (board.sweep["sweep_id"], board.token, board.fixed, metric, down, across, panel),
            lambda: result_charts.small_multiples(
                board.rows,
                metric,
                (across or down, down if across else "", panel),
                board.order,
                board.labels,
                revision=metric + across,
                numbers={value: place for value, place in board.numbers[across or down].items() if not math.isnan(place)},
            ),
            alt=f"Lines: {ablation_results.METRICS[metric].label} against {board.labels[across or down]}",
        )


def _parallel(board: Board, metric: str, down: str, across: str) -> None:
    drawn = live_chart.chart(
        "parallel",
        (board.sweep["sweep_id"], board.token, board.fixed, metric),
        lambda: result_charts.parallel(board.rows, board.axes, metric, board.order, board.labels, revision=board.sweep["sweep_id"]),
        alt="Parallel coordinates: settings and results of every finished run",
    )
    names = result_charts.parallel_names(board.rows, board.axes, metric, board.order)
    ranges = {name: spans for name, spans in zip(names, drawn) if spans}
    done = board.rows[board.rows["state"] == "done"]
    found = ablation_results.within(done, ranges, board.order)
    st.caption(f"{len(found)} of {counted(len(done), 'finished run')}" + (" inside the drawn ranges" if ranges else ""))
    shown = found[[*board.axes, *ablation_results.METRICS, "run_id"]].rename(columns={name: board.labels[name] for name in board.axes})
    _frame(shown, "Runs inside the drawn ranges")


def _table(board: Board, metric: str, down: str, across: str) -> None:
    table, about = ablation_results.summary(board.rows, board.main, metric), ablation_results.METRICS[metric]
    best = _best_of_table(board, metric, down, across)
    shown = table[board.main].rename(columns=board.labels)
    shown["n"], shown["Mean"], shown["± SD"] = table["n"], table["mean"], table["sd"]
    shown["95 % from"], shown["to"] = table["low"], table["high"]
    shown["Not done"] = table["runs"] - table["n"]
    if about.better:
        shown.insert(len(board.main), "Best", ["★" if row in best else "" for row in table[board.main].itertuples(index=False, name=None)])
    st.markdown(f"**{about.label}, {about.unit}:** mean ± standard deviation over seeds")
    _frame(
        shown.round(dict.fromkeys(("Mean", "± SD", "95 % from", "to"), max(about.digits, 1) + 1)),
        f"{about.label} of each combination",
        {name: f"%.{max(about.digits, 1) + 1}f" for name in ("Mean", "± SD", "95 % from", "to")},
    )
    same = ", ".join(board.labels[name].lower() for name in board.main if name != down)
    others = f"every other {board.labels[down].lower()}" + (f" at the same {same}" if same else "")
    if about.better:
        no = "No winner is marked: what is ahead could be luck, or there are fewer than two runs each."
        st.caption(f"★ best: ahead of {plain(others)}, seed by seed, with 95 % confidence (Student's t)." if best else no)
    paper_table.popover("paper", lambda: _for_paper(board, metric, best, others))


def _for_paper(board: Board, metric: str, best: set[tuple], others: str) -> tuple[pd.DataFrame, str]:
    """(table, caption): a row for each combination."""
    about, rows, seeds = ablation_results.METRICS[metric], [], []
    for place, part in board.rows.groupby(board.main, sort=False):
        values = part[metric].dropna().tolist()
        rows.append([*map(display, place), len(values), mean_text(values, about, place in best)])
        seeds.append(len(values))
    table = pd.DataFrame(rows, columns=[*(board.labels[name] for name in board.main), "Runs", about.head])
    return table, caption(seeds, bool(best), others)


def _best_of_table(board: Board, metric: str, down: str, across: str) -> set[tuple]:
    """Rows of the table that win: the best value of `down` for each combination of the other settings."""
    rest = [name for name in board.main if name not in (down, across)]
    rows, order, columns = board.rows, board.order, across
    if not columns:
        rows, order = rows.assign(**{"": ""}), {**order, "": [""]}
    found = set()
    for values, part in rows.groupby(rest, sort=False) if rest else [((), rows)]:
        for row, column in ablation_results.best_of_columns(part, down, columns, order, metric):
            place = {**dict(zip(rest, values)), down: row, across: column}
            found.add(tuple(place[name] for name in board.main))
    return found


def _frame(frame: pd.DataFrame, alt: str, formats: Mapping[str, str] | None = None) -> None:
    texts = [name for name in frame if name not in ablation_results.METRICS and frame[name].map(lambda value: isinstance(value, str)).all()]
    frame = frame.assign(**{name: frame[name].map(display) for name in texts})
    config: dict[str, Any] = {name: number_columns.column(name) for name in ablation_results.METRICS}
    # As wide as the longest text: left to itself a table measures its first rows alone.
    config |= {name: st.column_config.TextColumn(width=28 + 7 * max(map(len, [name, *frame[name]]))) for name in texts}
    config |= {name: st.column_config.NumberColumn(format=form) for name, form in (formats or {}).items()} | {"run_id": "Run"}
    height = min(420, 38 + 35 * max(len(frame), 1))
    st.dataframe(cells(frame), hide_index=True, column_config=config, height=height, placeholder="–", alt=alt)


_DRAW: dict[str, Callable[[Board, str, str, str], None]] = dict(zip(VIEWS, (_heatmap, _multiples, _parallel, _table)))


def failures(board: Board) -> None:
    """Failed cells, with the reason and a retry button."""
    failed = [cell for cell in board.cells if cell["run"] and cell["run"]["status"] == "failed"]
    for cell in failed[:12]:
        run = cell["run"]
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(f":material/error: **{plain(ablation_grid.label(cell))}**: {plain(run['error'] or 'ended with an error', 240)}")
            st.button("Try again", key=f"again-{run['run_id']}", icon=":material/replay:", on_click=resume, args=([run["run_id"]],))
    if len(failed) > 12:
        st.caption(f"and {len(failed) - 12} more that failed")


def resume(run_ids: Sequence[str]) -> None:
    """Resume runs that failed, stopped or were lost."""
    for run_id in run_ids:
        said(partial(page.manager().resume, run_id))()


def said(act: Callable[[], Any]) -> Callable[[], None]:
    """A callback that shows an InputError as one line."""

    def run() -> None:
        try:
            act()
        except ValueError as error:
            st.toast(plain(str(error), 300), icon=":material/error:")

    return run


def queue(board: Board, waiting: Sequence[str]) -> None:
    """The waiting runs of this ablation, in order, with buttons to move each."""
    titles = {cell["run"]["run_id"]: ablation_grid.label(cell) for cell in board.cells if cell["run"]}
    mine = [run_id for run_id in waiting if run_id in titles]
    if not mine:
        st.caption("Nothing of this ablation is waiting.")
    for run_id in mine[:15]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{waiting.index(run_id) + 1}. {plain(titles[run_id])}", width="stretch")
            for where, icon, words in (
                ("front", "first_page", "To the front"),
                ("up", "arrow_upward", "Earlier"),
                ("down", "arrow_downward", "Later"),
            ):
                act = said(partial(page.manager().move, run_id, where))
                st.button("", icon=f":material/{icon}:", key=f"{where}-{run_id}", on_click=act, help=words)
            act = said(partial(page.manager().stop, run_id))
            st.button("", icon=":material/close:", key=f"cancel-{run_id}", on_click=act, help="Cancel this run")
    if len(mine) > 15:
        st.caption(f"and {len(mine) - 15} more")
    st.page_link(page.link("machines"), label="How many train at once, and what waits", icon=":material/memory:", query_params={})


def time_left(board: Board) -> str:
    """Remaining time, estimated from the finished runs of this ablation."""
    seconds = [
        cell["run"]["totals"]["seconds"]
        for cell in board.cells
        if cell["run"] and cell["run"]["status"] == "done" and cell["run"]["totals"]
    ]
    open_runs = [cell["run"] for cell in board.cells if cell["run"] and run_status.is_active(cell["run"])]
    if not seconds or not open_runs:
        return ""
    at_once = max(1, sum(run["status"] == "running" for run in open_runs))
    left = sum(1 - run_status.share_done(run) for run in open_runs) * sum(seconds) / len(seconds) / at_once
    return f" · about {format.about(left)} left"
