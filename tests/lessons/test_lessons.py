"""Lessons: their order, that figures and links lead somewhere, and that what is shipped is what their texts were written for.

That no number is typed, and that texts are short, is tested by contract: appcore/testing/lesson_suite.py.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from appcore import plugins
from appcore.analysis import what_if
from appcore.lessons import base
from appcore.lessons.base import Chart, Choice, Curve, Lesson, Number, RunsEmpty, Sketch
from appcore.planning import address
from appcore.presets import PRESETS
from appcore.recordings import catalog, shipped
from appcore.service import lessons, recorded_scores
from appcore.testing.lesson_suite import fields, said
from appcore.ui.app import page_files
from appcore.ui.lessons import figures

NAMES = list(lessons.found())
A_NUMBER = Number({0: 61.0, 1: 60.0}, "%")


def of(name: str) -> Lesson:
    return lessons.load(name)


def test_there_are_eight_in_their_order_and_a_tour() -> None:
    assert NAMES == ["tour", "half", "criteria", "first-layer", "lottery", "replay", "gap", "speed", "code"]
    assert [lessons.address(choice) for choice in lessons.found().values()] == ["tour", *"12345678"]
    assert lessons.at("3") == lessons.at("first-layer") == "first-layer" and lessons.at("tour") == "tour"
    assert lessons.at("99") is None and lessons.at("<b>") is None


@pytest.mark.parametrize("name", NAMES)
def test_what_it_names_is_there(name: str) -> None:
    lesson = of(name)
    assert set(lesson.recordings()) <= set(catalog.known())
    for step in lesson.steps:
        for figure in (step.figure, step.after):
            if isinstance(figure, Chart):
                assert figure.kind in figures.KINDS
        for link in step.links:
            assert link.page in page_files.found()
            if link.page == "run" and not link.recordings:
                preset = str(link.settings.get("preset", address.USUAL))
                assert preset in PRESETS
                settings = {key: value for key, value in link.settings.items() if key != "preset"}
                query = address.written({**PRESETS[preset].settings, **settings}, preset)
                found = address.read(query)
                assert found[2] == [] and {**found[1], **settings} == found[1], "the form would not take it"
                lessons.RunConfig(**found[1])


# ---- the numbers of the playground, which are shipped


class Nowhere:
    """Stands in for a store without recordings."""


EXPECTED = {  # for which these texts were written; where a new measurement decides otherwise, they want another look
    ("half", "half-at-once"): 2,
    ("half", "back-from-a-tenth"): 0,
    ("half", "nothing-to-repair"): 1,
    ("criteria", "on-a-path"): 1,
    ("criteria", "snip-or-magnitude"): 0,
    ("criteria", "synflow-or-snip"): 1,
    ("criteria", "asked-once"): 0,
    ("lottery", "lead"): 0,
    ("speed", "time"): 2,
}


@pytest.mark.parametrize(("name", "question"), EXPECTED)
def test_the_playgrounds_numbers_are_those_that_the_texts_were_written_for(name: str, question: str) -> None:
    lesson, evidence = of(name), lessons.Evidence(lambda recording: [], Nowhere())
    choice = lesson.questions()[question]
    assert isinstance(choice, Choice)
    (truth,) = lessons.truth(choice, lesson, evidence)
    assert len(truth.by_seed) == (150 if truth.each == "pair" else 1 if question == "asked-once" else 10)
    assert choice.right(truth) == EXPECTED[name, question], truth.says


@pytest.mark.parametrize("name", ["half", "criteria"])
def test_lessons_in_the_playground_need_no_recording(name: str) -> None:
    lesson = of(name)
    numbers = lessons.Evidence(lambda recording: [], Nowhere()).numbers(lesson)
    assert set(numbers) == set(lesson.numbers) and lesson.recordings() == []
    assert all("{" not in lessons.filled(text, numbers) for text in said(lesson))


# ---- What if: scores that are shipped


def test_a_layer_runs_empty_where_the_lesson_says() -> None:
    """A hundredth below the density of the text a layer is empty, a hundredth above it none: by the answers of What if, which count in
    another way from sketches that are as fine as that."""
    lesson = of("criteria")
    for name, quantity in lesson.numbers.items():
        if isinstance(quantity, RunsEmpty):
            number = lessons.Evidence(lambda recording: [], Nowhere()).number(quantity, lesson)
            sketch = recorded_scores.read(shipped.scores(quantity.network, quantity.criterion))
            left = number.sample.mean / 100
            assert what_if.answer(sketch, 1.01 * left).layers["kept"].min() > 0, name
            assert what_if.answer(sketch, 0.99 * left).layers["kept"].min() == 0, name


def test_the_figure_is_that_of_what_if_with_its_crosses() -> None:
    (sketch,) = [step.after for step in of("criteria").steps if isinstance(step.after, Sketch)]
    figure = figures.first_to_die(sketch)
    for criterion in sketch.criteria:
        (trace,) = [one for one in figure.data if one.legendgroup == criterion and one.customdata is not None]
        fall = lessons.falls(sketch.network, criterion)
        assert list(trace.x) == list(100 * fall["density"])
        assert list(trace.marker.symbol).count("x-thin") == (fall["density"] > sketch.density).sum()


# ---- no line ends between a number and its unit


@pytest.mark.parametrize("name", NAMES)
def test_units_stay_with_their_numbers(name: str) -> None:
    lesson = of(name)
    numbers = lessons.Evidence(lambda recording: [], Nowhere()).numbers(lesson)
    texts = [text.format_map(numbers) for text in said(lesson) if fields(text) <= set(numbers)]
    questions = lesson.questions().values()
    texts += [option.text for question in questions if isinstance(question, Choice) for option in question.options]
    for curve in (question for question in questions if isinstance(question, Curve)):
        count = len(curve.points)
        texts.append(curve.judge([curve.low] * count, [A_NUMBER] * count).words)
    assert not [text for text in texts if re.search(r"\d (%|points\b)", text)]


# ---- a lesson of one's own


MINE = """
from .base import *
CHOICES = {"mine": "A lesson of mine"}
def lesson():
    half = Option("Half", below=60), Option("More", 60)
    step = Step("It gets {right.mean}.", question=Choice("q", "How much?", "right", half), why="So it is.")
    return Lesson("A claim.", "Me", (step,), {"right": Playground("snip 0.1")}, surprise="None.")
"""


def test_a_file_in_a_folder_of_ones_own_is_a_lesson(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "mine.py").write_text(MINE, encoding="utf-8")
    monkeypatch.setenv(plugins.FOLDER_VARIABLE, str(tmp_path))
    assert list(lessons.found())[-1] == "mine" and lessons.at("mine") == "mine"
    lesson = lessons.load("mine")
    numbers = lessons.Evidence(lambda recording: [], Nowhere()).numbers(lesson)
    assert lessons.filled(lesson.steps[0].text, numbers).startswith("It gets ")
    assert plugins.problems() == []


def test_the_contract_needs_neither_torch_nor_streamlit() -> None:
    import subprocess
    import sys

    code = f"import sys, {base.__name__}, appcore.lessons.questions; sys.exit(bool({{'torch', 'streamlit'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
