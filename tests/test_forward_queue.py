"""What a page is still to be sent, when a timed fragment begins anew: nothing of it may be sent without the container it belongs in."""

from __future__ import annotations

import subprocess
import sys

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from appcore.ui import forward_queue

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
    forward_queue.mend()
    forward_queue.mend()
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


def test_streamlit_still_needs_it():
    """When this fails, Streamlit drops such charts by itself: remove appcore/ui/forward_queue.py."""
    code = (
        "import sys; sys.path.insert(0, 'tests'); import test_forward_queue as t; queue = t.ForwardMsgQueue(); t.page_run(queue);"
        "queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=['moving']); print(t.CHART in t.paths(queue))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=forward_queue.__file__.split("appcore")[0]
    )
    assert said.stdout.strip() == "True"
