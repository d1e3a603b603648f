"""What a run said of its twelve test images: before and after each cut, and at the end of each megabatch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # the engine reads IMAGES, and a worker begins half a second later with pandas
    import pandas as pd

IMAGES = 12


@dataclass(frozen=True)
class Told:
    """One image: its class, and what the network said of it then (None: not recorded) and now, each (class, confidence)."""

    place: int
    label: int
    then: tuple[int, float] | None
    now: tuple[int, float]

    @property
    def is_wrong(self) -> bool:
        """Whether it is wrong now."""
        return self.now[0] != self.label

    @property
    def became_wrong(self) -> bool:
        """Whether it was right then and is wrong now."""
        return self.is_wrong and self.then is not None and self.then[0] == self.label


@dataclass(frozen=True)
class Moment:
    """Two moments of a run that are told apart, in words, and the images at both."""

    then: str
    now: str
    images: tuple[Told, ...]


def moment(prunes: pd.DataFrame, megabatches: pd.DataFrame, named: Callable[[Mapping[str, Any]], str]) -> Moment | None:
    """The newest of these moments of a run against the one before its last cut; None where nothing was recorded. `named`: the stage of a
    row, in words."""
    cut, end = _last(prunes), _last(megabatches)
    if cut is None and end is None:
        return None
    before = cut["facts"]["images"].get("before") if cut is not None else None
    if end is not None and (cut is None or end["segment"] > cut["segment"]):
        found, now = end["facts"]["images"], f"at the end of {named(end)}"
    else:
        assert cut is not None
        found, now = cut["facts"]["images"], f"right after the cut of {named(cut)}"
    return Moment(f"before the cut of {named(cut)}" if cut is not None else "", now, told(found, before))


def told(found: Mapping[str, Any], before: Sequence[Sequence[float]] | None) -> tuple[Told, ...]:
    """The images of a record {places, labels, answers}, and what was said of them before."""
    then: list[tuple[int, float] | None] = [None] * len(found["places"])
    if before:
        then = [(int(label), float(share)) for label, share in before]
    now = [(int(label), float(share)) for label, share in found["answers"]]
    return tuple(Told(*one) for one in zip(found["places"], found["labels"], then, now, strict=False))


def _last(frame: pd.DataFrame) -> Mapping[str, Any] | None:
    """The newest row that has recorded the images."""
    for row in reversed(frame.to_dict("records")):
        if isinstance(row.get("facts"), dict) and row["facts"].get("images"):
            return row
    return None


def confusion(pairs: Sequence[Sequence[int]], classes: int) -> np.ndarray:
    """A matrix [true class, answered class] from counts [true, answered, images]."""
    found = np.zeros((classes, classes), dtype=np.int64)
    for true, answered, images in pairs:
        found[true, answered] += images
    return found


def mistakes(matrix: np.ndarray, most: int = 3) -> list[tuple[int, int, int]]:
    """The commonest mistakes: (true class, answered class, images), most frequent first."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    places = [(int(place // len(wrong)), int(place % len(wrong))) for place in order]
    return [(true, answered, int(wrong[true, answered])) for true, answered in places if wrong[true, answered]]
