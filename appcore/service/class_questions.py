"""A lesson's question as plain data, which the store keeps and phones show, and how an answer that came from a phone is judged."""

from __future__ import annotations

from typing import Any

from ..lessons.questions import SURE, Choice, Curve, Item, Option, Order, Point, Question


def plain(question: Question, lesson: str) -> dict[str, Any]:
    """What phones show of a question: no number, and nothing that says which answer is right."""
    found: dict[str, Any] = {"id": f"{lesson}.{question.id}", "kind": type(question).__name__.lower(), "text": question.ask}
    if isinstance(question, Choice):
        return found | {"options": [option.text for option in question.options], "sure": list(SURE)}
    if isinstance(question, Order):
        return found | {"options": [item.text for item in question.items]}
    start = (question.low + question.high) / 2 if question.start is None else question.start
    axes = {name: getattr(question, name) for name in ("x", "y", "unit", "low", "high")}
    return found | {"options": [point.text for point in question.points], "start": start} | axes


def checked(asked: dict[str, Any], answer: Any) -> Any:
    """The answer to a question in plain data, if it can be one; InputError otherwise."""
    texts = asked["options"]
    if asked["kind"] == "choice":
        return Choice("answer", "", "", tuple(Option(text) for text in texts)).checked(answer)
    if asked["kind"] == "order":
        return Order("answer", "", tuple(Item(text, "") for text in texts)).checked(answer)
    points = tuple(Point(text, "") for text in texts)  # type: ignore[arg-type]
    return Curve("answer", "", points, "", "", asked["low"], asked["high"]).checked(answer)
