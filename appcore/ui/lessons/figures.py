"""The figures that a lesson can show, by name: charts of the product, and the playground. Each takes what the step says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from appcore import charts
from appcore.analysis.repeats import grouped
from appcore.charts import stream_timeline, what_if
from appcore.charts.lessons import answers
from appcore.config import RunConfig
from appcore.lessons.base import Chart, Figure, Number, Play, Sketch
from appcore.planning import plan
from appcore.planning import stream_timeline as planned
from appcore.service import lessons

from ..app import tables
from ..playground import element
from ..widgets import live_chart, projector

MOST, MOST_PROJECTED = 400, 290  # pixels: text and question are to be seen with it


@dataclass(frozen=True)
class Shown:
    """What a figure is drawn from: the step's words on it, the lesson's numbers, and the runs of its recordings."""

    chart: Chart
    numbers: Mapping[str, Number]
    runs: list[Mapping[str, Any]]

    @property
    def data(self) -> tables.Frames:
        return tables.read(self.runs)

    @property
    def revision(self) -> str:
        return ",".join(run["run_id"] for run in self.runs)


def _numbers(shown: Shown) -> go.Figure:
    rows = [(label, shown.numbers[name]) for label, name in shown.chart.numbers]
    return answers.numbers(shown.chart.title, rows, revision=shown.chart.title)


def _mirrored(shown: Shown) -> go.Figure:
    first, second = (next(run for run in shown.runs if run["config"]["pruner"] == pruner) for pruner in _pruners(shown))
    megabatch = shown.chart.megabatch % int(first["config"]["megabatches"])
    return charts.mirrored(shown.data.layers, first, second, megabatch, revision=shown.revision)


def _pruners(shown: Shown) -> list[str]:
    return list(dict.fromkeys(run["config"]["pruner"] for run in shown.runs))[:2]


def _bands(name: str) -> Callable[[Shown], go.Figure]:
    def draw(shown: Shown) -> go.Figure:
        from appcore.charts import seed_bands

        return seed_bands.bands(name, grouped(shown.runs), shown.data.epochs, shown.data.megabatches, revision=shown.revision)

    return draw


def _truth_meter(shown: Shown) -> go.Figure:
    run = shown.runs[0]
    point = shown.data.megabatches[shown.data.megabatches["run_id"] == run["run_id"]].iloc[-1].to_dict()
    total = sum(layer["total"] for layer in run["started"]["layers"])
    return charts.truth_meter(point, total, revision=shown.revision)


def _staircase(shown: Shown) -> go.Figure:
    from appcore.charts.run import staircase

    run = shown.runs[0]
    prunes = shown.data.prunes
    return staircase.draw(run, prunes=prunes[prunes["run_id"] == run["run_id"]], moment=None)


def _timeline(shown: Shown) -> go.Figure:
    config = RunConfig(**shown.chart.settings)
    found = planned.timeline(config, plan.check(config))
    return stream_timeline.timeline(found.train, found.val, found.parts, revision=str(shown.chart.settings))


_KINDS: dict[str, tuple[Callable[[Shown], go.Figure], str]] = {
    "numbers": (_numbers, "Marks: mean, 95 % interval and seeds of each number"),
    "mirrored": (_mirrored, "Bars back to back: share that each of the two runs keeps of each layer"),
    "accuracy": (_bands("accuracy"), "Curves: validation accuracy over training, mean and range over seeds"),
    "gap": (_bands("gap"), "Curves: train minus validation accuracy over training, mean and range over seeds"),
    "errors": (_bands("errors"), "Curves: errors so far, mean and range over seeds"),
    "truth-meter": (_truth_meter, "Bars: requested density, and density counted in the mask, in forward and alive"),
    "staircase": (_staircase, "Steps: planned sparsity at each part of the stream, with what was counted"),
    "timeline": (_timeline, "Picture: which parts of the data are trained on and validated on at each megabatch"),
}
KINDS = tuple(_KINDS)


def show(figure: Figure, numbers: Mapping[str, Number], evidence: lessons.Evidence, place: str) -> None:
    """Draw a figure of a step; `place` is unique on the page. MissingError where its recording is not here."""
    if isinstance(figure, Play):
        element.show(figure.address, key=f"playground-{place}")
        return
    if isinstance(figure, Sketch):
        _sketch(figure, place)
        return
    draw, alt = _KINDS[figure.kind]
    missing = [name for _, name in figure.numbers if name not in numbers]
    if missing:
        raise lessons.MissingError(f"the number {missing[0]} is not known here")
    runs = [run for recording in figure.recordings for run in evidence.runs(recording)]
    shown = Shown(figure, numbers, runs)
    token = (place, projector.is_on(), shown.revision, *(str(numbers[name]) for _, name in figure.numbers))
    live_chart.chart(f"{figure.kind}-{place}", token, lambda: low(draw(shown)), alt=alt)


def first_to_die(sketch: Sketch) -> go.Figure:
    """When each layer runs empty, by each criterion."""
    found = {criterion: lessons.falls(sketch.network, criterion) for criterion in sketch.criteria}
    return what_if.first_to_die(found, dict.fromkeys(sketch.criteria, sketch.density))


def _sketch(sketch: Sketch, place: str) -> None:
    live_chart.chart(
        f"first-to-die-{place}",
        (place, projector.is_on()),
        lambda: low(first_to_die(sketch)),
        alt=f"Marks: what is left of {lessons.scored(sketch.network).title} when each layer loses its last weight, by criterion",
    )


def low(figure: go.Figure) -> go.Figure:
    """No higher than what leaves room for the words beside it."""
    most = MOST_PROJECTED if projector.is_on() else MOST
    return figure.update_layout(height=min(int(figure.layout.height or most), most))
