"""Fixes for two bugs of Streamlit (1.67) with timed fragments. tests/test_mends.py says when either can go.

A white page. When a tick begins, what the run before it had drawn in that fragment and not yet sent is dropped. Elements of over 10 kB that
the browser has already, our charts, stand in the queue as references, which do not say what fragment they are of: they were kept without
the containers they belong in, and the browser was asked to put a chart where there is no place ("'setIn' cannot be called on an
ElementNode", "Bad delta path index").

A click that counts twice. The browser sends a click shortly after it happens; a tick that is due in between carries the click too,
and its callback was called for both. One button that resumes and then pauses did both.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

_TRIGGERS = ("trigger_value", "string_trigger_value", "json_trigger_value", "chat_input_value")  # values that exist for one script run only


def mend() -> None:
    """Apply the fixes to this process, also for pages that are open. Once is enough."""
    with suppress(
        ImportError, AttributeError
    ):  # a Streamlit with other internals stays as it is; the tests show whether it still needs the fixes
        from streamlit.runtime.app_session import AppSession
        from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

        if not hasattr(ForwardMsgQueue, "_roots"):
            _drop_references_with_their_fragment(ForwardMsgQueue)
            _take_clicks_from_clicks_only(AppSession)


def _drop_references_with_their_fragment(queues: Any) -> None:
    enqueue, clear = queues.enqueue, queues.clear

    def enqueue_and_note(queue: Any, msg: Any) -> None:
        if msg.HasField("delta") and msg.delta.fragment_id:
            path, roots = tuple(msg.metadata.delta_path), queue.__dict__.setdefault("_roots", {})
            if len(path) <= len(roots.get(msg.delta.fragment_id, path)):
                roots[msg.delta.fragment_id] = path  # of its outermost container, where a fragment begins
        enqueue(queue, msg)

    def clear_references_too(queue: Any, *args: Any, fragment_ids_this_run: list[str] | None = None, **more: Any) -> None:
        clear(queue, *args, fragment_ids_this_run=fragment_ids_this_run, **more)
        roots = [queue._roots[name] for name in fragment_ids_this_run or () if name in queue._roots]
        queue._queue = [msg for msg in queue._queue if not (msg.HasField("ref_hash") and _is_inside(msg, roots))]

    queues._roots = {}
    queues.enqueue, queues.clear = enqueue_and_note, clear_references_too


def _is_inside(msg: Any, roots: list[tuple[int, ...]]) -> bool:
    return any(tuple(msg.metadata.delta_path[: len(root)]) == root for root in roots)


def _take_clicks_from_clicks_only(sessions: Any) -> None:
    request_rerun = sessions.request_rerun

    def request_rerun_without_clicks(session: Any, client_state: Any, **more: Any) -> None:
        if client_state is not None and client_state.is_auto_rerun:
            widgets = client_state.widget_states.widgets
            kept = [widget for widget in widgets if widget.WhichOneof("value") not in _TRIGGERS]
            if len(kept) < len(widgets):
                del widgets[:]
                widgets.extend(kept)
        request_rerun(session, client_state, **more)

    sessions.request_rerun = request_rerun_without_clicks
