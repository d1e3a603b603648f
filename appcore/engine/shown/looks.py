"""What a run looks at only so that pages can show it: twelve test images around each cut, images of earlier megabatches at each end.

Nothing of it is used by the run: no draw, no weight and no mode of the network changes. Timed as tests; as the counting of alive weights it
is in no count of FLOPs, which are those of the method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ... import seeds
from ...analysis.twelve_images import IMAGES
from ...masks.reads import read
from ...methods.base import Segment, hook
from ...planning.stream_sizes import watched_parts
from ..state import RunState
from ..stream import Data, normalised

PART_IMAGES = 100  # of each watched megabatch: the standard error of an accuracy is 5 points at most


def chosen(data: Data) -> list[int]:
    """Twelve places among the test images, the same for every run on them: of each class in turn, in an order drawn once for all."""
    labels = data.test_labels
    order = torch.randperm(len(labels), generator=seeds.generator(0, "test images")).tolist()
    seen: dict[int, int] = {}
    turns: list[tuple[int, int, int]] = []
    for place in order:
        seen[labels[place]] = seen.get(labels[place], 0) + 1
        turns.append((seen[labels[place]], len(turns), place))
    return [place for _, _, place in sorted(turns)[:IMAGES]]


@torch.no_grad()
def at_images(state: RunState, segment: Segment) -> dict[str, Any]:
    """The class that the network gives each of the twelve images, and how sure it is: {places, labels, answers: [[class, confidence]]}."""
    places = chosen(state.stream.data)
    with state.timed("test"):
        training = state.model.training
        answers = answers_of(evaluated(state, segment), images_at(state.stream.data, places), state.dtype)
        state.model.train(training)
    return {"places": places, "labels": [state.stream.data.test_labels[place] for place in places], "answers": answers}


def evaluated(state: RunState, segment: Segment) -> Callable[[Tensor], Tensor]:
    """The network for evaluation, as the method has it."""
    own = hook(state.config, "network")
    state.model.eval()
    return own(state, segment) if own else state.folded()


def images_at(data: Data, places: list[int]) -> Tensor:
    """Test images as the network reads them."""
    return normalised(data.test_x[places], data)


@torch.no_grad()
def answers_of(network: Callable[[Tensor], Tensor], images: Tensor, dtype: torch.dtype) -> list[list[float]]:
    """[class, confidence] for each image; a confidence that is not finite counts as none."""
    with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        logits = network(images)
    confidence, found = logits.float().softmax(1).max(1)
    labels, shares = read([found, confidence.nan_to_num()])
    return [[label, round(share, 4)] for label, share in zip(labels, shares, strict=True)]


def right_by_class(state: RunState, hits: Tensor) -> list[list[Any]]:
    """[name, megabatch that brings it, images right, images] of each class among the test images, in the order in which classes come; none
    where all come at once. `hits` [n] bool, on the CPU: which test images are right."""
    if not state.stream.classes:
        return []
    names, labels = state.stream.data.classes, torch.tensor(state.stream.data.test_labels)
    images = torch.bincount(labels, minlength=len(names)).tolist()
    right = torch.bincount(labels[hits], minlength=len(names)).tolist()
    return [[names[label], part, right[label], images[label]] for part, brought in enumerate(state.stream.classes) for label in brought]


def parts(state: RunState, megabatch: int) -> dict[int, Tensor]:
    """Watched megabatches up to this one, with places of training images that each brought; none where there is only one."""
    watched = watched_parts(state.config.megabatches)
    return {part: state.stream.train[part][:PART_IMAGES] for part in watched if part <= megabatch}


def unanswered(parts: dict[int, Tensor], answered: Tensor) -> Tensor:
    """The places of the parts that are not among those answered already: with full replay mostly none."""
    places = torch.cat([torch.empty(0, dtype=answered.dtype), *parts.values()])
    return places[~torch.isin(places, answered)]


def right_by_part(parts: dict[int, Tensor], answers: list[tuple[Tensor, Tensor]]) -> list[list[int]]:
    """[part, images right, images] of each part; answers are places [n] with [n] bool: which of them are right."""
    right = torch.cat([places[hits] for places, hits in answers])
    return [[part, int(torch.isin(places, right).sum()), len(places)] for part, places in parts.items()]
