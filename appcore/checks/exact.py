"""Experiment 1: densities and nesting, counted in the tensors that forward uses."""

from __future__ import annotations

from typing import Any

from ..analysis.samples import exactly
from ..config import RunConfig, build
from ..engine.loop import run
from ..engine.state import RunState
from ..events import Pruned, SegmentDone
from ..planning.plan import plan
from .experiment import Finding, Lab, Part, about

NUMBER, TITLE = 1, "Exact density, nested masks"
CASES = (("snip", "global"), ("magnitude", "global"), ("magnitude", "erk"), ("grasp", "layer"))


def measure(lab: Lab) -> Finding:
    """Whole APP runs, inspected after every segment."""
    cases = CASES[:2] if lab.is_quick else CASES
    configs = [_config(lab, pruner, scope, seed) for pruner, scope in cases for seed in lab.repeats(2)]
    looks = lab.each(_look, [config.model_dump(mode="json") for config in configs])
    points, segments = sum(len(found) for found, _, _ in looks), sum(after for _, _, after in looks)
    wrong = sum(not found for all_found, _, _ in looks for found, _ in all_found)
    returned = sum(not nested for all_found, _, _ in looks for _, nested in all_found)
    leaks = sum(leaked for _, leaked, _ in looks)
    return Finding(
        NUMBER,
        TITLE,
        "At each megabatch t exactly round(d_t * n) weights are kept, d_t = 0.8 ** delta_t, and no pruned weight returns.",
        "Algorithm of arXiv 2204.01640",
        f"{about(configs[0], 'tau')}; {', '.join(f'{pruner} by scope {scope}' for pruner, scope in cases)}; "
        f"{len(lab.repeats(2))} seed(s) each",
        (
            Part("round(d_t * n) weights kept", f"{points - wrong} of {points} prune points", exactly(not wrong), True),
            Part(
                "the mask of t is a subset of that of t - 1", f"{points - returned} of {points} prune points", exactly(not returned), True
            ),
            Part("removed weights are 0 in the live tensors", f"{segments - leaks} of {segments} segments", exactly(not leaks), True),
        ),
    )


def _config(lab: Lab, pruner: str, scope: str, seed: int) -> RunConfig:
    size = {"arch": "mlp"} if lab.is_quick else {"arch": "resnet20", "image_size": 16}
    small = {"limit_train": 400, "limit_test": 50, "megabatches": 8, "epochs": 1, "tau": 4.5, "lr": 0.05, "batch_size": 32}
    return lab.config(**size, **small, pruner=pruner, scope=scope, seed=seed)


def _look(lab: Lab, settings: dict[str, Any]) -> tuple[list[tuple[bool, bool]], int, int]:
    """([(count is exact, mask is nested) at each prune point], segments after which a removed weight was not 0, segments)."""
    config = build(settings)
    lab.say(f"app {config.pruner} by {config.scope}, seed {config.seed}")
    state, found, leaked, segments = RunState.create(config), [], 0, 0
    before = {name: mask.clone() for name, mask in state.masks.items()}
    total = sum(mask.numel() for mask in before.values())
    for event in run(state, plan(config)):
        if isinstance(event, Pruned):
            last = config.megabatches - 1
            named = 0.8 ** (1 + (config.tau - 1) * event.megabatch / last)  # the paper's formula, not the schedule's code
            kept = sum(int(mask.sum()) for mask in state.masks.values())
            nested = not any(bool((mask & ~before[name]).any()) for name, mask in state.masks.items())
            found.append((kept == round(named * total), nested))
            before = {name: mask.clone() for name, mask in state.masks.items()}
        if isinstance(event, SegmentDone):
            segments += 1
            leaked += any(bool(state.model.get_parameter(name)[~mask].any()) for name, mask in state.masks.items())
    return found, leaked, segments
