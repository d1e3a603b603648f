"""The numbers of a selection, without torch: how many weights each layer keeps where its share is fixed beforehand (scopes layer and
erk, and densities given for each layer), what weights cost (scope flops), and how many are removed as one (the setting `granularity`)."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .errors import InputError

WEIGHT = "weight"
GRANULARITIES = (WEIGHT, "kernel", "filter", "channel", "2:4", "4x4")  # what forms offer
N_OF_M = r"([1-9]\d{0,3}):([1-9]\d{0,3})"
_BLOCK = r"([1-9]\d{0,3})x([1-9]\d{0,3})"
FLOPS = "flops"  # the scope that ranks over the whole network, and whose densities are shares of its FLOPs
_LISTED = 8  # names of layers in a message


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


def remark(granularity: str, scope: str, densities: Sequence[str]) -> str:
    """What to know of groups of different sizes that are ranked over the whole network, by the sum of their scores; else empty."""
    if granularity not in ("kernel", "filter", "channel") or scope not in ("global", FLOPS) or densities:
        return ""
    return (
        f"Over the whole network the sum of scores favours the largest {granularity}s, and a small layer can lose all of its own, so that "
        "nothing passes; with scope layer each layer keeps the same share."
    )


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


def counts_weights(settings: Mapping[str, Any]) -> bool:
    """Whether by these settings a density is the share of all weights that is kept: not where each layer has one of its own, or FLOPs are
    counted."""
    return not (settings.get("densities") or settings.get("scope") == FLOPS)


@dataclass(frozen=True)
class Costs:
    """FLOPs of a forward pass of one image: `total` of the dense network, and `each` weight's in the layers that may be pruned.

    A weight of a convolution is multiplied once for every output position, so weights of early layers cost more.
    """

    total: int
    each: Mapping[str, int]

    def of(self, counts: Mapping[str, int]) -> int:
        """What so many weights of each layer cost."""
        return sum(self.each[name] * count for name, count in counts.items())

    def share(self, kept: Mapping[str, int], sizes: Mapping[str, int]) -> float:
        """The share of all FLOPs that is left where so many of the weights of each layer are kept."""
        return (self.total - self.of(sizes) + self.of(kept)) / self.total

    def budget(self, share: float, sizes: Mapping[str, int]) -> int:
        """What the weights of these layers may cost together where at most `share` of all FLOPs is to be left.
        InputError where all else costs more than that."""
        others = self.total - self.of(sizes)
        left = math.floor(Fraction(str(float(share))) * self.total) - others  # 0.29 * 100 as floats is less than 29
        if left < 0:
            raise InputError(
                f"scope: {100 * share:.3g} % of the FLOPs cannot be reached, because what is not pruned costs "
                f"{100 * others / self.total:.3g} % of them; leave more, or let more layers be pruned (prunable all, fewer exempt)",
                "scope",
            )
        return left


def by_layer(given: Mapping[str, object] | Iterable[object] | str) -> dict[str, float]:
    """{layer: density} from a mapping, or from entries such as "conv1=0.5" (of a list, or divided by commas), by names without ".weight",
    sorted. ValueError for what is no name, or no density above 0 and at most 1."""
    entries = given.split(",") if isinstance(given, str) else given
    pairs = list(given.items()) if isinstance(given, Mapping) else [_pair(entry) for entry in entries if str(entry).strip()]
    found: dict[str, float] = {}
    for key, value in pairs:
        name = str(key).strip().removesuffix(".weight")
        if not isinstance(key, str) or not name or not name.isprintable() or {",", ";", "="} & set(name):
            raise ValueError(f"{str(key)[:60]!r} is no name of a layer; write for example conv1=0.5")
        if name in found:
            raise ValueError(f"{name[:60]!r} has two densities; give one")
        found[name] = _density(name, value)
    return dict(sorted(found.items()))


def _pair(entry: object) -> tuple[str, str]:
    name, equals, value = str(entry).partition("=")
    if not equals:
        raise ValueError(f"{str(entry)[:60]!r} says no density; write for example conv1=0.5")
    return name, value


def _density(name: str, value: object) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 < number <= 1:
        raise ValueError(
            f"{name[:60]}={' '.join(str(value)[:40].split())} is no share of weights kept; give one above 0 and at most 1, e.g. 0.1 for "
            "90 % sparsity"
        )
    return number


def fitted(densities: Mapping[str, float], weights: Sequence[str], field: str = "densities") -> dict[str, float]:
    """A density for each of these weights: the given one of its layer, and 1 for layers that were left out. InputError for a layer that is
    not among them."""
    layers = {name.removesuffix(".weight"): name for name in weights}
    found = dict.fromkeys(weights, 1.0)
    for name, density in densities.items():
        if name not in layers:
            near = difflib.get_close_matches(name[:100], layers, n=3, cutoff=0.6)
            there = ", ".join([*list(layers)[:_LISTED], *(["..."] if len(layers) > _LISTED else [])])
            remedy = f"did you mean {' or '.join(near)}?" if near else f"there are {there}"
            raise InputError(f"{field}: {name[:60]!r} is no layer that is pruned here (see prunable and exempt); {remedy}", field)
        found[layers[name]] = density
    return found


def on_the_way(end: Mapping[str, float], density: float, final: float) -> dict[str, float]:
    """The densities of layers that end at `end`, at the point of a schedule where it asks for `density` and ends at `final`.

    Each layer is as far on its way as the schedule, in rounds that remove the same share of what is left: end ** (log density / log final).
    """
    if final >= 1 or density <= final * (1 + 1e-9):
        return dict(end)
    share = math.log(density) / math.log(final)
    return {name: value**share for name, value in end.items()}


def between(start: Mapping[str, float], end: Mapping[str, float], share: float) -> dict[str, float]:
    """The densities of layers a share of the way from `start` to `end`, by equal ratios; what is below its end already stays there."""
    found = {}
    for name, last in end.items():
        first = start[name]
        found[name] = first * (last / first) ** share if first > last else first
    return found
