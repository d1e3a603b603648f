"""Whose turn it is among the users who wait: nobody's many runs hold up somebody's few. Knows no runs."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import count


def fair_order(owners: Sequence[str], training: Mapping[str, int], served: Mapping[str, int]) -> Iterator[int]:
    """The places of jobs in the order in which they should begin, given the owners of all that wait, each one's in the order wanted.

    Next is a job of who has the fewest that train (`training`, by owner), then of who was served longest ago (`served`: when, by owner, as
    a growing number; who never was comes first), then the one that came first.
    """
    lines: dict[str, deque[int]] = {}
    for place, owner in enumerate(owners):
        lines.setdefault(owner, deque()).append(place)
    heads = [(training.get(owner, 0), served.get(owner, 0), line[0], owner) for owner, line in lines.items()]
    heapq.heapify(heads)
    turns = count(max(served.values(), default=0) + 1)
    while heads:
        trains, _, place, owner = heads[0]
        lines[owner].popleft()
        yield place
        if lines[owner]:
            heapq.heapreplace(heads, (trains + 1, next(turns), lines[owner][0], owner))
        else:
            heapq.heappop(heads)
