"""In a browser: each lesson from its first step to its last by keyboard, answers covered until given, all of it in time and kept."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from typing import Any

import browser
import fake_runs
import pytest
from test_browser import chromium

from appcore.lessons.base import Choice, Curve, Order, Question
from appcore.service import lessons
from appcore.storage.store import Store

__all__ = ["chromium"]  # fixture
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]

NAMES = list(lessons.found())
AT = "(text) => document.querySelector('.st-key-lesson-head')?.innerText.includes(text)"
WORDS = "() => document.querySelector('.st-key-lesson-step').innerText"
FOCUS = "(what) => document.activeElement?.closest(what) !== null"
TURN = """async ([key, text]) => {
  const begun = performance.now();
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  const isThere = () => document.querySelector('.st-key-lesson-head')?.innerText.includes(text);
  while (!isThere()) await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""
NUMBERED = "(what) => /^\\d/.test(document.querySelector(what).innerText)"
CIRCLE = """() => {
  const parts = [...document.querySelectorAll('[data-testid=stRadioOption] *')];
  const circle = parts.find((node) => getComputedStyle(node).borderRadius === '50%');
  return [getComputedStyle(circle).borderColor, getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor];
}"""
MOST_TABS = 150  # from the very top, should the first focus be lost


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lessons")
    needed = {recording for name in NAMES for recording in lessons.load(name).recordings()}
    fake_runs.record(Store(folder / "runs.db"), *sorted(needed))
    with browser.app(folder) as found:
        yield found


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(browser.PATIENCE)
    opened = context.new_page()
    yield opened
    context.close()


def opened(page: Any, address: str, lesson: str, step: int = 1, more: str = "") -> None:
    page.goto(f"{address}/lessons?lesson={lesson}&step={step}{more}")
    page.wait_for_function(AT, arg=f"{step} of ")
    page.wait_for_function("() => localStorage.getItem('pruning-lab.lessons') !== null")  # the browser's part of the page is there, too


def tab_to(page: Any, what: str) -> None:
    """Press Tab until the focus is in what the selector names."""
    for _ in range(MOST_TABS):
        if page.evaluate(FOCUS, what):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {what}")


def answer(page: Any, question: Question, key: str) -> None:
    """Give an answer by keyboard alone."""
    page.locator(".st-key-lesson-all button").focus()  # where Tab begins
    if isinstance(question, Choice):
        tab_to(page, f".st-key-{key}-option")
        page.keyboard.press("Space")
    elif isinstance(question, Order):
        for place in range(len(question.items) - 1):
            tab_to(page, f".st-key-{key}-item-{place}")
            page.keyboard.press("Enter")
            page.wait_for_function(NUMBERED, arg=f".st-key-{key}-item-{place} button")
            page.locator(".st-key-lesson-all button").focus()
    else:
        assert isinstance(question, Curve)
        tab_to(page, ".drawing circle")
        for press in ("ArrowDown", "ArrowRight", "PageDown", "ArrowRight", "ArrowUp"):
            page.keyboard.press(press)
    page.wait_for_function("(what) => !document.querySelector(what)?.disabled", arg=f".st-key-{key}-answer button")
    tab_to(page, f".st-key-{key}-answer")
    page.keyboard.press("Enter")


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_is_walked_by_keyboard(name: str, address: str, page: Any) -> None:
    lesson = lessons.load(name)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    opened(page, address, lessons.address(lessons.found()[name]))
    for number, step in enumerate(lesson.steps, 1):
        page.wait_for_selector(f".st-key-{name}-{number}-text")
        assert f"step={number}" in page.url
        if step.question is not None:
            key = f"{name}-{number}"
            page.wait_for_selector(f".st-key-{key}-answer")
            assert page.locator(".st-key-lesson-why").count() == 0 and "What was measured" not in page.content()
            answer(page, step.question, key)
            page.wait_for_selector(".st-key-lesson-why")
            page.wait_for_function("() => document.body.innerText.includes('What was measured')")
        page.wait_for_timeout(300)
        shown = page.evaluate(WORDS)
        assert "not in this store" not in shown and "encountered an error" not in shown and "{" not in shown
        page.locator(".st-key-lesson-head").click(position={"x": 5, "y": 5})  # the focus is on nothing
        page.keyboard.press("ArrowRight")
    following = "1 of " if name != NAMES[-1] else None
    if following:
        page.wait_for_function(AT, arg=following)
        page.keyboard.press("ArrowLeft")  # there is nothing before the first step
        page.wait_for_timeout(300)
        assert "step=1" in page.url
    else:
        page.wait_for_function("() => document.body.innerText.includes('guess first, then look')")
    assert errors == []


def test_the_first_chart_of_the_tour_finds_plotly_loaded(address: str, page: Any) -> None:
    """It was blank for as long as 5 MB of script took; Start, which has no chart, loads them when nothing else is to be done."""
    page.goto(address)
    page.wait_for_function("() => window.Plotly")
    assert page.locator(".frame .chart").count() == 0 and "lessons" not in page.url
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator(".st-key-way-tour a:visible").first.click()
    page.wait_for_function("() => document.querySelector('.frame .chart')?.data")
    assert not [url for url in asked if "plotly" in url]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_circles_to_be_chosen_can_be_seen(theme: str, address: str, chromium: Any) -> None:
    page = chromium.new_context(color_scheme=theme).new_page()
    opened(page, address, "1", 2)
    page.locator("[data-testid=stRadioOption]").first.wait_for()
    circle, behind = page.evaluate(CIRCLE)
    light, dark = sorted((luminance(circle), luminance(behind)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3
    page.context.close()


def luminance(colour: str) -> float:
    """Of an rgb(...), as WCAG 2 defines it."""
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_arrow_keys_belong_to_a_point_while_it_has_the_focus(address: str, page: Any) -> None:
    opened(page, address, "1", 3)
    point = page.locator(".drawing circle").nth(2)
    point.focus()
    before = float(point.get_attribute("aria-valuenow"))
    page.keyboard.press("ArrowDown")
    assert float(point.get_attribute("aria-valuenow")) < before
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)
    assert "step=3" in page.url and page.evaluate("() => document.activeElement.dataset.place") == "3"


def test_a_curve_is_drawn_by_mouse_and_then_judged(address: str, page: Any) -> None:
    opened(page, address, "1", 3)
    box = page.locator(".drawing svg").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] - 60, steps=12)
    page.mouse.up()
    values = [float(point.get_attribute("aria-valuenow")) for point in page.locator(".drawing circle").all()]
    assert values == sorted(values, reverse=True) and values[0] > 90 and values[-1] < 60
    page.locator(".st-key-half-3-answer button").click()
    page.wait_for_selector(".st-key-lesson-why")
    assert "points away on average" in page.evaluate(WORDS)


