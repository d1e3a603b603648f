"""Does bfloat16 cost accuracy, and what does it save? `python benchmarks/precision.py`; writes precision.md beside itself.
On a GPU that question is a part of benchmarks/gpu.sh.

The same runs at both precisions, paired by seed (same initial weights, order and augmentation), in turns on real images. And the masks
of SNIP at the start: how far bfloat16 moves them, beside how far another order of the same images into batches does.
"""

from __future__ import annotations

import argparse
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from appcore.analysis.samples import Sample, within
from appcore.bench.machine import REAL_IMAGES
from appcore.bench.timing import machine
from appcore.config import RunConfig
from appcore.engine import loop
from appcore.engine.prune_point import select
from appcore.engine.state import RunState
from appcore.events import Finished, MegabatchDone
from appcore.masks.facts import overlap
from appcore.planning.plan import plan

DENSITIES = (0.64, 0.1, 0.02)
MARGIN = 0.02  # what counts as no difference, as in `python -m appcore check`
RUNS = {
    "resnet20": {"epochs": 6, "limit_train": 4000, "limit_test": 1000, "lr": 0.05},
    "resnet18": {"epochs": 2, "limit_train": 600, "limit_test": 500, "lr": 0.02},
}


def end(settings: dict[str, object]) -> tuple[float, float, str]:
    """Test accuracy after the last megabatch, images per second of training, and the hash of the weights."""
    state = RunState.create(RunConfig(**settings))
    accuracy, weights = 0.0, ""
    for event in loop.run(state, plan(state.config)):
        if isinstance(event, MegabatchDone):
            accuracy = event.test_accuracy
        elif isinstance(event, Finished):
            weights = event.weights_hash
    return accuracy, state.samples_seen / state.phase_seconds["train"], weights


def pairs(arch: str, seeds: int, dataset: str = f"images:{REAL_IMAGES[5_000]}", **changes: object) -> dict[str, list[tuple]]:
    """What `end` says of runs at both precisions, by seed, and of one of bf16 again; `changes` to their settings."""
    base = {"arch": arch, "dataset": dataset, "megabatches": 2, "tau": 2.0, "batch_size": 64, "device": "cpu"} | RUNS[arch] | changes
    found: dict[str, list[tuple]] = {"fp32": [], "bf16": []}
    for seed in range(seeds):
        for precision, ends in found.items():
            ends.append(end(base | {"seed": seed, "precision": precision}))
            print(arch, seed, precision, ends[-1], file=sys.stderr, flush=True)
    return found | {"again": [end(base | {"seed": 0, "precision": "bf16"})]}


def rows(arch: str, seeds: int) -> list[str]:
    """Lines of the table, for one network."""
    found = pairs(arch, seeds)
    accuracy = {name: Sample.of(run[0] for run in found[name]) for name in ("fp32", "bf16")}
    difference = accuracy["bf16"] - accuracy["fp32"]
    ratio = Sample.of(b[1] / a[1] for a, b in zip(found["fp32"], found["bf16"], strict=True))
    low, high = (100 * bound for bound in difference.interval())
    same = "the same bits" if found["again"][0][2] == found["bf16"][0][2] else "OTHER BITS"
    cells = (
        arch,
        accuracy["fp32"].text(),
        accuracy["bf16"].text(),
        f"{100 * difference.mean:+.1f} ({low:+.1f} to {high:+.1f})",
        within(difference, MARGIN),
        f"{ratio.text(2, scale=1.0)} x",
        same,
    )
    return ["| " + " | ".join(cells) + " |"]


def moved(arch: str, seeds: int) -> list[str]:
    """Lines of the table of masks: mean intersection over union with the mask of fp32, by density."""
    found: dict[float, list[list[float]]] = {density: [] for density in DENSITIES}
    base = {
        "arch": arch,
        "dataset": f"images:{REAL_IMAGES[5_000]}",
        "megabatches": 1,
        "batch_size": 64,
        "score_batch_size": 64,
        "device": "cpu",
    }
    base |= {"score_fraction": 1.0, "limit_train": RUNS[arch]["limit_train"] // 2, "limit_test": 10}
    for seed in range(seeds):
        states = [RunState.create(RunConfig(**base, seed=seed, precision=precision)) for precision in ("fp32", "bf16", "fp32", "fp32")]
        indices = states[2].stream.scoring_indices(0)
        shuffled = indices[torch.randperm(len(indices), generator=torch.Generator().manual_seed(seed))]
        states[2].stream.scoring_indices = lambda _megabatch, order=shuffled: order  # type: ignore[method-assign]
        states[3].stream.scoring_indices = lambda _megabatch, order=indices: order[: len(order) // 2]  # type: ignore[method-assign]
        for density in DENSITIES:
            kept = [select(state, 0, density).masks for state in states]
            found[density].append([overlap(kept[0], other)[0].iou for other in kept[1:]])
    return [
        f"| {arch} | {density:g} | " + " | ".join(Sample.of(values).text(2, scale=1.0) for values in zip(*rows, strict=True)) + " |"
        for density, rows in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--archs", nargs="+", choices=list(RUNS), default=list(RUNS))
    args = parser.parse_args()
    seeds = args.seeds
    about = machine()
    body = [line for arch in args.archs for line in rows(arch, seeds)]
    text = f"""# bfloat16 against fp32

    OMP_NUM_THREADS={about["threads"]} python benchmarks/precision.py --seeds {seeds} --archs {" ".join(args.archs)}

APP with SNIP, T = 2, full replay, batch 64, on images of CIFAR-10; {seeds} seeds, paired. Test accuracy in percent (mean ± standard
deviation over seeds), the difference with its 95 % interval, the verdict on "no more than {100 * MARGIN:.0f} points apart", training
speed as a ratio of runs in turns, and whether a run repeated in bf16 ends with the same weights.

Measured on {datetime.now(UTC):%Y-%m-%d}: {", ".join(f"{key} {value}" for key, value in about.items())};
Python {platform.python_version()}, torch {metadata.version("torch")}. GPU: not measured.

| network | fp32 | bf16 | difference | no difference | speed bf16 / fp32 | repeated |
|---|---|---|---|---|---|---|
"""
    masks = """

Masks of SNIP before any training, scored on half of those images in batches of 64: intersection over union with the mask of fp32 of the
same seed (mean ± standard deviation over seeds), 1 being the same mask.

| network | density | bf16 | fp32, the same images in other batches | fp32, half of the images |
|---|---|---|---|---|
"""
    text += "\n".join(body) + masks + "\n".join(line for arch in args.archs for line in moved(arch, seeds))
    (Path(__file__).parent / "precision.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
