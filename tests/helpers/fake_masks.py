"""Stored masks for made-up runs: a network of three small layers whose masks shrink at each prune point, with one filter that empties."""

from __future__ import annotations

from typing import Any

import fake_runs
import numpy as np

from appcore import paths
from appcore.config import build
from appcore.planning import plan
from appcore.storage import checkpoint
from appcore.storage.store import Store

SHAPES = {"conv1.weight": (8, 3, 3, 3), "conv2.weight": (16, 8, 3, 3), "fc.weight": (10, 32)}


def at(density: float, seed: int, regrown: bool = False) -> dict[str, np.ndarray]:
    """Nested masks of about this density, the same draw for every density; `regrown` moves some of the weights."""
    draw = np.random.default_rng(seed)
    masks = {name: draw.random(shape) < density for name, shape in SHAPES.items()}
    if regrown:
        masks["conv2.weight"] = np.roll(masks["conv2.weight"], 1, axis=0)
    if density < 0.5:
        masks["conv1.weight"][2] = False
    return masks


def write(store: Store, *, until: int | None = None, status: str = "done", regrown: bool = False, **settings: Any) -> str:
    """A made-up run with its mask files; `regrown`: every second mask brings weights back."""
    run_id = fake_runs.write(store, until=until, status=status, **settings)
    config = build(store.get(run_id)["config"])
    folder = paths.run_folder(store.folder, run_id)
    points = [segment for segment in plan.plan(config)[:until] if segment.kind == "prune"]
    for number, segment in enumerate(points):
        masks = at(segment.density, len(config.pruner), regrown and number % 2 == 1)
        checkpoint.save_masks(paths.masks(folder, segment.index), masks)
    return run_id
