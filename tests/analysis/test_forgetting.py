"""Forgetting, by hand: accuracy on parts and classes, average forgetting and backward transfer."""

from __future__ import annotations

import pandas as pd
import pytest

from appcore.analysis import forgetting
from appcore.analysis.anytime import accuracy_on_seen


def ends(*facts: object, run_id: str = "a") -> pd.DataFrame:
    return pd.DataFrame([{"segment": t, "megabatch": t, "facts": one, "run_id": run_id} for t, one in enumerate(facts)])


PARTS = ends({"parts": [[0, 9, 10]]}, {"parts": [[0, 10, 10], [1, 8, 10]]}, {"parts": [[0, 5, 10], [1, 7, 10], [2, 6, 10]]})
CLASSES = ends(
    {"classes": [["cat", 0, 8, 10], ["dog", 0, 12, 20], ["owl", 1, 0, 10], ["fox", 1, 1, 10]]},
    {"classes": [["cat", 0, 2, 10], ["dog", 0, 10, 20], ["owl", 1, 9, 10], ["fox", 1, 10, 10]]},
)


def test_accuracy_on_the_images_of_each_part() -> None:
    found = forgetting.on_parts(PARTS, "a")
    assert found.iloc[0].to_dict() == {"part": 0, "megabatch": 0, "accuracy": 0.9, "images": 10} and len(found) == 6
    assert forgetting.on_classes(PARTS, "a").empty and forgetting.on_parts(PARTS, "b").empty


def test_where_classes_come_one_after_another_a_part_is_the_test_images_of_its_classes() -> None:
    """Classes that have not come are no part of it, and larger classes count for more."""
    found = forgetting.on_parts(CLASSES, "a").to_dict("records")
    assert found == [
        {"part": 0, "megabatch": 0, "accuracy": pytest.approx(20 / 30), "images": 30},
        {"part": 0, "megabatch": 1, "accuracy": pytest.approx(12 / 30), "images": 30},
        {"part": 1, "megabatch": 1, "accuracy": pytest.approx(19 / 20), "images": 20},
    ]
    classes = forgetting.on_classes(CLASSES, "a")
    assert len(classes) == 8 and classes.iloc[3].to_dict() == {"name": "fox", "part": 1, "megabatch": 0, "accuracy": 0.1, "images": 10}
    assert [accuracy_on_seen(row["facts"]["classes"], row["megabatch"]) for row in CLASSES.to_dict("records")] == [20 / 30, 31 / 50]
    assert accuracy_on_seen([], 3) is None is accuracy_on_seen([["owl", 0, 0, 0]], 0)


def test_forgetting_is_from_the_best_and_backward_transfer_from_the_first() -> None:
    found = forgetting.measured(forgetting.on_parts(PARTS, "a"))
    assert found.average_forgetting == pytest.approx(((1.0 - 0.5) + (0.8 - 0.7)) / 2)
    assert found.backward_transfer == pytest.approx(((0.5 - 0.9) + (0.7 - 0.8)) / 2)
    found = forgetting.measured(forgetting.on_parts(CLASSES, "a"))
    assert found.average_forgetting == pytest.approx(8 / 30) == -found.backward_transfer


def test_what_improves_later_is_forgotten_less_than_nothing() -> None:
    found = forgetting.measured(forgetting.on_parts(ends({"parts": [[0, 5, 10]]}, {"parts": [[0, 8, 10], [1, 8, 10]]}), "a"))
    assert (found.average_forgetting, found.backward_transfer) == pytest.approx((-0.3, 0.3))


def test_of_one_megabatch_or_of_nothing_nothing_is_measured() -> None:
    for table in (PARTS.iloc[:1], CLASSES.iloc[:1], ends(None, {}), ends({"parts": None})):
        assert forgetting.measured(forgetting.on_parts(table, "a")) is None
