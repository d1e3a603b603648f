"""How long the What if page's server half takes for ResNet-50: `python benchmarks/whatif.py`. Real scores, then 20 drags."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from appcore import whatif, whatif_view
from appcore.charts import what_if
from appcore.config import build

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
    state = whatif.present(build({"arch": "resnet50", "dataset": "digits"}))
    sketches = {}
    for criterion in CRITERIA:
        start = time.perf_counter()
        sketches[criterion] = whatif.sketch(state, whatif.scores(state, criterion))
        print(f"{criterion}: scores and sketch {time.perf_counter() - start:.1f} s", flush=True)
    one = sketches["snip"]
    size = sum(part.nbytes for part in (*one["ranks"], *one["scores"], *one["order"].values()))
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{sum(layer['total'] for layer in one['layers']):,} weights, {len(one['layers'])} layers, sketch {size / 1e6:.1f} MB{load}\n")
    print("| answer to one drag | CPU, ms | wall, ms | worst wall, ms |\n|---|---|---|---|")
    for scope in ("global", "layer", "erk"):
        timed(f"layers, scope {scope}", lambda density, scope=scope: whatif_view.answer(one, density, scope))
    timed("layers, half of them exempt", lambda d: whatif_view.answer(one, d, exempt=[layer["name"] for layer in one["layers"][::2]]))
    timed("histogram", lambda density: whatif_view.histogram(one, whatif_view.answer(one, density)))
    timed("first to die", lambda density: whatif_view.deaths(one))
    falls = {name: whatif_view.deaths(sketch) for name, sketch in sketches.items()}  # no density in it: kept between drags
    timed("whole update, one criterion, figures included", lambda density: update({"snip": one}, falls, density))
    timed("whole update, three criteria side by side, figures included", lambda density: update(sketches, falls, density))


def update(sketches: dict, falls: dict, density: float) -> None:
    """What a drag makes the server do."""
    answers = {name: whatif_view.answer(sketch, density) for name, sketch in sketches.items()}
    first = next(iter(sketches))
    what_if.kept(answers).to_json()
    what_if.first_to_die({name: falls[name] for name in sketches}, density).to_json()
    what_if.score_histogram(whatif_view.histogram(sketches[first], answers[first]), answers[first].threshold, first).to_json()
    [whatif_view.costs(sketch, answers[name]) for name, sketch in sketches.items()]


if __name__ == "__main__":
    main()
