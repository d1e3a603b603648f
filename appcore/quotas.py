"""The whole numbers of a selection, without torch: how many weights each layer keeps where its share is fixed beforehand (scopes layer
and erk), and how many are removed as one (the setting `granularity`)."""

from __future__ import annotations

import math
import re

WEIGHT = "weight"
GRANULARITIES = (WEIGHT, "kernel", "filter", "channel", "2:4", "4x4")  # what forms offer
N_OF_M = r"([1-9]\d{0,3}):([1-9]\d{0,3})"
_BLOCK = r"([1-9]\d{0,3})x([1-9]\d{0,3})"


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


def check_granularity(granularity: str) -> None:
    """ValueError unless this is a granularity."""
    if granularity in GRANULARITIES or re.fullmatch(_BLOCK, granularity):
        return
    bound = re.fullmatch(N_OF_M, granularity)
    if bound is None:
        raise ValueError(
            f"{granularity[:40]!r} is unknown; choose weight, kernel, filter, channel, N:M such as 2:4 (at most 2 of every 4 inputs), or a "
            "block such as 4x4 (outputs x inputs)"
        )
    if int(bound[1]) >= int(bound[2]):
        raise ValueError(f"{granularity} leaves everything; choose fewer than {bound[2]} of every {bound[2]}, such as 2:4")


def block(granularity: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """(outputs, inputs) of a group in a weight of this shape, [outputs, inputs, *kernel]; a group has all of each of its kernels.

    Where a filter reads one channel only (grey images, depthwise convolutions), a channel would be the whole layer: there it is a filter.
    """
    outputs, inputs = shape[:2]
    if granularity == "kernel":
        return 1, 1
    if granularity == "filter" or (granularity == "channel" and inputs == 1):
        return 1, inputs
    if granularity == "channel":
        return outputs, 1
    height, width = map(int, granularity.split("x"))
    return height, width
