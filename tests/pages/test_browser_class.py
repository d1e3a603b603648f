"""A class in a browser: a teacher with a projector and three phones, from the code to the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import pytest

from appcore.storage.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]
ORDER, CHOICE = (
    "/lessons?lesson=criteria&step=1&projector=1",
    "/lessons?lesson=criteria&step=3&projector=1",
)  # steps before, and with, a question
SHOWN = "() => !document.querySelector('.st-key-class-truth')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("class")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with browser.app(folder) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        yield found
        found.close()


def device(chromium: Any, wide: int, high: int, **options: Any) -> Any:
    context = chromium.new_context(viewport={"width": wide, "height": high}, **options)
    context.set_default_timeout(browser.PATIENCE)
    return context.new_page()


def press(page: Any, where: str, condition: str) -> None:
    browser.insist(page, lambda: page.locator(where).first.click(timeout=5000), condition)


def send(phone: Any, *presses: Any) -> None:
    for one in presses:
        one.tap()
    phone.locator(".send").tap()
    phone.get_by_text("Your answer is in").wait_for()


def fits(phone: Any) -> bool:
    return phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_teacher_and_three_phones_from_the_code_to_the_truth(address: str, chromium: Any, folder: Path) -> None:
    teacher = device(chromium, 1280, 720)
    teacher.goto(address + ORDER)
    press(teacher, ".st-key-class-open button", "() => document.querySelector('.class-card .code')")
    assert teacher.locator(".class-card img").evaluate(
        "picture => picture.naturalWidth > 100 && picture.getBoundingClientRect().width > 200"
    )
    code = teacher.locator(".class-card .code").inner_text()
    assert f"class={code.replace(' ', '')}" in teacher.url
    phones = [device(chromium, 400, 780, has_touch=True, is_mobile=True) for _ in range(3)]
    phones[0].goto(f"{address}/class")
    phones[0].fill("#code", code.lower())
    phones[0].get_by_role("button", name="Come in").tap()
    for phone in phones[1:]:
        phone.goto(f"{address}/class/{code.replace(' ', '')}")
    for phone in phones:
        phone.get_by_text("You are in").wait_for()
    # An order. Every phone has moved another criterion down; the first changes its answer.
    press(teacher, ".st-key-lesson-next button", "() => document.querySelector('.st-key-class-truth')")
    assert teacher.locator(".class-card").count() == 0, "the question has the room now"
    for place, phone in enumerate(phones):
        phone.locator("ol.list").wait_for()
        send(phone, phone.locator("ol.list li").nth(place).get_by_role("button").nth(1))
    send(phones[0], phones[0].locator("ol.list li").nth(3).get_by_role("button").nth(1))
    teacher.get_by_text("3 of 3 phones").wait_for()
    assert teacher.locator(".st-key-class-answers").count() == 0 and all(phone.locator(".verdict").count() == 0 for phone in phones)
    press(teacher, "[class*=st-key-class-shows] label", "() => document.querySelector('.st-key-class-answers .main-svg')")
    assert all(phone.locator(".verdict").count() == 0 for phone in phones), "answers are no truth"
    press(teacher, ".st-key-class-truth button", SHOWN)
    teacher.get_by_text("What was measured").first.wait_for()
    for phone in phones:
        phone.locator(".verdict").wait_for()
        assert "pairs are in order" in phone.locator(".verdict").inner_text() and fits(phone)
    # A choice. One phone is reloaded and keeps its answer, one never answers.
    teacher.goto(f"{address}{CHOICE}&class={code.replace(' ', '')}")
    for place, phone in enumerate(phones[:2]):
        phone.locator("#sure").wait_for()
        send(phone, phone.locator("div.list > button").nth(2 * place), phone.locator(".row > button").nth(1))
    asked = Store(folder / "runs.db").classes.get(code.replace(" ", ""))["question"]["id"]
    phones[1].reload()
    phones[1].get_by_text("Your answer is in").wait_for()
    teacher.get_by_text("2 of 3 phones").wait_for()
    press(teacher, ".st-key-class-truth button", SHOWN)
    store = Store(folder / "runs.db")
    truths = store.classes.get(store.classes.newest() or "")["truths"]
    assert len(truths) == 2
    right = truths[asked]["answer"]
    for phone, option in zip(phones, (0, 2, None), strict=True):
        phone.get_by_text("The answer", exact=True).wait_for()
        if option is None:
            assert phone.locator("#note").inner_text() == "You did not answer this one."
        else:
            assert phone.locator(".verdict").inner_text() == ("Right" if option == right else "Not so")
    # The end of it.
    press(teacher, ".st-key-class-bar [data-testid=stPopover] button", "() => document.querySelector('.st-key-class-end')")
    press(teacher, ".st-key-class-end button", "() => document.querySelector('.st-key-class-open')")
    for phone in phones:
        phone.get_by_text("This class has ended").wait_for()
    assert store.classes.newest() is None and "class=" not in teacher.url


def test_a_curve_is_drawn_with_a_finger_and_shown_as_a_band(address: str, chromium: Any, folder: Path) -> None:
    teacher, phone = device(chromium, 1280, 720), device(chromium, 400, 780, has_touch=True, is_mobile=True, color_scheme="dark")
    teacher.goto(f"{address}/lessons?lesson=half&step=3&projector=1")
    press(teacher, ".st-key-class-open button", "() => document.querySelector('.st-key-class-truth')")
    store = Store(folder / "runs.db")
    code = store.classes.newest() or ""
    phone.goto(f"{address}/class/{code}")
    phone.locator("svg").wait_for()
    box = phone.locator("svg").bounding_box()
    phone.mouse.move(box["x"] + 46, box["y"] + 20)
    phone.mouse.down()
    phone.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] / 2)
    phone.mouse.up()
    send(phone)
    (drawn,) = store.classes.answers(code, store.classes.get(code)["question"]["id"])
    assert drawn == sorted(drawn, reverse=True) and drawn[0] > drawn[-1], "a quick finger skips no point"
    press(teacher, ".st-key-class-truth button", SHOWN)
    teacher.get_by_text("What the class drew").wait_for()
    phone.get_by_text("away on average").wait_for()
    assert phone.locator("polyline.truth").count() == phone.locator("polyline.mine").count() == 1 and fits(phone)


def test_a_second_teacher_goes_on_with_an_open_class(address: str, chromium: Any, folder: Path) -> None:
    code = Store(folder / "runs.db").classes.open()
    teacher = device(chromium, 1280, 720)
    teacher.goto(f"{address}/lessons")
    press(teacher, ".st-key-class-resume button", "() => document.querySelector('.class-card .code')")
    assert code in teacher.url
    teacher.goto(f"{address}/lessons?class=BCDFGHJK")
    teacher.get_by_text("That class is over").wait_for()
