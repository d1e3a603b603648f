"""The page Lessons with fake runs in the place of the recorded ones, and without any. No browser."""

from __future__ import annotations

import fake_runs
import pytest
from streamlit.testing.v1 import AppTest
from test_pages import no_warm_up, opened, store, words

from appcore.lessons.base import Choice
from appcore.service import lessons
from appcore.storage.store import Store
from appcore.ui.questions import answers

__all__ = ["no_warm_up", "store"]  # fixtures
NAMES = list(lessons.found())


def at(name: str, step: int = 1) -> AppTest:
    return opened("lessons", lesson=name, step=str(step))


def test_all_lessons_are_listed_with_how_far_one_is() -> None:
    app = opened("lessons")
    links = [link.proto.label for link in app.get("page_link")]
    assert "**3. Who prunes the first layer?**" in links and "**The two-minute tour**" in links
    assert words(app).count("minutes ·") == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_its_first_step_has_the_claim_and_no_error(name: str, store: Store) -> None:
    lesson = lessons.load(name)
    fake_runs.record(store, *lesson.recordings())
    app = at(name)
    text = words(app)
    assert "**The claim.**" in text and lesson.source in text
    assert "not in this store" not in text and "{" not in text
    assert app.title[0].value.endswith(lessons.found()[name].title)


@pytest.mark.parametrize("name", [name for name in NAMES if lessons.load(name).recordings()])
def test_without_its_recordings_it_says_so_and_goes_on(name: str) -> None:
    app = at(name)
    text = ""
    for step in range(1, len(lessons.load(name).steps) + 1):
        if f"{name}-{step}-skip" in {button.key for button in app.button}:
            app.button(key=f"{name}-{step}-skip").click().run()
        text += words(app)
        if step == len(lessons.load(name).steps):
            break
        app.button(key="lesson-next").click().run()
        assert not app.exception
        assert app.query_params["step"] == str(step + 1)
    assert "not in this store" in text or "not known here" in text
    assert ("python -m appcore study app-" if name == "code" else "python -m appcore record") in text


def test_an_address_that_cannot_be_is_answered() -> None:
    assert "There is no lesson" in words(opened("lessons", lesson="<b>nine</b>"))
    for step in ("0", "-1", "99999999999", "x", "²"):
        assert opened("lessons", lesson="1", step=step).title[0].value == "1. Half of the edges"


def test_what_is_covered_is_not_on_the_page_until_it_is_answered_or_skipped() -> None:
    lesson = lessons.load("half")
    step = lesson.steps[1]
    assert isinstance(step.question, Choice) and isinstance(step.why, str)
    app = at("half", 2)
    secret = "did next to nothing"
    assert secret in step.why and secret not in words(app) and "_figures" not in app.session_state
    assert app.button(key="half-2-answer").disabled
    app.radio(key="half-2-option").set_value(0).run()
    app.button(key="half-2-answer").click().run()
    assert (secret in words(app) and "Not so" in words(app)) or "Not quite" in words(app)
    assert app.session_state["_answers"]["half"]["half-at-once"] == {"option": 0, "sure": 0}
    app.button(key="half-2-again").click().run()
    assert secret not in words(app)
    app.button(key="half-2-skip").click().run()
    assert secret in words(app) and app.session_state["_answers"]["half"]["half-at-once"] is answers.SKIPPED


def test_an_order_is_given_by_pressing_and_the_last_place_fills_itself() -> None:
    app = at("criteria", 2)
    for place in (4, 3, 2, 0):
        app.button(key=f"criteria-2-item-{place}").click().run()
    assert app.button(key="criteria-2-item-1").label == "5. Magnitude"
    app.button(key="criteria-2-item-4").click().run()  # out again, the others move up
    assert app.button(key="criteria-2-item-3").label == "1. GraSP" and app.button(key="criteria-2-answer").disabled
    app.button(key="criteria-2-item-4").click().run()
    app.button(key="criteria-2-answer").click().run()
    assert app.session_state["_answers"]["criteria"]["five"] == [3, 2, 0, 1, 4]


def test_notes_are_a_switch_and_the_last_step_leads_on() -> None:
    app = at("half", 6)
    assert "For the speaker" not in words(app)
    app.toggle(key="lesson_notes").set_value(True).run()
    assert "For the speaker" in words(app) and lessons.load("half").steps[5].notes in words(app)
    assert app.button(key="lesson-next").label == "Next lesson"
    app.button(key="lesson-next").click().run()
    assert app.title[0].value == "2. Which edges?" and app.query_params["lesson"] == "2"
    app.button(key="lesson-all").click().run()
    assert app.title[0].value == "Lessons: guess first, then look" and "lesson" not in app.query_params
    assert "at step 1 of 7" in words(app) and "done" in words(app)
