"""The numbers that a lesson may speak of: which recording, which measure. They are looked up when the lesson is shown, seed by seed
(`service/lessons.py`). In a text `{name}` is "mean ± sd unit"; `{name.mean}`, `{name.low}`, `{name.high}`, `{name.interval}`,
`{name.seeds}`, `{name.says}` are its parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from ..analysis.samples import Sample


@dataclass(frozen=True)
class Playground:
    """What the playground gave, from the numbers that `python benchmarks/spiral.py` keeps of each seed."""

    key: str  # e.g. "snip 0.1", without the seed
    field: str = "accuracy"


@dataclass(frozen=True)
class Timed:
    """A row of what `python -m appcore bench` measured, as it lies in the repository: one value for each pair that was timed."""

    row: str


@dataclass(frozen=True)
class Recorded:
    """A measure of `analysis/measures.py` of the recorded runs, at one megabatch (from 0, -1: the last) or, without, of the whole run."""

    recording: str
    measure: str
    megabatch: int | None = None


@dataclass(frozen=True)
class Kept:
    """The share that the recorded runs keep of a layer (from 0, the first) after the cut of one megabatch (-1: the last)."""

    recording: str
    layer: int = 0
    megabatch: int = -1


@dataclass(frozen=True)
class Setting:
    """A setting of the recorded runs."""

    recording: str
    name: str


@dataclass(frozen=True)
class Images:
    """Training images of the whole stream that the plan of these settings counts, without a run."""

    settings: Mapping[str, Any]


@dataclass(frozen=True)
class RunsEmpty:
    """How much of a network is left, in percent of its weights, when a single cut takes the last weight of the first whole layer: by the
    scores of a criterion that come with the program (`SCORED` of recordings/catalog.py), for the network at its initial values."""

    network: str
    criterion: str


@dataclass(frozen=True)
class Of:
    """A number of the lesson by its name."""

    name: str


@dataclass(frozen=True)
class Less:
    """The difference of two numbers, seed by seed; its 95 % interval decides whether the first is larger."""

    first: Quantity
    second: Quantity


@dataclass(frozen=True)
class Times:
    """The first number as a multiple of the second, seed by seed."""

    first: Quantity
    second: Quantity


Quantity: TypeAlias = Playground | Timed | Recorded | Kept | Setting | Images | RunsEmpty | Of | Less | Times

HOLDS, UNDECIDED, FAILS = "holds", "undecided", "fails"  # what an interval says of "more than 0": above it, around it, below it


@dataclass(frozen=True)
class Number:
    """A number that was measured, by seed, in its unit."""

    by_seed: Mapping[int, float]
    unit: str = ""
    digits: int = 1
    is_difference: bool = False
    limits: tuple[float, float] = (-math.inf, math.inf)
    each: str = "seed"  # what there is one value of
    is_exact: bool = False  # counted, not measured

    @cached_property
    def sample(self) -> Sample:
        return Sample.of(self.by_seed[seed] for seed in sorted(self.by_seed))

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """The 95 % interval of the mean; the value itself where all seeds agree, as in what is counted."""
        is_known = self.is_exact or (len(self.by_seed) > 1 and not self.sample.sd)
        return (self.sample.mean, self.sample.mean) if is_known else self.sample.interval(*self.limits)

    @property
    def has_interval(self) -> bool:
        """Whether anything is known of its spread: nothing is of one seed."""
        return self.is_exact or len(self.by_seed) > 1

    @property
    def verdict(self) -> str:
        """What the interval says of "more than 0"."""
        low, high = self.bounds
        return HOLDS if low > 0 else FAILS if high < 0 else UNDECIDED

    @property
    def mean(self) -> str:
        return self._with_unit(self._text(self.sample.mean))

    @property
    def low(self) -> str:
        return self._with_unit(self._text(self.bounds[0]))

    @property
    def high(self) -> str:
        return self._with_unit(self._text(self.bounds[1]))

    @property
    def interval(self) -> str:
        """The 95 % interval in words."""
        if not self.has_interval:
            return f"unknown from one {self.each}"
        return self._with_unit(f"{self._text(self.bounds[0])} to {self._text(self.bounds[1])}")

    @property
    def seeds(self) -> str:
        """How many there are, in words."""
        return f"{len(self.by_seed)} {self.each}" + "s" * (len(self.by_seed) != 1)

    @property
    def says(self) -> str:
        """A difference with its interval, and what that decides."""
        if len(self.by_seed) < 2:
            return f"{self.mean} with one {self.each}, which decides nothing"
        decides = {
            HOLDS: "the interval lies above zero: **this holds here**",
            FAILS: "the interval lies below zero: **the opposite holds here**",
            UNDECIDED: "the interval holds zero: **undecided**",
        }
        return f"{self.mean} (95\u00a0%: {self.interval}, {self.seeds}); {decides[self.verdict]}"

    def __str__(self) -> str:
        """mean ± sd with the unit; without ± where all seeds agree, or there is one."""
        spread = f"\u00a0±\u00a0{self.sample.sd:,.{self.digits}f}" if self.sample.sd else ""
        return self._with_unit(f"{self._text(self.sample.mean)}{spread}")

    def _text(self, value: float) -> str:
        return f"{value:{'+' if self.is_difference else ''},.{self.digits}f}"

    def _with_unit(self, text: str) -> str:
        return f"{text}\u00a0{self.unit}" if self.unit else text


def is_above(one: Number, other: Number) -> bool:
    """Whether the 95 % interval of the differences, seed by seed, says that `one` is larger; where no two seeds are common, the means."""
    common = sorted(one.by_seed.keys() & other.by_seed.keys())
    if len(common) < 2:
        return one.sample.mean > other.sample.mean
    return Sample.of(one.by_seed[seed] - other.by_seed[seed] for seed in common).interval()[0] > 0
