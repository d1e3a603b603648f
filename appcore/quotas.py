"""How many weights each layer keeps where the share of a layer is fixed beforehand (scopes layer and erk). Whole numbers, no torch."""

from __future__ import annotations

import math


def quotas(shapes: dict[str, tuple[int, ...]], keep: int, scope: str, caps: dict[str, int]) -> dict[str, int]:
    """How many weights each layer keeps under scope layer (same share) or erk, summing to `keep` exactly.

    ERK (Evci et al., arXiv 1911.11134; Mocanu et al., 1707.04780): density of a layer proportional to sum(shape) / prod(shape).
    What a layer cannot take (`caps`) goes to the others in the same proportion.
    """
    # Whole numbers throughout: a share is left * weight / open_weight, and its floor and remainder are exact.
    weight = {name: sum(shape) if scope == "erk" else math.prod(shape) for name, shape in shapes.items()}
    left, open_layers, taken = min(keep, sum(caps.values())), list(shapes), dict(caps)
    while True:
        open_weight = sum(weight[name] for name in open_layers)
        overfull = [name for name in open_layers if left * weight[name] > caps[name] * open_weight]
        if not overfull:
            break
        left -= sum(caps[name] for name in overfull)
        open_layers = [name for name in open_layers if name not in overfull]
    taken |= {name: left * weight[name] // open_weight for name in open_layers}
    by_remainder = sorted(open_layers, key=lambda name: -(left * weight[name] % open_weight))
    for name in by_remainder[: left - sum(taken[name] for name in open_layers)]:
        taken[name] += 1
    return taken


def boundary(shapes: dict[str, tuple[int, ...]], scope: str, caps: dict[str, int]) -> tuple[str, int]:
    """(layer, count): with `count` weights kept every layer has one, with one fewer this layer has none; found by bisection."""
    enough, too_few = sum(caps.values()), 0
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if min(quotas(shapes, middle, scope, caps).values()) > 0:
            enough = middle
        else:
            too_few = middle
    taken = quotas(shapes, too_few, scope, caps)
    return next(name for name in shapes if taken[name] == 0), enough
