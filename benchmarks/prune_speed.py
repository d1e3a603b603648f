"""What `appcore.prune` costs on torchvision's classifiers: `python benchmarks/prune_speed.py [--only NAME,...] [--state FILE]`.

Interleaved on each network, from the same weights and with one thread: magnitude against torch.nn.utils.prune.global_unstructured (L1) of
the same layers, and SNIP against one forward and backward pass and the selection of its scores. Ratios are taken within a round; the
table gives their median and range. Each network has a process of its own. With --state what was measured is kept in a file, and the same
command goes on where it was interrupted. Copies of the network, which all sides change in place, are not timed.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402
from torch.nn.utils import prune  # noqa: E402

import appcore  # noqa: E402
from appcore.bench import timing  # noqa: E402
from appcore.masks import selection  # noqa: E402
from appcore.models import base  # noqa: E402
from benchmarks.networks import names  # noqa: E402

DENSITY, CLASSES = 0.1, 1000
PAIRS = {"magnitude": ("prune, magnitude", "global_unstructured"), "snip": ("prune, SNIP", "one pass and selection")}
LIMIT_SECONDS = 3600

Side = Callable[[nn.Module], Any]


def published(network: nn.Module, layers: list[str]) -> None:
    """torch's own pruning of these weights."""
    owners = [(network.get_submodule(name.rpartition(".")[0]), "weight") for name in layers]
    prune.global_unstructured(owners, pruning_method=prune.L1Unstructured, amount=1 - DENSITY)


def one_pass(network: nn.Module, layers: list[str], images: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """The least that SNIP takes: gradients of one batch, their products with the weights, and which are the highest."""
    cross_entropy(network(images[0]), images[1]).backward()
    weights = {name: network.get_parameter(name) for name in layers}
    return selection.keep_top({name: (weight * weight.grad).detach().abs() for name, weight in weights.items()}, DENSITY)


def in_turn(network: nn.Module, sides: list[Side], rounds: int) -> list[list[float]]:
    """Seconds of each side in each round, there and back, after one round that is not counted."""
    found: list[list[float]] = [[] for _ in sides]
    for number in range(rounds + 1):
        for place in range(len(sides))[:: -1 if number % 2 else 1]:
            given = copy.deepcopy(network)
            start = time.perf_counter()
            sides[place](given)
            found[place].append(time.perf_counter() - start)
    return [seconds[1:] for seconds in found]


def measure(name: str, side: int, batch: int, rounds: int) -> dict[str, Any]:
    """{weights: how many may be pruned, and for each pair the seconds of ours and of the other side by round}."""
    torch.set_num_threads(1)
    network = base.create(f"torchvision:{name}", (3, side, side), CLASSES, seed=0)
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, side, side, generator=draw), torch.randint(CLASSES, (batch,), generator=draw)
    layers = selection.prunable_names(network)
    sides: dict[str, list[Side]] = {
        "magnitude": [lambda given: appcore.prune(given, density=DENSITY), lambda given: published(given, layers)],
        "snip": [
            lambda given: appcore.prune(given, images, density=DENSITY, pruner="snip"),
            lambda given: one_pass(given, layers, images),
        ],
    }
    weights = sum(network.get_parameter(layer).numel() for layer in layers)
    return {"weights": weights, **{pair: in_turn(network, both, rounds) for pair, both in sides.items()}}


def in_a_process(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """`measure` in a process of its own, whatever becomes of it."""
    sizes = ["--side", str(args.side), "--batch", str(args.batch), "--rounds", str(args.rounds)]
    command = [sys.executable, str(Path(__file__)), "--here", name, *sizes]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return {"refused": f"it takes more than {LIMIT_SECONDS / 60:.0f} minutes here"}
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    return {"refused": f"its process ended with code {done.returncode}: {(done.stderr.splitlines() or ['killed'])[-1][:200]}"}


def table(found: dict[str, dict[str, Any]], args: argparse.Namespace) -> str:
    """What was measured, as a Markdown table."""
    here = timing.machine()
    lines = [
        f"{here['processor']}, one thread; torch {torch.__version__}; {args.batch} images of {args.side} pixels, density {DENSITY:g}.",
        "Median (lowest to highest) of the ratios of a round; milliseconds are medians.",
        "",
        f"| network | weights, M | {' | '.join(f'{ours}, ms | {theirs}, ms | ratio' for ours, theirs in PAIRS.values())} |",
        f"|---|---|{'---|' * 3 * len(PAIRS)}",
    ]
    for name, row in found.items():
        if "refused" not in row:
            cells = [cell for pair in PAIRS for cell in _cells(*row[pair])]
            lines.append(f"| {name} | {row['weights'] / 1e6:.1f} | {' | '.join(cells)} |")
    return "\n".join([*lines, *(f"\n{name}: {row['refused']}" for name, row in found.items() if "refused" in row)])


def _cells(ours: list[float], theirs: list[float]) -> list[str]:
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return [f"{1000 * statistics.median(ours):.0f}", f"{1000 * statistics.median(theirs):.0f}", ratio]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="NAME,...", help="these networks alone")
    parser.add_argument("--state", type=Path, metavar="FILE", help="where what was measured is kept; what stands there is not repeated")
    parser.add_argument("--side", type=int, default=224, help="pixels of an image")
    parser.add_argument("--batch", type=int, default=2, help="images of the one batch")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--here", default="", metavar="NAME", help="measure one network in this process and print it as JSON")
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measure(args.here, args.side, args.batch, args.rounds)))
        return 0
    sizes = {"side": args.side, "batch": args.batch, "rounds": args.rounds}
    kept = json.loads(args.state.read_text(encoding="utf-8")) if args.state and args.state.exists() else {}
    known = kept["networks"] if kept.get("sizes") == sizes else {}
    wanted = args.only.split(",") if args.only else names()
    for name in wanted:
        if "weights" not in known.get(name, {}):
            known[name] = in_a_process(name, args)
            print(name, known[name].get("refused", "measured"), file=sys.stderr, flush=True)
            if args.state:
                args.state.write_text(json.dumps({"sizes": sizes, "networks": known}, indent=1) + "\n", encoding="utf-8")
    found = {name: known[name] for name in wanted}
    print(table(found, args))
    return 1 if any("refused" in row for row in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
