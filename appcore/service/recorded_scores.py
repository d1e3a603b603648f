"""Scores of networks at their initial values that come with the program, so that What if can answer before anything is computed.

A file holds the sketch of one criterion (see analysis/what_if) without what follows from it: layers as JSON, and the scores as the float32
numbers that torch computed, so nothing is lost.
"""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis import what_if
from ..config import RunConfig
from ..recordings import catalog, shipped

_FACTS = ("parameters", "forward_flops", "density", "megabatch", "cursor")


def find(config: RunConfig, criterion: str, irrelevant: tuple[str, ...], folder: Path = shipped.FOLDER) -> dict[str, Any] | None:
    """The sketch of a network by a criterion, where it is there. Settings that are `irrelevant` to scores may be others."""
    wanted = _key(config, irrelevant)
    for known in catalog.SCORED:
        path = shipped.scores(known.name, criterion, folder)
        if criterion in known.criteria and _key(known.config, irrelevant) == wanted and path.exists():
            return read(path)
    return None


def _key(config: RunConfig, irrelevant: tuple[str, ...]) -> str:
    return json.dumps(config.model_dump(mode="json", exclude=set(irrelevant)), sort_keys=True)


def packed(sketch: dict[str, Any]) -> bytes:
    """The content of a file."""
    target, about = io.BytesIO(), {"layers": sketch["layers"], **{name: sketch[name] for name in _FACTS}}
    scores = np.concatenate(sketch["scores"]).astype(np.float32)
    np.savez_compressed(target, about=np.array(json.dumps(about)), scores=scores)
    return target.getvalue()


@cache
def read(path: Path) -> dict[str, Any]:
    """The sketch of a file."""
    with np.load(path, allow_pickle=False) as found:
        about, scores = json.loads(str(found["about"])), found["scores"].astype(np.float64)
    eligible = [layer["eligible"] for layer in about["layers"]]
    ranks = [what_if.positions(count) for count in eligible]
    parts = np.split(scores, np.cumsum([len(places) for places in ranks])[:-1])
    layers = [{**layer, "shape": tuple(layer["shape"])} for layer in about["layers"]]
    return {**about, "layers": layers, "ranks": ranks, "scores": parts, "order": what_if.ordered(ranks, parts, eligible)}
