"""One lesson: a step at a time, its question covered until it is answered, then the truth beside the answer."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from appcore.charts.lessons import answers as pictures
from appcore.lessons.base import Choice, Lesson, Link, Number, Order, Question, Step, Text
from appcore.planning import address
from appcore.recordings import catalog, study
from appcore.service import class_questions, lessons

from ..app import page
from ..classroom import panel
from ..questions import answers, ask
from ..widgets import live_chart
from ..words.text import code, harmless
from . import browser, evidence, figures

STYLE = Path(__file__).parent / "lessons.css"


def show(name: str) -> None:
    """The lesson of this name at the step that the address names."""
    lesson, titles = lessons.load(name), lessons.found()
    step, count = _asked(len(lesson.steps)), len(lesson.steps)
    browser.saw(name, step)
    offer = _head(name, step, count)
    found, numbers = evidence.of(name, lesson)
    one = lesson.steps[step - 1]
    class_code = panel.bar(one.question is not None, offer)
    with st.container(key="lesson-step", gap="small"):
        if step == 1:
            with st.container(key="lesson-claim", gap=None):
                st.markdown(f"**The claim.** {filled(lesson.claim, numbers)}")
                st.caption(lesson.source)
        _step(name, lesson, one, numbers, found, f"{name}-{step}", class_code)
    if st.session_state.get("lesson_notes"):
        with st.container(border=True, key="lesson-speaker"):
            st.markdown(f":material/record_voice_over: **For the speaker.** {one.notes or 'Nothing to add.'}")
    if titles[name].path.parent.name != "lessons":
        st.caption(f"From {code(titles[name].path.name)}.")


def _asked(count: int) -> int:
    text = st.query_params.get("step", "1")
    return min(count, max(1, int(text))) if text.isascii() and text.isdigit() and len(text) < 5 else 1


# ---- the head: where one is, and the way on


def _head(name: str, step: int, count: int) -> Any:
    """Draw it; returns a place in it for the button that opens a class."""
    choice = lessons.found()[name]
    number = lessons.number(choice)
    with st.container(horizontal=True, vertical_alignment="center", key="lesson-head"):
        st.title(f"{number}. {harmless(choice.title)}" if number else harmless(choice.title), anchor=False, width="stretch")
        st.toggle("Notes", key="lesson_notes", help="What to say, for whoever teaches")
        offer = st.container(horizontal=True, width="content", key="class-offer")
        st.button("All lessons", key="lesson-all", type="tertiary", on_click=_leave)
        st.button("Back", key="lesson-back", icon=":material/arrow_back:", disabled=step == 1, on_click=_turn, args=(name, step - 1))
        st.markdown(f"{step} of {count}", width="content")
        following = (name, step + 1) if step < count else (_following(name), 1)
        label = "Next" if step < count else "Next lesson" if following[0] else "Finish"
        st.button(label, key="lesson-next", icon=":material/arrow_forward:", type="primary", on_click=_turn, args=following)
    return offer


def _turn(name: str, step: int) -> None:
    if not name:
        _leave()
        return
    st.query_params["lesson"] = lessons.address(lessons.found()[name])
    st.query_params["step"] = str(step)
    page.address_told()


def _leave() -> None:
    for name in ("lesson", "step"):
        st.query_params.pop(name, None)


def _following(name: str) -> str:
    """The lesson after this one; none after the last, and the first after one without a number."""
    names = [other for other, choice in lessons.found().items() if lessons.number(choice)]
    place = names.index(name) + 1 if name in names else 0
    return names[place] if place < len(names) else ""


# ---- a step


def _step(
    name: str, lesson: Lesson, step: Step, numbers: Mapping[str, Number], found: lessons.Evidence, place: str, class_code: str
) -> None:
    """`class_code`: of the class whose phones answer, if one is open."""
    try:
        with st.container(key=f"{place}-text"):
            st.markdown(filled(step.text, numbers))
        if class_code and step.question is None:
            panel.ask(class_code, None)
        if step.question is None:
            _figure(step.figure, numbers, found, place)
            _afterwards(step, numbers, found, place)
        elif class_code:
            _in_class(class_code, name, lesson, step, numbers, found, place)
        elif answers.is_given(name, step.question):
            _answered(name, lesson, step, numbers, found, place)
        else:
            _ask(name, step, numbers, found, place)
    except lessons.MissingError as error:
        _missing(error, lesson)


def _figure(figure: Any, numbers: Mapping[str, Number], found: lessons.Evidence, place: str) -> None:
    if figure is not None:
        figures.show(figure, numbers, found, place)


def _ask(name: str, step: Step, numbers: Mapping[str, Number], found: lessons.Evidence, place: str) -> None:
    """The question, beside the figure where there is one."""
    question = step.question
    assert question is not None

    def give(answer: Any) -> None:
        answers.give(name, question, answer)

    if step.figure is None:
        with st.container(key="lesson-question", gap="small"):
            ask.show(question, place, give)
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _figure(step.figure, numbers, found, place)
    with right, st.container(key="lesson-question", gap="small"):
        ask.show(question, place, give)


def _in_class(
    class_code: str, name: str, lesson: Lesson, step: Step, numbers: Mapping[str, Number], found: lessons.Evidence, place: str
) -> None:
    """The question as the class answers it on phones; then its answers beside the truth."""
    question = step.question
    assert question is not None
    truths = lessons.truth(question, lesson, found)
    asked = class_questions.plain(question, name)
    shown = panel.ask(class_code, asked)
    if shown is None:
        figure = None if panel.are_shown(asked) else step.figure
        left, right = st.columns([3, 2], gap="medium") if figure else (st.container(), st.container())
        with left:
            _figure(figure, numbers, found, place)
        with right, st.container(key="lesson-question", gap="small"):
            panel.vote(class_code, asked, class_questions.truth(question, truths, filled(step.why, numbers)))
        return
    left, right = st.columns(2, gap="medium")
    with left:
        panel.answers(class_code, asked, shown)
    with right:
        _measured(question, truths, None, numbers, place)
    _afterwards(step, numbers, found, place)
    if step.after is not None:
        figures.show(step.after, numbers, found, f"{place}-after")


def _measured(question: Question, truths: list[Number], answer: Any, numbers: Mapping[str, Number], place: str) -> None:
    live_chart.chart(
        f"lesson-answer-{place}",
        (str(answer), *(str(truth) for truth in truths)),
        lambda: figures.low(_picture(question, truths, answer, numbers)),
        alt=f"The measured answer to: {question.ask}" + ("" if answer is None else ", beside your own"),
    )


def _answered(name: str, lesson: Lesson, step: Step, numbers: Mapping[str, Number], found: lessons.Evidence, place: str) -> None:
    """Truth and own answer in one picture, beside what that means; then what can be tried."""
    question = step.question
    assert question is not None
    truths = lessons.truth(question, lesson, found)
    answer = answers.given(name, question)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _measured(question, truths, answer, numbers, place)
    with right, st.container(key="lesson-why", gap="small"):
        if answer is not None:
            st.markdown(f"**{harmless(_judged(question, truths, answer))}**")
        if step.why:
            st.markdown(filled(step.why, numbers))
        _links(step, found, place)
        icon = ":material/replay:"
        st.button("Ask me again", key=f"{place}-again", type="tertiary", icon=icon, on_click=answers.take_back, args=(name, question))
    if step.after is not None:
        figures.show(step.after, numbers, found, f"{place}-after")


def _picture(question: Question, truths: list[Number], answer: Any, numbers: Mapping[str, Number]) -> go.Figure:
    if isinstance(question, Choice):
        beside = [(label, numbers[name]) for label, name in question.beside if name in numbers]
        return pictures.choice(question, truths[0], beside, answer, question.label)
    if isinstance(question, Order):
        return pictures.order(question, truths, answer)
    return pictures.curve(question, truths, answer)


def _judged(question: Question, truths: list[Number], answer: Any) -> str:
    if isinstance(question, Choice):
        return question.judge(answer, truths[0]).words
    return question.judge(answer, truths).words


def _afterwards(step: Step, numbers: Mapping[str, Number], found: lessons.Evidence, place: str) -> None:
    """What a step without a question says below its figure."""
    if step.why:
        st.markdown(filled(step.why, numbers))
    if step.links:
        _links(step, found, place)


def _links(step: Step, found: lessons.Evidence, place: str) -> None:
    with st.container(horizontal=True, key=f"lesson-links-{place}"):
        for link in step.links:
            query = _query(link, found)
            if query is not None:
                st.page_link(page.link(link.page), label=link.label, icon=":material/arrow_outward:", query_params=query, width="content")


def _query(link: Link, found: lessons.Evidence) -> dict[str, str] | None:
    """What stands in the link's address; None where a recording that it is about is not here."""
    query = address.written(link.settings) if link.page == "run" else {name: str(value) for name, value in link.settings.items()}
    if link.recordings:
        try:
            runs = [run["run_id"] for recording in link.recordings for run in found.runs(recording)[:1]]
        except lessons.MissingError:
            return None
        query["run" if len(runs) == 1 else "runs"] = ",".join(runs)
    return query or {"preset": address.USUAL}


