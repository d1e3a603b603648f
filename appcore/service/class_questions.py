"""A lesson's question as plain data, which the store keeps and phones show, and how an answer that came from a phone is judged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations
from typing import Any

from ..lessons.numbers import Number, is_above
from ..lessons.questions import SURE, Choice, Curve, Item, Option, Order, Point, Question

_LINK, _MARKS = re.compile(r"\[([^\]]*)\]\([^)]*\)"), re.compile(r"\*\*|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|`")


def plain(question: Question, lesson: str) -> dict[str, Any]:
    """What phones show of a question: no number, and nothing that says which answer is right."""
    found: dict[str, Any] = {"id": f"{lesson}.{question.id}", "kind": type(question).__name__.lower(), "text": unmarked(question.ask)}
    if isinstance(question, Choice):
        return found | {"options": [option.text for option in question.options], "sure": list(SURE)}
    if isinstance(question, Order):
        return found | {"options": [item.text for item in question.items]}
    start = (question.low + question.high) / 2 if question.start is None else question.start
    axes = {name: getattr(question, name) for name in ("x", "y", "unit", "low", "high")}
    return found | {"options": [point.text for point in question.points], "start": start} | axes


def truth(question: Question, measured: Sequence[Number], why: str) -> dict[str, Any]:
    """What phones show once the truth is shown: what is right by the numbers of the lesson, and why, in Markdown.

    Of an order the pairs (first, second) that the seeds decide; of a curve the 95 % intervals.
    """
    found: dict[str, Any] = {"why": unmarked(why)}
    if isinstance(question, Choice):
        return found | {"answer": question.right(measured[0])}
    if isinstance(question, Order):
        pairs = permutations(range(len(measured)), 2)
        above = [[first, second] for first, second in pairs if is_above(measured[first], measured[second])]
        return found | {"answer": question.right(measured), "above": above}
    low, high = ([number.bounds[end] for number in measured] for end in (0, 1))
    return found | {"answer": [number.sample.mean for number in measured], "low": low, "high": high}


def unmarked(text: str) -> str:
    """The words of a text in Markdown: phones show text as it is."""
    return _MARKS.sub("", _LINK.sub(r"\1", text))


def checked(asked: dict[str, Any], answer: Any) -> Any:
    """The answer to a question in plain data, if it can be one; InputError otherwise."""
    texts = asked["options"]
    if asked["kind"] == "choice":
        return Choice("answer", "", "", tuple(Option(text) for text in texts)).checked(answer)
    if asked["kind"] == "order":
        return Order("answer", "", tuple(Item(text, "") for text in texts)).checked(answer)
    points = tuple(Point(text, "") for text in texts)  # type: ignore[arg-type]
    return Curve("answer", "", points, "", "", asked["low"], asked["high"]).checked(answer)
