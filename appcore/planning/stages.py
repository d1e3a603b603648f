"""The stages of a run: its megabatches, or its rounds where a method trains a megabatch several times. Free of torch.

A stage is one training from its first epoch to its last, with the prune point that opens it and the test that ends it. Stages are the axis
on which a run is read. A round is counted by the rounds of pruning before it, so round 0 trains the dense network.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..config import RunConfig, build
from ..methods.base import Segment
from .plan import plan

Place = tuple[int, int]  # megabatch and round of a stage, both from 0


@dataclass(frozen=True)
class Stages:
    """The stages of a plan in order of time: the place of each, its epochs, and the stage that each segment belongs to."""

    places: tuple[Place, ...]
    epochs: tuple[int, ...]
    of_segments: np.ndarray
    fresh: frozenset[int] = frozenset()  # stages that begin, after a prune point, from fresh initial values

    @property
    def are_rounds(self) -> bool:
        """Whether a megabatch is trained more than once."""
        return any(number for _, number in self.places)

    @property
    def labels(self) -> list[str]:
        """What stands at each stage on an axis."""
        return named(self.places)[1]

    @property
    def word(self) -> str:
        """What a stage is called: megabatch, round, or both."""
        return named(self.places)[0]

    @property
    def last(self) -> np.ndarray:
        """The last stage of each megabatch."""
        return np.array([place for place, (megabatch, _) in enumerate(self.places) if self._ends(place, megabatch)], dtype=int)

    def _ends(self, place: int, megabatch: int) -> bool:
        return place + 1 == len(self.places) or self.places[place + 1][0] != megabatch

    def at(self, row: Mapping[str, Any]) -> int:
        """The stage (from 0) of one row with `segment` and `megabatch`."""
        if not self.are_rounds:
            return int(row["megabatch"])
        return int(self.of_segments[min(int(row["segment"] or 0), len(self.of_segments) - 1)])

    def of(self, rows: Any) -> np.ndarray:
        """The stage (from 0) of each row of a table with `segment` and `megabatch`."""
        if not self.are_rounds:
            return rows["megabatch"].to_numpy(dtype=int)
        return self.of_segments[np.clip(rows["segment"].to_numpy(dtype=int), 0, len(self.of_segments) - 1)]


def named(places: Sequence[Place]) -> tuple[str, list[str]]:
    """The name of the axis on which these stages stand, and the label of each."""
    if not any(number for _, number in places):
        return "megabatch", [str(megabatch + 1) for megabatch, _ in places]
    if not any(megabatch for megabatch, _ in places):
        return "round", [str(number) for _, number in places]
    return "megabatch · round", [f"{megabatch + 1}·{number}" for megabatch, number in places]


def axis_of(runs: Sequence[Mapping[str, Any]]) -> list[Place]:
    """The stages on which all of these runs stand; their megabatches where the stages are of different kinds."""
    places = shared(of_run(run) for run in runs)
    return list(places) if places else [(t, 0) for t in range(max((run["config"]["megabatches"] for run in runs), default=1))]


def in_words(place: Place, word: str) -> str:
    """A stage in a sentence: megabatch 2, round 3."""
    megabatch, number = place
    parts = {"megabatch": f"megabatch {megabatch + 1}", "round": f"round {number}"}
    return parts.get(word) or ", ".join(parts.values())


def of_run(run: Mapping[str, Any]) -> Stages:
    """The stages of a run, from its settings; its megabatches where these name a plug-in that is not here."""
    return _of_text(json.dumps(run["config"], sort_keys=True))


@lru_cache(maxsize=64)
def _of_text(config: str) -> Stages:
    values = json.loads(config)
    try:
        return of_config(build(values))
    except ValueError:
        count = values["megabatches"]
        return Stages(tuple((megabatch, 0) for megabatch in range(count)), (values["epochs"],) * count, np.zeros(1, dtype=np.int32))


def of_config(config: RunConfig) -> Stages:
    """The stages of a run with these settings."""
    return of_plan(plan(config))


def of_plan(segments: Sequence[Segment]) -> Stages:
    """The stages of a plan. A prune point opens the training that follows it in its megabatch, and a test ends the last one."""
    places = list(dict.fromkeys((segment.megabatch, segment.round) for segment in segments if segment.kind == "epoch"))
    number = {place: index for index, place in enumerate(places)}
    epochs, of_segments, fresh = [0] * len(places), np.zeros(len(segments), dtype=np.int32), set()
    following: dict[int, int] = {}  # the stage of the next epoch in each megabatch, going backwards
    for index in range(len(segments) - 1, -1, -1):
        segment = segments[index]
        if segment.kind == "epoch":
            following[segment.megabatch] = number[segment.megabatch, segment.round]
            epochs[following[segment.megabatch]] += 1
        stage = following.get(segment.megabatch)
        of_segments[index] = _last_of(segment.megabatch, places) if stage is None else stage
        if segment.detail == "reinit":
            fresh.add(int(of_segments[index]))
    return Stages(tuple(places), tuple(epochs), of_segments, frozenset(fresh))


def _last_of(megabatch: int, places: Sequence[Place]) -> int:
    return max((index for index, place in enumerate(places) if place[0] == megabatch), default=0)


def tested(segments: Iterable[Segment]) -> frozenset[int]:
    """The segments after which a round is over that another round of its megabatch follows; the last is tested with its megabatch."""
    ends: dict[Place, int] = {}
    for segment in segments:
        if segment.kind == "epoch":
            ends[segment.megabatch, segment.round] = segment.index
    last = {place[0]: place for place in ends}
    return frozenset(index for place, index in ends.items() if last[place[0]] != place)


def shared(several: Iterable[Stages]) -> tuple[Place, ...] | None:
    """The stages of an axis on which all of these runs stand, each from its beginning; None where their stages are of different kinds."""
    known = [stages.places for stages in several]
    longest = max(known, key=len, default=())
    return longest if all(longest[: len(places)] == places for places in known) else None
