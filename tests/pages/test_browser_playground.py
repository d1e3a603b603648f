"""In a browser: the playground trains, is cut, stops by itself, says everything in its address, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import browser
import pytest
from test_browser import chromium
from test_browser_contrast import PALE

__all__ = ["chromium"]  # fixture
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]

RESTS = "() => document.querySelector('.playground')?.dataset.running === 'no'"
STEPS = "() => Number(document.querySelector('.playground').dataset.steps)"
NUMBERS = "() => [...document.querySelectorAll('.playground .number')].map((one) => one.textContent)"
STATUS = "() => document.querySelector('.playground .status').textContent"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with browser.app(tmp_path_factory.mktemp("playground")) as found:
        yield found


@pytest.fixture(scope="module")
def page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(browser.PATIENCE)
    yield context.new_page()
    context.close()


def opened(page: Any, address: str, query: str = "") -> None:
    """The playground at rest, after what its link asks for."""
    page.goto(f"{address}/playground?{query}")
    page.wait_for_function(RESTS)


def done(page: Any) -> str:
    """What the address says was done."""
    return parse_qs(urlsplit(page.url).query).get("do", [""])[0]


def press(page: Any, label: str) -> None:
    page.locator(".playground").get_by_role("button", name=label, exact=True).click()


def slide(page: Any, sparsity: int, event: str) -> None:
    """What dragging the slider, or letting go of it, does."""
    script = "(slider, [value, event]) => { slider.value = value; slider.dispatchEvent(new Event(event)); }"
    page.locator(".playground input[type=range]").evaluate(script, [sparsity, event])


def kept(page: Any) -> int:
    return int(page.evaluate(NUMBERS)[1].split(" of ")[0].replace(",", ""))


@pytest.mark.slow
def test_training_stops_by_itself_when_every_point_is_right(address: str, page: Any) -> None:
    sent: list[Any] = []

    def listen(socket: Any) -> None:
        socket.on("framesent", lambda frame: sent.append(frame))

    page.on("websocket", listen)
    opened(page, address, "data=circles&net=8-8")
    page.wait_for_timeout(1000)  # Streamlit has said what it had to
    assert sent
    sent.clear()
    assert page.evaluate(STATUS) == "Nothing is trained yet: press Train."
    press(page, "Train")
    page.wait_for_function("() => document.querySelector('.status').textContent === 'Done: every point is right.'")
    page.wait_for_function(RESTS)
    assert page.evaluate(NUMBERS)[0].startswith("100.0\u00a0%") and not sent
    assert done(page) == f"t{page.evaluate(STEPS)}"
    press(page, "Train")
    assert page.evaluate(STATUS).startswith("Every point is right already")
    page.remove_listener("websocket", listen)


def test_dragging_cuts_releasing_keeps_and_training_then_makes_it_final(address: str, page: Any) -> None:
    opened(page, address, "data=moons&do=t200")
    assert done(page) == "t200" and kept(page) == 1152
    slide(page, 90, "input")
    page.wait_for_function("() => document.querySelector('.playground output').textContent === '90 %'")
    assert kept(page) == 115 and done(page) == "t200"
    slide(page, 50, "input")
    page.wait_for_function("() => document.querySelector('.playground output').textContent === '50 %'")
    assert kept(page) == 576  # dragged back: nothing was lost yet
    slide(page, 50, "change")
    assert done(page) == "t200.c50m" and "Magnitude keeps 576 of 1,152 weights" in page.evaluate(STATUS)
    press(page, "Step")
    page.wait_for_function(RESTS)
    assert done(page) == "t200.c50m.t1"
    page.locator(".playground input[type=range]").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('.playground output').textContent === '50 %'")
    assert kept(page) == 576  # after training nothing returns by itself
    assert page.locator(".playground .primary").text_content() == "Retrain"


def test_a_link_shows_the_same_networks_again(address: str, page: Any) -> None:
    query = "data=spiral&seed=3&two=1&crit=snip&crit2=grasp&do=t150.c80sg.ra.sb.t100.ga.vb"
    opened(page, address, query)
    first = page.evaluate(NUMBERS)
    assert done(page) == "t150.c80sg.ra.sb.t100.ga.vb" and page.evaluate(STEPS) == 250
    opened(page, address, query)
    assert page.evaluate(NUMBERS) == first


def test_two_networks_begin_alike_and_part_by_their_criteria(address: str, page: Any) -> None:
    opened(page, address, "two=1&crit=random&crit2=synflow")
    numbers = page.evaluate(NUMBERS)
    assert numbers[:3] == numbers[3:] and numbers[1] == "1,152 of 1,152"
    slide(page, 90, "change")
    page.wait_for_function("() => document.querySelector('.playground output').textContent === '90 %'")
    numbers = page.evaluate(NUMBERS)
    assert numbers[1] == numbers[4] == "115 of 1,152"
    assert int(numbers[2]) < 40 < 105 < int(numbers[5])  # SynFlow keeps paths, chance does not
    page.locator(".playground section").nth(1).get_by_label("Criterion of B").select_option("magnitude")
    page.wait_for_function("() => location.search.includes('do=c90rm') && location.search.includes('crit2=magnitude')")


def test_what_can_be_done_with_a_mask(address: str, page: Any) -> None:
    opened(page, address, "data=xor&do=t300.c80m.t100")
    trained = page.evaluate(NUMBERS)
    assert kept(page) == 230
    for label, left in (("Rewind", 230), ("Shuffle mask", 230), ("Redraw values", 230), ("Regrow 5 %", 288)):
        press(page, label)
        page.wait_for_function(RESTS)
        assert kept(page) == left, label
        assert "accuracy" in page.evaluate(STATUS)
    assert page.evaluate(NUMBERS)[0] != trained[0]
    assert done(page) == "t300.c80m.t100.ra.sa.va.ga"
    press(page, "Start again")
    page.wait_for_function(RESTS)
    assert kept(page) == 1152 and done(page) == ""


def test_one_press_finds_a_ticket_and_trains_it_beside_a_control(address: str, page: Any) -> None:
    opened(page, address, "data=moons&net=8-8&crit=random")
    page.get_by_label("Rounds", exact=True).select_option("3")
    page.get_by_label("Pruned at the end", exact=True).select_option("80")
    page.get_by_label("Beside the ticket", exact=True).select_option("shuffle")
    press(page, "Find a ticket")
    page.wait_for_function("() => document.querySelector('.status').textContent.startsWith('After 2,000 steps')")
    assert done(page) == "t1000.c42mm.ra.rb.t1000.c66mm.ra.rb.t1000.c80mm.ra.rb.sb.t2000"
    numbers = page.evaluate(NUMBERS)
    assert numbers[1] == numbers[4] == "19 of 96"
    said = page.evaluate(STATUS)
    assert f"A, the ticket (19 of 96 weights), {numbers[0].split(',')[0]}; B, its mask shuffled, {numbers[3].split(',')[0]}" in said
    page.reload()
    page.wait_for_function(RESTS)
    assert page.evaluate(NUMBERS) == numbers
    assert "method=imp" in page.locator(".playground .real").get_attribute("href")
    page.get_by_label("Beside the ticket", exact=True).select_option("none")
    press(page, "Find a ticket")
    page.wait_for_function("() => document.querySelector('.status').textContent.startsWith('The ticket: 10 of 96 weights')")
    assert page.locator(".playground section").count() == 1


@pytest.mark.parametrize("query", ["do=c50m", "two=1&crit=snip&crit2=synflow&do=c90sy"])
def test_a_projector_shows_all_of_it_in_one_picture(address: str, page: Any, query: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    opened(page, address, f"{query}&projector=1")
    ends = """() => [...document.querySelectorAll('.playground :is(.bars, canvas, .actions, .ticket, .real)')]
      .map((one) => one.getBoundingClientRect().bottom)"""
    assert 300 < max(page.evaluate(ends)) < 720
    page.set_viewport_size({"width": 1440, "height": 1000})


def test_pasted_points_are_trained_on_and_stand_in_the_address(address: str, page: Any) -> None:
    opened(page, address)
    page.get_by_label("Data", exact=True).select_option("csv")
    text = page.get_by_label("Points as lines of x, y, class", exact=False)
    for wrong, said in (
        ("1,2", "There are 0 classes"),
        ("1,2,a\n1,x,b", 'Line 2 is not "number, number, class".'),
        ("1,2,a\n3,4,b", "There are 2 points; paste 4 to 1000."),
        ("1,2,a\n3,4,b\n5,6,c\n7,8,c", "There are 3 classes"),
    ):
        text.fill(wrong)
        press(page, "Use these points")
        assert page.evaluate(STATUS).startswith(said), wrong
    text.fill("x,y,class\n" + "\n".join(f"{x},{y},{'left' if x < 5 else 'right'}" for x in range(10) for y in range(3)))
    press(page, "Use these points")
    page.wait_for_function("() => location.search.includes('csv=')")
    assert page.locator(".playground .real").is_hidden()
    page.reload()
    page.wait_for_function(RESTS)
    press(page, "Train")
    page.wait_for_function("() => document.querySelector('.status').textContent === 'Done: every point is right.'")


def test_a_link_with_nonsense_is_read_as_far_as_it_makes_sense(address: str, page: Any) -> None:
    opened(page, address, "data=<b>&net=9999&seed=-1&lr=nan&crit=toString&two=2&csv=%00&do=t20.c500.xx")
    assert done(page) == "t20" and page.evaluate(NUMBERS)[1] == "1,152 of 1,152"
    opened(page, address, "data=csv&csv=AAAA")
    assert "Paste your points below" in page.evaluate(STATUS)


def test_run_this_for_real_names_the_same_problem(address: str, page: Any) -> None:
    opened(page, address, "data=moons&net=16-16&seed=7&lr=0.1&batch=64&crit=snip&do=c80s")
    link = urlsplit(page.locator(".playground .real").get_attribute("href"))
    said = {name: values[0] for name, values in parse_qs(link.query).items()}
    assert link.path == "/run"
    assert said == {"dataset": "moons", "arch": "mlp:16-16", "pruner": "snip", "seed": "7", "lr": "0.1", "batch_size": "64", "tau": "7.21"}


def test_it_rests_while_nobody_sees_it_and_leaves_nothing_behind(address: str, page: Any) -> None:
    opened(page, address, "data=two-spirals&lr=0.01")
    press(page, "Train")
    page.wait_for_function(f"() => ({STEPS})() > 0")
    page.locator(".playground").evaluate("node => { node.style.display = 'none'; }")
    page.wait_for_timeout(300)
    before = page.evaluate(STEPS)
    page.wait_for_timeout(400)
    assert page.evaluate(STEPS) == before
    page.locator(".playground").evaluate("node => { node.style.display = ''; }")
    page.wait_for_function(f"seen => ({STEPS})() > seen", arg=before)
    page.evaluate("() => { window.left = document.querySelector('.playground').playground; }")
    page.locator(".st-key-pages").get_by_role("link", name="Runs", exact=True).click()
    page.wait_for_function("() => !document.querySelector('.playground')")
    page.wait_for_function("() => window.left.loop.isStopped")
    frames = page.evaluate("() => window.left.frames")
    page.wait_for_timeout(400)
    assert page.evaluate("() => window.left.frames") == frames


def test_every_control_has_a_name_and_every_picture_says_what_it_shows(address: str, page: Any) -> None:
    opened(page, address, "two=1")
    unnamed = """() => [...document.querySelectorAll('.playground :is(select, input, textarea, button, a, canvas)')]
      .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent.trim())).map((one) => one.outerHTML)"""
    assert page.evaluate(unnamed) == []
    assert "1152 of 1152 weights kept" in page.locator(".playground canvas.net").first.get_attribute("aria-label")


@pytest.mark.parametrize("width", [400, 900, 1280])
def test_nothing_is_wider_than_the_window(address: str, page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 720})
    opened(page, address, "two=1")
    assert page.evaluate("() => document.querySelector('.playground').scrollWidth <= document.querySelector('.playground').clientWidth + 1")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    page.set_viewport_size({"width": 1440, "height": 1000})


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_text_can_be_read(address: str, page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    opened(page, address, "two=1&data=csv&do=c50ms")
    page.wait_for_timeout(1000)  # what fades in has come
    assert page.evaluate(PALE) == []
