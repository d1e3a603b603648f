"""Experiment 3: which criterion spares the early layers, at initialisation and along the stream."""

from __future__ import annotations

from typing import Any

from ..analysis.samples import Sample, above_zero
from ..config import RunConfig, build
from ..engine.prune_point import prune
from ..engine.state import RunState
from ..planning.plan import plan
from .experiment import Finding, Lab, Part, about, markdown

NUMBER, TITLE = 3, "SNIP spares the first layers, magnitude does not"
CLAIM = (
    "SNIP keeps more of the first convolution than magnitude at densities .8 and .366 at initialisation; along a stream (T = 8, tau "
    "4.5) magnitude prunes the earlier layers harder at the first megabatches."
)
SOURCE = "arXiv 2204.01640 (ResNet-50, CIFAR-10); keep rates in the result files of arXiv 2006.05467"
DENSITIES = {1.0: "0.8", 4.5: "0.366"}  # by tau
FIRST_MEGABATCHES = 3


def measure(lab: Lab) -> Finding:
    """Keep rates of the first convolution at initialisation, then those of the early layers at each prune point of APP."""
    seeds, parts = lab.repeats(5), []
    for tau, density in DENSITIES.items():
        rates = {
            pruner: lab.each(_keep_rates, [_at_start(lab, pruner, tau, seed).model_dump(mode="json") for seed in seeds])
            for pruner in ("snip", "magnitude")
        }
        snip, magnitude = (Sample.of(found[0] for found in rates[pruner]) for pruner in ("snip", "magnitude"))
        measured = f"SNIP {snip.text()} %, magnitude {magnitude.text()} % (n = {len(seeds)})"
        parts.append(
            Part(f"at initialisation, density {density}: first convolution, SNIP > magnitude", measured, above_zero(snip - magnitude))
        )
    table, along = _along_the_stream(lab)
    return Finding(
        NUMBER,
        TITLE,
        CLAIM,
        SOURCE,
        f"{about(_at_start(lab, 'snip', 4.5, 0))}, {len(seeds)} seed(s); along the stream: {about(_stream(lab, 'snip', 0))}, "
        f"{len(lab.repeats(3))} seed(s); early layers: the first third, each layer counted alike",
        (*parts, *along),
        table,
    )


def _along_the_stream(lab: Lab) -> tuple[str, list[Part]]:
    seeds, rates = lab.repeats(3), {}
    for pruner in ("snip", "magnitude"):
        records = lab.records(_stream(lab, pruner, seed) for seed in seeds)
        rates[pruner] = [[[layer.kept / layer.total for layer in point.layers] for point in record.pruned] for record in records]
    third = max(1, len(rates["snip"][0][0]) // 3)

    def early(pruner: str, layers: int, megabatches: range) -> Sample:
        values = [[sum(found[t][:layers]) / layers for t in megabatches] for found in rates[pruner]]
        return Sample.of(sum(row) / len(row) for row in values)

    parts = []
    depths = {"first layer": 1, **({f"first {third} layers": third} if third > 1 else {})}
    for name, layers in depths.items():
        snip, magnitude = (early(pruner, layers, range(FIRST_MEGABATCHES)) for pruner in ("snip", "magnitude"))
        measured = f"SNIP {snip.text()} %, magnitude {magnitude.text()} % (n = {len(seeds)})"
        statement = f"along the stream, megabatches 1 to {FIRST_MEGABATCHES}: {name}, SNIP > magnitude"
        parts.append(Part(statement, measured, above_zero(snip - magnitude)))
    rows = [
        [f"{name}, {pruner}", *(early(pruner, layers, range(t, t + 1)).text() for t in range(8))]
        for name, layers in depths.items()
        for pruner in ("snip", "magnitude")
    ]
    return markdown(["% kept at megabatch", *map(str, range(1, 9))], rows), parts


def _at_start(lab: Lab, pruner: str, tau: float, seed: int) -> RunConfig:
    images = 400 if lab.is_quick else 1600
    small = {"arch": "resnet20", "method": "osp", "megabatches": 1, "limit_train": images, "limit_test": 10}
    return lab.config(**small, pruner=pruner, tau=tau, seed=seed)


def _stream(lab: Lab, pruner: str, seed: int) -> RunConfig:
    return lab.stream(pruner=pruner, seed=seed)


def _keep_rates(lab: Lab, settings: dict[str, Any]) -> list[float]:
    """Share kept of each layer when the network is pruned once, before any training."""
    config = build(settings)
    state, first = RunState.create(config), plan(config)[0]
    prune(state, first.megabatch, first.density)
    return [float(mask.float().mean()) for mask in state.masks.values()]
