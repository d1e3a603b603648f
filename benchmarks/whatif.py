"""How long the What if page's server half takes for ResNet-50: `python benchmarks/whatif.py`. Real scores, then 20 drags."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from appcore.analysis import what_if
from appcore.charts import what_if as what_if_charts
from appcore.config import build
from appcore.engine import what_if_sketch

CRITERIA = ("snip", "magnitude", "synflow")
DENSITIES = [0.9 * 0.7**step for step in range(20)]


def timed(label: str, work: Callable[[float], object]) -> None:
    wall, busy = [], []
    for density in DENSITIES:
        start, before = time.perf_counter(), time.process_time()
        work(density)
        wall.append(1000 * (time.perf_counter() - start))
        busy.append(1000 * (time.process_time() - before))
    print(f"| {label} | {statistics.median(busy):.0f} | {statistics.median(wall):.0f} | {max(wall):.0f} |")


def main() -> None:
    state = what_if_sketch.present(build({"arch": "resnet50", "dataset": "digits"}))
    sketches = {}
    for criterion in CRITERIA:
        start = time.perf_counter()
        sketches[criterion] = what_if_sketch.sketch(state, what_if_sketch.scores(state, criterion))
        print(f"{criterion}: scores and sketch {time.perf_counter() - start:.1f} s", flush=True)
    one = sketches["snip"]
    size = sum(part.nbytes for part in (*one["ranks"], *one["scores"], *one["order"].values()))
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{sum(layer['total'] for layer in one['layers']):,} weights, {len(one['layers'])} layers, sketch {size / 1e6:.1f} MB{load}\n")
    print("| answer to one drag | CPU, ms | wall, ms | worst wall, ms |\n|---|---|---|---|")
    for scope in ("global", "layer", "erk"):
        timed(f"layers, scope {scope}", lambda density, scope=scope: what_if.answer(one, density, scope))
    timed("layers, half of them exempt", lambda d: what_if.answer(one, d, exempt=[layer["name"] for layer in one["layers"][::2]]))
    timed("histogram", lambda density: what_if.histogram(one, what_if.answer(one, density)))
    timed("first to die", lambda density: what_if.deaths(one))
    falls = {name: what_if.deaths(sketch) for name, sketch in sketches.items()}  # no density in it: kept between drags
    timed("whole update, one criterion, figures included", lambda density: update({"snip": one}, falls, density))
    timed("whole update, three criteria side by side, figures included", lambda density: update(sketches, falls, density))


def update(sketches: dict, falls: dict, density: float) -> None:
    """What a drag makes the server do."""
    answers = {name: what_if.answer(sketch, density) for name, sketch in sketches.items()}
    first = next(iter(sketches))
    what_if_charts.kept(answers).to_json()
    what_if_charts.first_to_die(falls, dict.fromkeys(sketches, density)).to_json()
    what_if_charts.score_histogram(what_if.histogram(sketches[first], answers[first]), answers[first].threshold, first).to_json()
    [what_if.costs(sketch, answers[name]) for name, sketch in sketches.items()]


if __name__ == "__main__":
    main()