def _missing(error: lessons.MissingError, lesson: Lesson) -> None:
    """What is not here, and how it gets here; the lesson goes on."""
    needed = [f"What this lesson needs is made by {code(command)}." for command in _commands(lesson.recordings())]
    st.info(
        f"This step speaks of a recording that is not in this store: {harmless(error.message)}. "
        + " ".join([*needed, "You can go on: other steps may be complete."]),
        icon=":material/inventory_2:",
    )


def _commands(recordings: Sequence[str]) -> list[str]:
    """What makes these recordings, as far as they are known here."""
    names = [name for name in recordings if name in catalog.names()]
    rows: defaultdict[tuple[int, bool], list[str]] = defaultdict(list)
    for length, row, is_augmented in filter(None, map(study.place, recordings)):
        rows[length, is_augmented].append(row)
    return [f"python -m appcore record {' '.join(names)}"] * bool(names) + [
        f"python -m appcore study {' '.join(mine)} --megabatches {length} --augmentation {'on' if is_augmented else 'off'}"
        for (length, is_augmented), mine in rows.items()
    ]


def filled(text: Text, numbers: Mapping[str, Number]) -> str:
    """The text with its numbers; a name such as CIFAR-10 stays in one line."""
    return re.sub(r"(?<=[A-Z])-(?=[0-9])", "\N{NON-BREAKING HYPHEN}", lessons.filled(text, numbers))
