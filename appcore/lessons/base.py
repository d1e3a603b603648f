"""The contract of a lesson file: two literals, and a function that says what is on each step.

    CHOICES = {"first-layer": "Who prunes the first layer?"}    # its name and title
    NUMBER = {"first-layer": 3}    # its place and its address, ?lesson=3; 0, or none, ?lesson=first-layer, before or after them
    def lesson() -> Lesson: ...

A lesson is data and short texts. Numbers stand in braces and are filled in from recordings (`numbers.py`); a text that depends on them is
a `Depends`. A question (`questions.py`) keeps what its step says afterwards covered until it is answered or skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .numbers import (
    FAILS,
    HOLDS,
    UNDECIDED,
    Images,
    Kept,
    Less,
    Number,
    Of,
    Playground,
    Quantity,
    Recorded,
    RunsEmpty,
    Setting,
    Timed,
    Times,
)
from .questions import SURE, Choice, Curve, Item, Option, Order, Point, Question

__all__ = [
    "FAILS",
    "HOLDS",
    "SURE",
    "UNDECIDED",
    "Chart",
    "Choice",
    "Curve",
    "Depends",
    "Images",
    "Item",
    "Kept",
    "Less",
    "Lesson",
    "Link",
    "Number",
    "Of",
    "Option",
    "Order",
    "Play",
    "Playground",
    "Point",
    "Quantity",
    "Question",
    "Recorded",
    "RunsEmpty",
    "Setting",
    "Sketch",
    "Step",
    "Text",
    "Timed",
    "Times",
]


@dataclass(frozen=True)
class Depends:
    """A text that depends on what the interval of a difference says."""

    of: str
    holds: str
    undecided: str
    fails: str


Text: TypeAlias = str | Depends


@dataclass(frozen=True)
class Play:
    """The playground, as its address describes it: data, net, crit, do, ... (`ui/playground/address.js`)."""

    address: str


@dataclass(frozen=True)
class Chart:
    """A chart of the product, by its name in `ui/lessons/figures.py`, of recordings, of the lesson's numbers, or of settings."""

    kind: str
    recordings: tuple[str, ...] = ()
    numbers: tuple[tuple[str, str], ...] = ()  # (label, name of a number)
    settings: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    megabatch: int = -1


@dataclass(frozen=True)
class Sketch:
    """Of the page What if: when each layer of a network runs empty, by scores that come with the program (`SCORED` of
    recordings/catalog.py), and which are empty where `density` of all its weights is kept."""

    network: str
    criteria: tuple[str, ...]
    density: float


Figure: TypeAlias = Play | Chart | Sketch


@dataclass(frozen=True)
class Link:
    """A way to try it for real: a page of the product, and what stands in its address. On the form these are settings."""

    label: str
    page: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    recordings: tuple[str, ...] = ()  # whose runs the page is about


@dataclass(frozen=True)
class Step:
    """One to five sentences, a figure, and maybe a question; `why` is said when it was answered or skipped."""

    text: Text
    figure: Figure | None = None
    question: Question | None = None
    why: Text = ""
    after: Figure | None = None  # what can be tried then
    links: tuple[Link, ...] = ()
    notes: str = ""  # for whoever teaches: what to ask, what goes wrong


@dataclass(frozen=True)
class Lesson:
    """A claim, where it comes from, and the steps that lead to it."""

    claim: str
    source: str  # markdown, with the link of the paper
    steps: tuple[Step, ...]
    numbers: Mapping[str, Quantity] = field(default_factory=dict)
    minutes: int = 5
    surprise: str = ""  # what most people expect otherwise

    def questions(self) -> dict[str, Question]:
        """The questions by id, in order."""
        return {step.question.id: step.question for step in self.steps if step.question}

    def recordings(self) -> list[str]:
        """The recordings that it needs, each once."""
        found = [name for quantity in self.numbers.values() for name in recordings_of(quantity)]
        found += [name for step in self.steps for name in _of_step(step)]
        return list(dict.fromkeys(found))


def recordings_of(quantity: Quantity) -> list[str]:
    """The recordings that a number comes from."""
    if isinstance(quantity, (Less, Times)):
        return [*recordings_of(quantity.first), *recordings_of(quantity.second)]
    return [quantity.recording] if isinstance(quantity, (Recorded, Kept, Setting)) else []


def _of_step(step: Step) -> list[str]:
    charts = [chart for chart in (step.figure, step.after) if isinstance(chart, Chart)]
    points = [point.of for point in step.question.points] if isinstance(step.question, Curve) else []
    found = [name for chart in charts for name in chart.recordings] + [name for link in step.links for name in link.recordings]
    return found + [name for quantity in points for name in recordings_of(quantity)]
