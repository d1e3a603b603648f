"""Sketches of scores from nowhere."""

from __future__ import annotations

import numpy as np
import torch

from appcore.analysis import what_if


def sketched(scores: dict[str, torch.Tensor]) -> dict:
    """A sketch as the engine's half makes it, of scores from nowhere."""
    layers, ranks, values = [], [], []
    for name, score in scores.items():
        flat = score.reshape(-1).sort(descending=True).values.numpy().astype(np.float64)
        places = what_if.positions(len(flat))
        layers.append({"name": name, "shape": tuple(score.shape), "total": len(flat), "eligible": len(flat), "flops": 10 * len(flat)})
        ranks.append(places)
        values.append(flat[places])
    order = what_if.ordered(ranks, values, [layer["eligible"] for layer in layers])
    total = sum(layer["total"] for layer in layers)
    return {"layers": layers, "ranks": ranks, "scores": values, "order": order, "parameters": total + 10, "forward_flops": 10 * total + 100}


FOUR = sketched({"a": torch.tensor([4.0, 3.0]), "b": torch.tensor([2.0, 1.0])})


def random_scores(sizes: tuple[int, ...], signed: bool = False) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    found = {f"l{i}": torch.randn(size, generator=draw).exp() * 0.3**i for i, size in enumerate(sizes)}
    return {name: score * torch.randn(score.shape, generator=draw).sign() for name, score in found.items()} if signed else found
