"""Which criterion leaves a network that can learn the Cubist Spiral, and is it the ticket's mask or its values? In the playground's code.

    python benchmarks/spiral.py [--seeds 10] [--kept spiral.jsonl]

In headless Chromium: 2-32-32-2 with 1,152 weights, 400 points, all of them in every step, SGD as in the playground; accuracy on these
points. Writes spiral.md beside itself, and the numbers of each seed into spiral.jsonl: what was cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers"), str(ROOT / "benchmarks")]

import browser  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from tables import Kept, measured, table  # noqa: E402

from appcore.analysis.samples import Sample  # noqa: E402
from appcore.config import RunConfig  # noqa: E402
from appcore.datasets import plane  # noqa: E402
from appcore.ui.playground.script import script  # noqa: E402

STEPS, LR, ROUNDS, STEPS_OF_ROUND = 2000, 0.1, 10, 1000
DENSITIES = (0.1, 0.05)
AFTER = (0.5, 0.2, 0.1, 0.05)
LOAD = """async ({ source, points }) => {
  window.the = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
  const all = the.standardised(Uint8Array.from(points));
  window.points = all;
  window.train = (network, steps, lr) => {
    for (let done = 0; done < steps; done++) the.step(network, all.x, all.y, all.count, { lr, momentum: 0.9, decay: 1e-4 });
    return the.evaluate(network, all).accuracy;
  };
  window.living = (network) => the.count(the.alive(network).edges) / the.kept(network);
}"""
BEFORE = """({ seed, criterion, density, steps, lr }) => {
  const network = the.create([2, 32, 32, 2], seed);
  the.prune(network, criterion, density, points, seed);
  return { onPath: living(network), accuracy: train(network, steps, lr) };
}"""
CUT = """({ seed, densities, steps, lr }) => {
  const network = the.create([2, 32, 32, 2], seed);
  const found = { whole: train(network, steps, lr) };
  const whole = the.snapshot(network);
  for (const density of densities) {
    the.restore(network, whole);
    the.prune(network, 'magnitude', density, points, seed);
    found[`cut ${density}`] = the.evaluate(network, points).accuracy;
    found[`retrained ${density}`] = train(network, steps, lr);
  }
  return found;
}"""
TICKET = """({ seed, rounds, each, steps, lr }) => {
  const network = the.create([2, 32, 32, 2], seed);
  for (let round = 1; round <= rounds; round++) {
    train(network, each, lr);
    the.prune(network, 'magnitude', 0.8 ** round, points, seed);
    the.rewind(network);
  }
  const ticket = the.snapshot(network);
  const control = (change) => { the.restore(network, ticket); change(network, seed); return train(network, steps, lr); };
  return {
    density: the.kept(network) / the.total(network),
    onPath: living(network),
    ticket: control(() => {}),
    redrawn: control(the.redraw),
    shuffled: control(the.shuffleMasks),
  };
}"""


def paired(ticket: list[float], control: list[float]) -> str:
    """The mean difference with its 95 % interval, in percentage points."""
    difference = Sample.of(ticket) - Sample.of(control)
    return f"{100 * difference.mean:+.1f} ± {100 * (difference.interval()[1] - difference.mean):.1f}"


def _over(rows: list[dict[str, float]], field: str) -> str:
    return Sample.of(row[field] for row in rows).text()


def report(
    before: dict[tuple[str, float], list[dict[str, float]]], cuts: list[dict[str, float]], tickets: list[dict[str, float]], begun: float
) -> str:
    """All tables."""
    rows = []
    for criterion in dict.fromkeys(criterion for criterion, _ in before):
        row = [criterion]
        for density in DENSITIES:
            found = before[criterion, density]
            row += [Sample.of(one["accuracy"] for one in found).text(), Sample.of(one["onPath"] for one in found).text(0)]
        rows.append(row)
    heads = ["criterion"]
    for density in DENSITIES:
        heads += [f"accuracy at density {density:g}, %", "kept edges on a path, %"]
    about = f"Cut before training, then {STEPS:,} steps with all points, learning rate {LR}; {len(tickets)} seeds, mean ± sd."
    found = {what: [one[what] for one in tickets] for what in ("ticket", "redrawn", "shuffled", "onPath", "density")}
    names = {
        "ticket": "the ticket: its mask at its initial values",
        "redrawn": "its mask at new initial values",
        "shuffled": "its mask shuffled within each layer, at the initial values",
    }
    lottery = [[name, Sample.of(found[key]).text(), paired(found["ticket"], found[key])] for key, name in names.items()]
    lottery[0][2] = ""
    density = Sample.of(found["density"]).mean
    of_tickets = f"{ROUNDS} rounds of magnitude pruning with rewinding, {STEPS_OF_ROUND:,} steps each, to density {density:.3f}, then "
    of_tickets += f"{STEPS:,} steps; {len(tickets)} seeds. Kept edges of the ticket on a path: {Sample.of(found['onPath']).text(0)} %."
    parts = ["# The Cubist Spiral in the playground", measured("spiral.py", begun)]
    parts += ["## Which criterion, before training?", table(about, heads, rows)]
    parts += ["SGD decides much of it: the same SynFlow masks end at 98 % when Adam trains them (docs/LOG.md, 2026-11-28)."]
    rows = [[f"{density:g}", *(_over(cuts, f"{what} {density:g}") for what in ("cut", "retrained"))] for density in AFTER]
    about = f"{STEPS:,} steps with every weight ({_over(cuts, 'whole')} %), cut by magnitude, then {STEPS:,} steps more; {len(cuts)} seeds."
    parts += ["## What does a cut after training cost?", table(about, ["density", "accuracy at once, %", "accuracy retrained, %"], rows)]
    heads = ["network", "accuracy, %", "ticket is better by, points (paired, 95 %)"]
    parts += ["## The mask or the values?", table(of_tickets, heads, lottery)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--kept", default=str(Path(__file__).with_suffix(".jsonl")))
    asked = parser.parse_args()
    kept = Kept(asked.kept)
    images = plane.load(RunConfig(dataset="spiral"))
    points = np.column_stack([images.train_x.reshape(-1, 2), images.train_y]).reshape(-1).tolist()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        page: Any = chromium.new_page()
        page.set_default_timeout(0)
        page.evaluate(LOAD, {"source": script(), "points": points})
        criteria = page.evaluate("() => Object.keys(the.CRITERIA)")
        before: dict[tuple[str, float], list[dict[str, float]]] = {}
        cuts, tickets = [], []
        for seed in range(asked.seeds):
            base = {"seed": seed, "steps": STEPS, "lr": LR}
            for criterion in criteria:
                for density in DENSITIES:
                    ask = {**base, "criterion": criterion, "density": density}
                    before.setdefault((criterion, density), []).append(
                        kept(f"{criterion} {density:g} seed {seed}", lambda ask=ask: page.evaluate(BEFORE, ask))
                    )
            ask = {**base, "densities": AFTER}
            cuts.append(kept(f"after seed {seed}", lambda ask=ask: page.evaluate(CUT, ask)))
            ask = {**base, "rounds": ROUNDS, "each": STEPS_OF_ROUND}
            tickets.append(kept(f"ticket seed {seed}", lambda ask=ask: page.evaluate(TICKET, ask)))
            print(f"seed {seed}: {tickets[-1]}", file=sys.stderr, flush=True)
        chromium.close()
    Path(__file__).with_suffix(".md").write_text(report(before, cuts, tickets, time.perf_counter() - kept.spent), encoding="utf-8")


if __name__ == "__main__":
    main()
