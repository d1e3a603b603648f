"""What a network at one checkpoint does: its answers to the twelve test images, the confusion of the classes, its first filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..state import RunState
from ..threads import use_threads
from . import looks

Report = Callable[[float], None]  # is told the share that is done, and may raise to end the work


@torch.no_grad()
def look(state: RunState, report: Report) -> dict[str, Any]:
    """Plain numbers and arrays: pictures of the twelve images with places, labels and answers; the names of the classes; pairs [true,
    answered, images] over all test images; the weights of the first layer that reads the images."""
    use_threads(1)  # the training thread may be running
    data = state.stream.data
    network, places = state.folded(), looks.chosen(data)
    found: dict[str, Any] = {
        "cursor": state.cursor,
        "places": places,
        "labels": [data.test_labels[place] for place in places],
        "pictures": [data.test_x[place].cpu().numpy() for place in places],
        "answers": looks.answers_of(network, looks.images_at(data, places), state.dtype),
        "classes": list(data.classes),
    }
    first = next((name for name in state.masks if state.masks[name].dim() == 4), None)
    if first is not None:
        weights = state.model.get_parameter(first).detach().float().cpu().contiguous().numpy()
        found["first"] = {"name": first, "weights": weights}
    return found | {"pairs": _pairs(state, network, report)}


def _pairs(state: RunState, network: Callable, report: Report) -> list[list[int]]:
    data = state.stream.data
    counts = torch.zeros(len(data.classes) ** 2, dtype=torch.int64)
    done = 0
    for x, y in state.stream.test():
        with torch.autocast(x.device.type, state.dtype, enabled=state.dtype != torch.float32):
            answered = network(x).argmax(1)
        counts += torch.bincount((y * len(data.classes) + answered).cpu(), minlength=len(counts))
        done += len(y)
        report(done / len(data.test_y))
    some = counts.nonzero()[:, 0].tolist()
    return [[place // len(data.classes), place % len(data.classes), int(counts[place])] for place in some]
