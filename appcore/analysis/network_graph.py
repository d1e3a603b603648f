"""The graph of a network as the rows of a drawing, from the images down to the classes: boxes, what is left in them, arcs past rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FOLD_FROM = 60  # rows; a network with more of them is folded unless it is asked for whole
_LONGEST_PERIOD = 24  # rows of a block that may repeat
LANES = 7  # arcs beside each other at most; further ones share the last lane


@dataclass(frozen=True)
class Left:
    """What is left of a layer: kept and alive weights, and output channels (filters) without an alive one, None where nobody counted."""

    kept: int
    alive: int
    dead: int | None = None


@dataclass(frozen=True)
class Row:
    """A row of the drawing: a layer, several folded blocks of layers, the images, or a place where outputs meet.

    `layers` are the names of its weights; `left` is None for a layer that is not pruned, or not known yet. `inputs` are earlier rows.
    """

    kind: str
    layers: tuple[str, ...]
    total: int
    filters: int
    shape: tuple[int, ...]
    output: tuple[int, ...]
    inputs: tuple[int, ...]
    left: Left | None = None
    blocks: int = 1


@dataclass(frozen=True)
class Arc:
    """A connection that passes rows by, in a lane beside them; 0 is the nearest."""

    start: int
    end: int
    lane: int


@dataclass
class _Node:
    kind: str
    name: str = ""
    shape: tuple[int, ...] = ()
    inputs: tuple[int, ...] = ()
    output: tuple[int, ...] = ()
    members: list[_Node] = field(default_factory=list)

    @property
    def total(self) -> int:
        return math.prod(self.shape) if self.shape else 0


def is_drawn_whole(started: Mapping[str, Any]) -> bool:
    """Whether a run has recorded how its layers are connected; earlier versions did not."""
    return bool(started.get("graph"))


def rows(started: Mapping[str, Any], left: Mapping[str, Left], *, fold: bool = False) -> list[Row]:
    """The rows for the Started event of a run; without a graph a plain chain of the layers that can be pruned."""
    nodes = _nodes(started)
    groups = _repeats(nodes) if fold else [(place, 1, 1) for place in range(len(nodes))]
    row_of: dict[int, int] = {}
    for number, (start, period, blocks) in enumerate(groups):
        row_of.update((place, number) for place in range(start, start + period * blocks))
    found = []
    for number, (start, period, blocks) in enumerate(groups):
        members = nodes[start : start + period * blocks]
        inputs = {row_of[place] for node in members for place in node.inputs}
        found.append(_row(members, tuple(sorted(inputs - {number})), left, blocks))
    return found


def _nodes(started: Mapping[str, Any]) -> list[_Node]:
    """The nodes as recorded. They may come from a file, so inputs that are not earlier nodes are left out."""
    shape = tuple(started.get("image_shape") or ())
    graph = started.get("graph")
    if not graph:
        layers = started.get("layers") or ()
        chain = [_Node("layer", layer["name"], tuple(layer["shape"]), (place,)) for place, layer in enumerate(layers)]
        return [_Node("images", output=shape), *chain]
    found = []
    for place, node in enumerate(graph):
        inputs = tuple(one for one in node["inputs"] if 0 <= one < place)
        found.append(_Node(node["kind"], node["name"], tuple(node["shape"]), inputs, tuple(node["output"])))
    return found


def _row(members: Sequence[_Node], inputs: tuple[int, ...], left: Mapping[str, Left], blocks: int) -> Row:
    layers = [node for node in members if node.kind == "layer"]
    known = [left[node.name] for node in layers if node.name in left]
    summed = None
    if known and len(known) == len(layers):
        dead = [one.dead for one in known if one.dead is not None]
        every = sum(dead) if len(dead) == len(known) else None
        summed = Left(sum(one.kept for one in known), sum(one.alive for one in known), every)
    return Row(
        kind="layer" if layers else members[0].kind,
        layers=tuple(node.name for node in layers),
        total=sum(node.total for node in layers),
        filters=sum(node.shape[0] for node in layers if node.shape),
        shape=layers[0].shape if len(layers) == 1 else (),
        output=members[-1].output,
        inputs=inputs,
        left=summed,
        blocks=blocks,
    )


def _repeats(nodes: Sequence[_Node]) -> list[tuple[int, int, int]]:
    """(start, period, repetitions) that cover all nodes: what repeats at once, with the same connections and filters, is one group.

    Inputs may grow from block to block, as in DenseNet.
    """
    seen = [(node.kind, node.shape[:1], node.shape[2:], tuple(place - one for one in node.inputs)) for place, node in enumerate(nodes)]
    found, at = [], 0
    while at < len(nodes):
        best = (1, 1)
        for period in range(2, _LONGEST_PERIOD + 1):
            times = 1
            while seen[at + times * period : at + (times + 1) * period] == seen[at : at + period]:
                times += 1
            if times > 1 and period * times > best[0] * best[1]:
                best = (period, times)
        found.append((at, *best))
        at += best[0] * best[1]
    return found


def arcs(drawn: Sequence[Row]) -> list[Arc]:
    """Connections between rows that are not neighbours; those that overlap lie in different lanes, the shorter ones nearer."""
    wanted = sorted(((one, place) for place, row in enumerate(drawn) for one in row.inputs if place - one > 1), key=_length)
    taken: list[list[tuple[int, int]]] = [[] for _ in range(LANES)]
    found = []
    for start, end in wanted:
        free = (lane for lane in range(LANES) if all(end <= other[0] or start >= other[1] for other in taken[lane]))
        lane = next(free, LANES - 1)
        taken[lane].append((start, end))
        found.append(Arc(start, end, lane))
    return sorted(found, key=lambda arc: (arc.start, arc.end))


def _length(ends: tuple[int, int]) -> tuple[int, int]:
    return ends[1] - ends[0], ends[0]


def width(row: Row, drawn: Iterable[Row]) -> float:
    """The width of a box as a share of the widest: the square root of the weights, or the first layers could not be seen."""
    return math.sqrt(row.total / max(max(other.total for other in drawn), 1))


def dead_filters(shapes: Mapping[str, Sequence[int]], collapsed: Mapping[str, int] | None, layer: str) -> int | None:
    """Output channels of a layer without an alive weight, as a prune point counted them; None where it did not."""
    if collapsed is None or layer not in shapes:
        return None
    return min(int(collapsed.get(layer, 0)), int(shapes[layer][0]))
