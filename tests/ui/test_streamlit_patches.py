"""What Streamlit does wrong beside timed fragments does not happen here; and two tests say when it no longer does it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import browser
import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from appcore.ui.app import streamlit_patches

PLACE, INSIDE, CHART, BELOW = (0, 2), (0, 2, 0), (0, 2, 0, 4), (0, 3)


def message(path: tuple[int, ...], *, fragment: str = "", is_block: bool = False, is_reference: bool = False) -> ForwardMsg:
    """One message of a page, as Streamlit makes it."""
    msg = ForwardMsg()
    msg.metadata.delta_path.extend(path)
    if is_reference:
        msg.ref_hash = "of a chart that the browser has"
        return msg
    if fragment:
        msg.delta.fragment_id = fragment
    if is_block:
        msg.delta.add_block.allow_empty = True
    else:
        msg.delta.new_element.text.body = "words"
    return msg


def page_run(queue: ForwardMsgQueue, *, sent: int = 0) -> None:
    """A whole page: a place, in it a fragment with a chart, below it something else; the first `sent` messages have gone out."""
    messages = [
        message(PLACE, is_block=True),
        message(INSIDE, fragment="moving", is_block=True),
        message(CHART, is_reference=True),
        message(BELOW, is_reference=True),
    ]
    for number, each in enumerate(messages, 1):
        queue.enqueue(each)
        if number == sent:
            queue.flush()


def paths(queue: ForwardMsgQueue) -> list[tuple[int, ...]]:
    """Where the messages go that are still to be sent."""
    return [tuple(msg.metadata.delta_path) for msg in queue.flush()]


@pytest.fixture
def queue() -> ForwardMsgQueue:
    """A queue, mended."""
    streamlit_patches.mend()
    streamlit_patches.mend()
    return ForwardMsgQueue()


def test_a_tick_drops_charts_of_its_fragment_with_the_container(queue):
    page_run(queue)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["moving"])
    assert paths(queue) == [PLACE, BELOW]


def test_a_tick_drops_charts_whose_container_has_been_sent(queue):
    page_run(queue, sent=2)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["moving"])
    assert paths(queue) == [BELOW]


def test_ticks_of_another_fragment_keep_everything(queue):
    page_run(queue)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["another"])
    assert paths(queue) == [PLACE, INSIDE, CHART, BELOW]


def test_one_page_says_nothing_about_another(queue):
    page_run(queue)
    other = ForwardMsgQueue()
    other.enqueue(message(CHART, is_reference=True))
    other.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["moving"])
    assert paths(other) == [CHART]


@pytest.mark.thorough
def test_streamlit_still_keeps_charts_without_their_container():
    """When this fails, Streamlit drops them by itself: remove that half of appcore/ui/app/streamlit_patches.py."""
    code = (
        "import test_streamlit_patches as t; queue = t.ForwardMsgQueue(); t.page_run(queue);"
        "queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=['moving']); print(t.CHART in t.paths(queue))"
    )
    places = (browser.ROOT, browser.ROOT / "tests" / "helpers", Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert said.stdout.strip() == "True"


# Streamlit's page sends a click with a timer of 0 ms. In a browser that is busy ticks come in between; here they surely do.
LATE = """() => {
  const now = window.setTimeout.bind(window);
  window.setTimeout = (call, delay, ...more) => now(call, window.isLate && !delay ? 700 : delay, ...more);
}"""
CLICK = "key => { window.isLate = true; document.querySelector(`.st-key-${key} button`).click(); window.isLate = false; }"


def counted(folder: Path, button: str, monkeypatch: pytest.MonkeyPatch, *, mended: bool) -> int:
    """What one click is counted as while ticks come."""
    sync_api = pytest.importorskip("playwright.sync_api")
    monkeypatch.setenv("MENDED", str(int(mended)))
    monkeypatch.setenv("PYTHONPATH", str(browser.ROOT))
    with browser.app(folder, script="tests/helpers/clicks_app.py") as address, sync_api.sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS)).new_page()
        page.set_default_timeout(browser.PATIENCE)
        page.goto(address)
        page.get_by_text("inside 0").wait_for()
        page.evaluate(f"({LATE})()")
        page.locator(f".st-key-{button} button").wait_for()
        page.evaluate(CLICK, button)
        page.wait_for_function("() => /inside [1-9]/.test(document.body.innerText)")
        page.wait_for_timeout(2000)  # for the second message, which comes within a second
        return int(page.get_by_text("inside").last.inner_text().split()[-1])


needs_chromium = pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")


@pytest.mark.slow
@needs_chromium
@pytest.mark.browser
@pytest.mark.parametrize("button", ["outside", "inside"])
def test_a_click_counts_once_when_ticks_come_before_it_is_sent(button, tmp_path, monkeypatch):
    assert counted(tmp_path, button, monkeypatch, mended=True) == 1


@pytest.mark.slow
@needs_chromium
@pytest.mark.browser
def test_streamlit_still_counts_such_a_click_twice(tmp_path, monkeypatch):
    """When this fails, Streamlit counts it once by itself: remove that half of appcore/ui/app/streamlit_patches.py."""
    assert counted(tmp_path, "outside", monkeypatch, mended=False) > 1
