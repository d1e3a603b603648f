"""Does every classifier of torchvision work here? `python benchmarks/networks.py`: each in a process of its own, at its smallest images.

Trained, pruned to an exact density, best weights taken up, stopped and resumed, exported and read again, alive weights counted, scored
by SynFlow: see network_checks.py. Every result is kept in networks.json at once, so that an interrupted sweep goes on where it was;
`--again` measures anew. docs/NETWORKS.md is written from that file.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402
import torch  # noqa: E402

from appcore.bench import timing  # noqa: E402
from appcore.transfer import onnx_file  # noqa: E402
from benchmarks.network_checks import CHECKS, measure  # noqa: E402

RESULTS, TABLE = Path(__file__).with_suffix(".json"), ROOT / "docs" / "NETWORKS.md"
LIMIT_SECONDS = 3600
DIVERGES = "since BatchNorm compares the 8 values of 1 x 1 maps: gradients of 10,000 and more at the stem, pruned or not"
SYNFLOW = """## SynFlow beyond ReLU and BatchNorm

Norms, activations, gates and attention are scored by the rules in `appcore/pruners/synflow.py`. What they promise, and what not:

- **Every layer that all paths cross** (stem, layers of a chain, layers between two stages, head) has scores that sum to R, but for what
  biases and tables of positions bring in. None of them empties as long as a round removes fewer weights than it has, so the network
  stays alive. Swin, Swin V2 and ConvNeXt: over 97 % of the kept weights are alive in ten rounds to a tenth.
- **A branch beside a skip connection** has g / (1 + g) of R, g being its gain against the skip's. Scores fall with g as its weights go, and
  branches of a low gain may empty whole. The skip carries on, so no path of the others is lost. In ConvNeXt g holds the layer
  scale, 1e-6 at the start, as it holds every other parameter: a branch has 2e-6 to 2e-5 of R, the three of the last stage are empty at a
  tenth and all are at a hundredth. In Swin on 32 pixels the last stages have 1 and 4 tokens in windows of 49 places, the rest
  padding, and attention spreads over it: those attentions empty first. Larger images fill the windows; `exempt` spares layers by name.
- **A layer that sees no image** (`cpb_mlp` of Swin V2, which turns positions into what is added to attention) lies on no path from image to
  output. It counts by what it adds, which is nothing beside signals that no norm holds small, and goes first:
  `exempt = *.cpb_mlp.*`.
"""


def names() -> list[str]:
    """Every classifier that torchvision registers."""
    from torchvision import models

    return models.list_models(module=models)


def in_a_process(name: str) -> dict[str, Any]:
    """`measure` in a process of its own, whatever becomes of it."""
    command = [sys.executable, str(Path(__file__)), "--here", name]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return {"refused": f"it takes more than {LIMIT_SECONDS / 60:.0f} minutes here"}
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        return json.loads(lines[-1])
    return {"refused": f"its process ended with code {done.returncode}: {(done.stderr.splitlines() or ['killed'])[-1][:200]}"}


def table(found: dict[str, dict[str, Any]]) -> str:
    """The document."""
    run = {name: row for name, row in found.items() if "checks" in row}
    right = [name for name, row in run.items() if not any(row["checks"].values())]
    here = timing.machine()
    lines = [
        "# torchvision's classifiers, one by one",
        "",
        f"Of {len(found)} classifiers of torchvision {metadata.version('torchvision')} {len(run)} were run and {len(right)} do all that is",
        f"asked below; what the others do not, and why {len(found) - len(run)} were not run, stands under the table.",
        f"Measured by `python benchmarks/networks.py`, last on {datetime.now(UTC):%Y-%m-%d}, {here['processor']}, {here['threads']}",
        f"threads, {psutil.virtual_memory().total / 1e9:.0f} GB of memory, Python {platform.python_version()}, torch {torch.__version__},",
        f"{_runtime()}. Each at the smallest images that it takes, from 32 pixels on; two megabatches of one step, pruned by SNIP",
        "to density 0.366 of all convolutions and linear layers.",
        "",
        *(f"- **{name}**: {meaning}." for name, meaning in CHECKS.items()),
        "- **alive**: kept weights on a path from input to output after the run. None are where one step on eight images, with",
        "  maps of one pixel, threw the network off (the run says that it diverged): SNIP then ranks the rest, and empties a layer.",
        "",
        f"| network | pixels | parameters, M | {' | '.join(CHECKS)} | alive, % | s of CPU | peak, GB |",
        f"|---|---|---|{'---|' * len(CHECKS)}---|---|---|",
    ]
    for name, row in run.items():
        cells = ["yes" if row["checks"].get(check) == "" else "**no**" for check in CHECKS]
        numbers = [f"{100 * row['alive']:.1f}" if "alive" in row else ""]
        numbers += [f"{row['seconds']:.0f}" if "seconds" in row else "", f"{row['bytes'] / 1e9:.1f}" if "bytes" in row else ""]
        lines.append(f"| {name} | {row['side']} | {row['parameters'] / 1e6:.1f} | {' | '.join([*cells, *numbers])} |")
    lines += ["", "## What does not hold, and what was not run", ""]
    notes = [f"- {name}, {check}: {text}." for name, row in run.items() for check, text in row["checks"].items() if text]
    notes += [f"- {name}: {row['refused']}." for name, row in found.items() if "refused" in row]
    short = {name: row["diverges"] for name, row in found.items() if "diverges" in row}
    notes += [f"- {name}: at {side} pixels its losses are not finite, {DIVERGES}." for name, side in short.items()]
    if missing := [name for name in names() if name not in found]:
        notes += ["", f"Not measured yet, {len(missing)}: {', '.join(missing)}."]
    return "\n".join([*lines, *(notes or ["Nothing."]), "", SYNFLOW])


def _runtime() -> str:
    name = "onnxruntime" if onnx_file.has_runtime() else "onnx"
    return f"{name} {metadata.version(name)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="NAME,...", help="these networks alone")
    parser.add_argument("--again", action="store_true", help="measure anew what was measured before")
    parser.add_argument("--here", default="", metavar="NAME", help="measure one network in this process and print it as JSON")
    args = parser.parse_args()
    if args.here:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(args.here, Path(folder))))
        return 0
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    wanted = args.only.split(",") if args.only else names()
    for name in wanted:
        if args.again or "checks" not in found.get(name, {}):
            found[name] = in_a_process(name)
            ordered = {known: found[known] for known in names() if known in found}
            RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
            TABLE.write_text(table(ordered), encoding="utf-8")
            print(name, found[name].get("refused") or found[name]["checks"], file=sys.stderr, flush=True)
    return 0 if all(not any(found[name].get("checks", {}).values()) for name in wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
