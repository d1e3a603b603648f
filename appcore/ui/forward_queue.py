"""Mends what Streamlit (1.67) keeps of a timed fragment in its queue of messages to a browser.

When a tick begins, what the tick or page run before it had drawn in that fragment and not yet sent is dropped. Elements of over 10 kB that
the browser has already, our charts, stand in the queue as references, which do not say what fragment they are of: they were kept without
the containers they belong in, and the browser, told to put a chart where there is no place, showed a white page ("'setIn' cannot
be called on an ElementNode", "Bad delta path index"). tests/test_forward_queue.py says when this file can go.
"""

from __future__ import annotations

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

Path = tuple[int, ...]


def mend() -> None:
    """Let every queue, those of open pages too, drop the references of a fragment with the rest of it. Once is enough."""
    if hasattr(ForwardMsgQueue, "_roots"):
        return
    enqueue, clear = ForwardMsgQueue.enqueue, ForwardMsgQueue.clear

    def enqueue_and_note(queue: ForwardMsgQueue, msg: ForwardMsg) -> None:
        if msg.HasField("delta") and msg.delta.fragment_id:
            path, roots = tuple(msg.metadata.delta_path), queue.__dict__.setdefault("_roots", {})
            if len(path) <= len(roots.get(msg.delta.fragment_id, path)):
                roots[msg.delta.fragment_id] = path  # of its outermost container, where a fragment begins
        enqueue(queue, msg)

    def clear_references_too(
        queue: ForwardMsgQueue, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None
    ) -> None:
        clear(queue, retain_lifecycle_msgs, fragment_ids_this_run)
        roots = [queue._roots[name] for name in fragment_ids_this_run or () if name in queue._roots]
        queue._queue = [msg for msg in queue._queue if not (msg.HasField("ref_hash") and _is_inside(msg, roots))]

    ForwardMsgQueue._roots = {}
    ForwardMsgQueue.enqueue, ForwardMsgQueue.clear = enqueue_and_note, clear_references_too


def _is_inside(msg: ForwardMsg, roots: list[Path]) -> bool:
    return any(tuple(msg.metadata.delta_path[: len(root)]) == root for root in roots)
