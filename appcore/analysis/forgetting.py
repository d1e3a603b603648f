"""What a run still knows of earlier megabatches: accuracy on each part of the stream at the end of each megabatch, and what is made of it.

Where classes come one after another, a part is tested on the test images of its classes; in a stream of one distribution, whose parts have
no test images of their own, on some of the training images that it brought. Fractions, never percent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

_PARTS = ["part", "megabatch", "accuracy", "images"]


def on_parts(megabatches: pd.DataFrame, run_id: str) -> pd.DataFrame:
    """Accuracy on each part that has come, at the end of each megabatch: part, megabatch (from 0), accuracy, images. Empty where a run did
    not record it."""
    tested = on_classes(megabatches, run_id)
    if tested.empty:
        return _on_training_images(megabatches, run_id)
    come = tested[tested["part"] <= tested["megabatch"]]
    sums = come.assign(right=come["accuracy"] * come["images"]).groupby(["part", "megabatch"], as_index=False)[["right", "images"]].sum()
    return sums.assign(accuracy=sums["right"] / sums["images"])[_PARTS]


def on_classes(megabatches: pd.DataFrame, run_id: str) -> pd.DataFrame:
    """Accuracy on the test images of each class at the end of each megabatch: name, part (the megabatch that brings it), megabatch,
    accuracy, images. Classes that have not come yet are among them; empty where all come at once."""
    rows = [
        {"name": name, "part": int(part), "megabatch": megabatch, "accuracy": right / images, "images": int(images)}
        for megabatch, facts in _facts(megabatches, run_id)
        for name, part, right, images in facts.get("classes") or ()
        if images
    ]
    return pd.DataFrame(rows, columns=["name", *_PARTS])


def _on_training_images(megabatches: pd.DataFrame, run_id: str) -> pd.DataFrame:
    rows = [
        {"part": int(part), "megabatch": megabatch, "accuracy": right / images, "images": int(images)}
        for megabatch, facts in _facts(megabatches, run_id)
        for part, right, images in facts.get("parts") or ()
    ]
    return pd.DataFrame(rows, columns=_PARTS)


def _facts(megabatches: pd.DataFrame, run_id: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for row in megabatches[megabatches["run_id"] == run_id].to_dict("records"):
        if isinstance(row.get("facts"), dict):
            yield int(row["megabatch"]), row["facts"]


@dataclass(frozen=True)
class Forgetting:
    """The measures at the last end, over all parts but the one that came last.

    `average_forgetting`: the best accuracy that a part has had before, minus that of now (Chaudhry et al., arXiv 1801.10112);
    `backward_transfer`: the accuracy of now minus that at the end of the part's own megabatch (Lopez-Paz and Ranzato, arXiv 1706.08840).
    """

    average_forgetting: float
    backward_transfer: float


def measured(found: pd.DataFrame) -> Forgetting | None:
    """The measures of `on_parts`; None while only one megabatch has ended."""
    if found.empty:
        return None
    table = found.pivot(index="part", columns="megabatch", values="accuracy").sort_index(axis=1)
    last = table.columns[-1]
    rows = [table.loc[part].dropna() for part in table.index if part < last]
    rows = [row for row in rows if row.index[-1] == last and len(row) > 1]
    if not rows:
        return None
    forgotten = [row.iloc[:-1].max() - row.iloc[-1] for row in rows]
    moved = [row.iloc[-1] - row.iloc[0] for row in rows]
    return Forgetting(float(sum(forgotten) / len(rows)), float(sum(moved) / len(rows)))
