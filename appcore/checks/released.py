"""Experiment 2: the effect of the published code's two defects."""

from __future__ import annotations

from typing import Any

from ..analysis.samples import Sample, exactly, within
from ..config import RunConfig, build
from ..engine.prune_point import prune
from ..engine.state import RunState
from ..masks import selection
from ..planning.plan import plan
from .experiment import Finding, Lab, Part, about, markdown

NUMBER, TITLE = 2, "The released code does not end where it says"
QUOTED = {"snip": (0.0194, 0.002), "magnitude": (0.016, 0.001)}  # densities at the end of the published code's own runs; how near is near
DEFECTS = (
    "The released code scores *freshly drawn* weights from the second megabatch on: its checkpoint names `weight_orig` where the scoring "
    "network wants `weight`, and a non-strict load hides that. The draw is torch's default of a new layer (uniform in +-1 / sqrt(fan_in)), "
    "not the rule that the network began with (Kaiming fan-in); by a normal fan-out draw magnitude would end at .013.",
    "It thresholds over all weights, pruned ones too, and multiplies the new mask with the old one; its log shows the new mask alone.",
    "`semantics released-code` does both on purpose; `paper`, the default, does neither. One-shot pruning (OSP) is at 0.8 ** tau in "
    "either, so the published comparison of APP with OSP is not at equal density.",
    "Where SNIP ends depends on the images (quoted are those of CIFAR-10; on 8x8 digits it is .03 to .04), where magnitude ends does not.",
)


def measure(lab: Lab) -> Finding:
    """The prune points of a run without the training between them, which the first defect makes irrelevant for the weights' scores."""
    seeds = lab.repeats(12)
    paths = {
        (pruner, semantics): lab.each(_densities, [_config(lab, pruner, semantics, seed).model_dump(mode="json") for seed in seeds])
        for pruner in QUOTED
        for semantics in ("released-code", "paper")
    }
    parts = []
    for pruner, (quoted, near) in QUOTED.items():
        end = Sample.of(path[-1][0] for path in paths[pruner, "released-code"])
        low, high = end.interval(0.0, 1.0)
        measured = f"{end.text(4, scale=1)}, interval {low:.4f} to {high:.4f} (n = {len(end.values)})"
        is_near = within(end - Sample.of(quoted for _ in seeds), near)
        parts.append(Part(f"{pruner}: ends within {near} of {quoted}, far from the {0.8**4.5:.3f} of its log", measured, is_near))
        same = [path[-1][0] == path[-1][1] for path in paths[pruner, "paper"]]
        ends = f"{paths[pruner, 'paper'][0][-1][0]:.6f} at every seed"
        parts.append(Part(f"{pruner}, paper semantics: ends at round(0.8 ** 4.5 * n) / n", ends, exactly(all(same)), True))
    rows = [
        [f"{pruner}, {semantics}", *(f"{Sample.of(path[t][0] for path in found).mean:.3f}" for t in range(8))]
        for (pruner, semantics), found in paths.items()
    ]
    return Finding(
        NUMBER,
        TITLE,
        "With T = 8 and tau 4.5 the released code ends near density .02 on ResNet-20 (SNIP .0194, magnitude .016), not at .366.",
        "The released code of arXiv 2204.01640 at commit 7840633, run and counted",
        f"{about(_config(lab, 'snip', 'paper', 0), 'tau', 'score_fraction', 'init')}; prune points only; {len(seeds)} seed(s)",
        tuple(parts),
        markdown(["mean density counted at megabatch", *map(str, range(1, 9))], rows),
        DEFECTS,
    )


def _config(lab: Lab, pruner: str, semantics: str, seed: int) -> RunConfig:
    images = 400 if lab.is_quick else 1600
    small = {"arch": "resnet20", "megabatches": 8, "tau": 4.5, "limit_train": images, "limit_test": 10, "init": "kaiming-fan-in"}
    return lab.config(**small, pruner=pruner, semantics=semantics, seed=seed)


def _densities(lab: Lab, settings: dict[str, Any]) -> list[tuple[float, float]]:
    """(density counted in the live weights, round(d * n) / n for the requested d) at each prune point."""
    config = build(settings)
    lab.say(f"prune points of {config.pruner}, {config.semantics}, seed {config.seed}")
    state, found = RunState.create(config), []
    total = sum(mask.numel() for mask in state.masks.values())
    for segment in plan(config):
        if segment.kind == "prune":
            prune(state, segment.megabatch, segment.density)
            found.append((selection.effective_density(state.model, list(state.masks)), round(segment.density * total) / total))
    return found
