"""The three kinds of question, and how an answer is judged. Pure: an answer is plain data, as JSON holds it; the truth is given.

A choice is {"option": 1, "sure": 2}, an order [2, 0, 1], a curve [80.0, 75.5, 60.0]. A skipped question has the answer None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import InputError
from .numbers import Number, Quantity, is_above

SURE = ("a guess", "fairly sure", "certain")  # how sure somebody is of a choice


@dataclass(frozen=True)
class Option:
    """An answer that can be chosen. It is right where the number lies in [at_least, below), or where its interval gives the verdict."""

    text: str
    at_least: float = -math.inf
    below: float = math.inf
    verdict: str = ""


@dataclass(frozen=True)
class Judgement:
    """How an answer compares with the truth: a share from 0 to 1, and in words."""

    score: float
    words: str


@dataclass(frozen=True)
class Choice:
    """One of several options, and how sure one is. `of`: the number that decides; `beside`: numbers shown with it afterwards."""

    id: str
    ask: str
    of: str
    options: tuple[Option, ...]
    label: str = "measured"  # of that number, in a picture
    beside: tuple[tuple[str, str], ...] = ()  # (label, name of a number)

    def checked(self, answer: Any) -> dict[str, int]:
        """The answer, if it can be one; InputError otherwise."""
        found = answer if isinstance(answer, dict) else {}
        option, sure = found.get("option"), found.get("sure", 0)
        _need(_is_place(option, len(self.options)) and _is_place(sure, len(SURE)), self.id, f"an option from 0 to {len(self.options) - 1}")
        return {"option": int(option), "sure": int(sure)}  # type: ignore[arg-type]

    def right(self, truth: Number) -> int:
        """The place of the right option."""
        mean = truth.sample.mean
        for place, option in enumerate(self.options):
            if option.verdict == truth.verdict if option.verdict else option.at_least <= mean < option.below:
                return place
        raise InputError(f"question {self.id}: no option holds {mean:g}; let the options cover every value", self.id)

    def judge(self, answer: dict[str, int], truth: Number) -> Judgement:
        """Right or not, and what being so sure of it is worth."""
        right = self.right(truth)
        if answer["option"] == right:
            return Judgement(1.0, ("Right, though you guessed.", "Right.", "Right, and you were certain.")[answer["sure"]])
        said = self.options[right].text
        begins = ("Not quite.", "Not so.", "You were certain, and it is not so: this is where something can be learnt.")[answer["sure"]]
        return Judgement(0.0, f"{begins} It is: {said}")


@dataclass(frozen=True)
class Item:
    """One of the things to be put in order, and its number."""

    text: str
    of: str


@dataclass(frozen=True)
class Order:
    """Things to be put in order, the one with the largest number first. Where seeds leave two of them undecided, either order counts."""

    id: str
    ask: str
    items: tuple[Item, ...]

    def checked(self, answer: Any) -> list[int]:
        """The answer, if it can be one; InputError otherwise."""
        found = answer if isinstance(answer, (list, tuple)) and all(_is_place(one, len(self.items)) for one in answer) else []
        _need(sorted(found) == list(range(len(self.items))), self.id, f"each of 0 to {len(self.items) - 1} once")
        return [int(one) for one in found]

    def right(self, truths: Sequence[Number]) -> list[int]:
        """Places of the items, the largest mean first."""
        return sorted(range(len(self.items)), key=lambda place: -truths[place].sample.mean)

    def judge(self, answer: list[int], truths: Sequence[Number]) -> Judgement:
        """The share of pairs in an order that the seeds do not contradict."""
        pairs = [(first, second) for place, first in enumerate(answer) for second in answer[place + 1 :]]
        wrong = [(first, second) for first, second in pairs if is_above(truths[second], truths[first])]
        if not wrong:
            return Judgement(1.0, "Every pair is in an order that the seeds allow.")
        first, second = (self.items[place].text for place in wrong[0])
        words = f"{len(pairs) - len(wrong)} of {len(pairs)} pairs are in order. {second} does better than {first}, for example."
        return Judgement(1 - len(wrong) / len(pairs), words)


@dataclass(frozen=True)
class Point:
    """One place of a curve, and its number."""

    text: str
    of: Quantity


@dataclass(frozen=True)
class Curve:
    """A curve to be drawn over some places, between `low` and `high`, in the unit of its numbers."""

    id: str
    ask: str
    points: tuple[Point, ...]
    x: str
    y: str
    low: float = 0.0
    high: float = 100.0
    unit: str = "%"
    start: float | None = None  # where the line lies before it is drawn

    def checked(self, answer: Any) -> list[float]:
        """The answer, if it can be one; InputError otherwise."""
        fits = isinstance(answer, (list, tuple)) and len(answer) == len(self.points) and all(_is_number(one) for one in answer)
        fits = fits and all(self.low <= one <= self.high for one in answer)
        _need(fits, self.id, f"{len(self.points)} numbers from {self.low:g} to {self.high:g}")
        return [float(one) for one in answer]

    def judge(self, answer: list[float], truths: Sequence[Number]) -> Judgement:
        """How near the curve is: 1 on the means, 0 at half of the picture's height away, on average."""
        away = [abs(drawn - truth.sample.mean) for drawn, truth in zip(answer, truths, strict=True)]
        known = [(drawn, *truth.bounds) for drawn, truth in zip(answer, truths, strict=True) if truth.has_interval]
        inside = sum(low <= drawn <= high for drawn, low, high in known)
        mean, farthest = math.fsum(away) / len(away), max(range(len(away)), key=away.__getitem__)
        unit = {"%": "points"}.get(self.unit, self.unit)
        words = f"You were {mean:.0f}\u00a0{unit} away on average, most at {self.points[farthest].text} ({away[farthest]:.0f})."
        words += f" {inside} of {len(away)} points lie in the interval." if inside else ""
        return Judgement(max(0.0, 1 - mean / ((self.high - self.low) / 2)), words)


Question: TypeAlias = Choice | Order | Curve


def _is_place(value: Any, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _need(fits: bool, question: str, remedy: str) -> None:
    if not fits:
        raise InputError(f"question {question}: this is no answer to it; give {remedy}", question)
