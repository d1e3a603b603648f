"""Tests that every lesson must pass: its numbers are looked up and none is typed, its texts are short, its questions can be judged."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from ..lessons.base import Chart, Choice, Curve, Depends, Less, Lesson, Of, Order, Step, Text
from ..lessons.numbers import FAILS, HOLDS, UNDECIDED
from ..service import lessons
from .suite import Suite

MOST_SENTENCES, MOST_CHARACTERS, MOST_MINUTES = 5, 520, 15
NAMES = re.compile(r"\b[A-Z][A-Za-z]*-\d+(?:-\d+)?\b|\bN:M\b")  # with digits that are no numbers: ResNet-20, CIFAR-10
_FAR = 1e9


class LessonSuite(Suite):
    """A lesson."""

    kind = "lessons"

    def test_its_numbers_are_looked_up_and_none_is_typed(self, name: str) -> None:
        lesson = lessons.load(name)
        for text in said(lesson):
            assert fields(text) <= set(lesson.numbers), text
            assert not re.search(r"\d", NAMES.sub("", re.sub(r"\{[^}]*\}", "", text))), f"a number that is typed: {text}"
        assert not any(fields(question.ask) for question in lesson.questions().values()), "a question says its numbers in the step's text"

    def test_its_words_are_short(self, name: str) -> None:
        lesson = lessons.load(name)
        for text in (text for step in lesson.steps for text in texts(step.text)):
            sentences = len(re.findall(r"[.?!](?=\s|$)", text))
            assert 1 <= sentences <= MOST_SENTENCES and len(text) <= MOST_CHARACTERS, text
        assert lesson.claim and lesson.source and 1 <= lesson.minutes <= MOST_MINUTES

    def test_what_it_names_is_there(self, name: str) -> None:
        lesson = lessons.load(name)
        for step in lesson.steps:
            assert named(step) <= set(lesson.numbers)

    def test_its_questions_can_be_judged(self, name: str) -> None:
        lesson = lessons.load(name)
        asked = [step.question for step in lesson.steps if step.question]
        assert len({question.id for question in asked}) == len(asked)
        assert all(step.why for step in lesson.steps if step.question), "a question says why"
        for question in asked:
            if isinstance(question, Choice):
                check_options(question)

    def test_what_depends_on_an_interval_depends_on_a_difference(self, name: str) -> None:
        lesson = lessons.load(name)
        for step in lesson.steps:
            depends = [text.of for text in (step.text, step.why) if isinstance(text, Depends)]
            is_verdict = isinstance(step.question, Choice) and step.question.options[0].verdict
            depends += [step.question.of] if isinstance(step.question, Choice) and is_verdict else []
            assert all(isinstance(lesson.numbers[number], Less) for number in depends)


def texts(text: Text) -> list[str]:
    """A text as it may be shown."""
    return [text.holds, text.undecided, text.fails] if isinstance(text, Depends) else [text]


def said(lesson: Lesson) -> Iterator[str]:
    """All that a lesson states; not the options of its questions, which are guesses, and not what is for the speaker."""
    yield from (lesson.claim, lesson.surprise)
    for step in lesson.steps:
        yield from [*texts(step.text), *texts(step.why)]
        if step.question:
            yield step.question.ask


def fields(text: str) -> set[str]:
    """The numbers that a text names."""
    return {str(field).partition(".")[0] for _, field, _, _ in string.Formatter().parse(text) if field}


def named(step: Step) -> set[str]:
    """The numbers that a step's figures, question and texts name beside those in braces."""
    found = {text.of for text in (step.text, step.why) if isinstance(text, Depends)}
    found |= {number for figure in (step.figure, step.after) if isinstance(figure, Chart) for _, number in figure.numbers}
    question = step.question
    if isinstance(question, Choice):
        return found | {question.of, *(number for _, number in question.beside)}
    if isinstance(question, Order):
        return found | {item.of for item in question.items}
    return found | ({point.of.name for point in question.points if isinstance(point.of, Of)} if isinstance(question, Curve) else set())


def check_options(question: Choice) -> None:
    """One of the options is right, whatever is measured."""
    if question.options[0].verdict:
        assert sorted(option.verdict for option in question.options) == sorted((HOLDS, UNDECIDED, FAILS)), question.id
        return
    edges = sorted((option.at_least, option.below) for option in question.options)
    assert [low for low, _ in edges[1:]] == [high for _, high in edges[:-1]], question.id
    assert edges[0][0] < -_FAR and edges[-1][1] > _FAR, question.id