def test_a_step_turns_within_half_a_second(address: str, page: Any) -> None:
    opened(page, address, "3", 1)
    for number in range(2, 7):  # once for what is computed once
        page.keyboard.press("ArrowRight")
        page.wait_for_function(AT, arg=f"{number} of ")
    taken = [page.evaluate(TURN, ["ArrowLeft", f"{number} of "]) for number in (5, 4, 3, 2, 1)]
    taken += [page.evaluate(TURN, ["ArrowRight", f"{number} of "]) for number in (2, 3, 4, 5, 6)]
    print("a step turns in", [round(one) for one in taken], "ms")
    assert statistics.median(taken) < 500


def test_answers_and_progress_are_kept_in_the_browser(address: str, page: Any) -> None:
    opened(page, address, "1", 2)
    why = "() => document.querySelector('.st-key-lesson-why')"
    browser.insist(page, lambda: page.locator(".st-key-half-2-skip button").first.click(timeout=5000), why)
    page.wait_for_function("() => (localStorage.getItem('pruning-lab.lessons') ?? '').includes('half-at-once')")
    again = page.context.new_page()  # another session of the same browser
    again.goto(f"{address}/lessons?lesson=1&step=2")
    again.wait_for_selector(".st-key-lesson-why")
    again.goto(f"{address}/lessons")
    again.wait_for_function("() => document.body.innerText.includes('at step 2 of 6')")
    again.evaluate('() => localStorage.setItem(\'pruning-lab.lessons\', \'{"answers": {"half": {"half-at-once": [9]}}, "seen": 7}\')')
    again.goto(f"{address}/lessons?lesson=1&step=2")
    again.wait_for_selector(".st-key-half-2-answer")  # what is no answer is not taken


@pytest.mark.parametrize(("lesson", "step"), [("1", 2), ("1", 3), ("2", 2), ("2", 3), ("3", 2), ("5", 2), ("6", 1), ("6", 2), ("8", 1)])
def test_on_a_projector_text_figure_and_question_fit(lesson: str, step: int, address: str, page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    opened(page, address, lesson, step, "&projector=1")
    page.wait_for_selector("[class*='-answer'] button")
    page.wait_for_timeout(1000)
    box = page.locator(".st-key-lesson-question [class*='-answer'] button").bounding_box()
    assert box["y"] + box["height"] <= 720
