"""Twelve images over time, and confusion, by hand."""

from __future__ import annotations

import pandas as pd

from appcore.analysis import twelve_images
from appcore.analysis.twelve_images import Told

CUT = {"places": [4, 9], "labels": [1, 0], "before": [[1, 0.9], [1, 0.6]], "answers": [[2, 0.5], [0, 0.7]]}
END = {"places": [4, 9], "labels": [1, 0], "answers": [[1, 0.8], [1, 0.7]]}
PRUNES = pd.DataFrame([{"segment": 0, "megabatch": 0, "facts": {"images": CUT}}])
ENDS = pd.DataFrame([{"segment": 3, "megabatch": 0, "facts": {"images": END, "parts": [[0, 9, 10]]}, "run_id": "a"}])


def named(row) -> str:
    return f"megabatch {row['megabatch'] + 1}"


def test_right_after_a_cut_images_are_told_with_what_was_said_before_it():
    found = twelve_images.moment(PRUNES, ENDS.iloc[:0], named)
    assert found.then == "before the cut of megabatch 1" and found.now == "right after the cut of megabatch 1"
    assert found.images == (Told(4, 1, (1, 0.9), (2, 0.5)), Told(9, 0, (1, 0.6), (0, 0.7)))
    assert [image.became_wrong for image in found.images] == [True, False]


def test_at_the_end_of_a_megabatch_they_are_told_with_what_was_said_before_its_cut():
    found = twelve_images.moment(PRUNES, ENDS, named)
    assert found.now == "at the end of megabatch 1"
    assert [(image.is_wrong, image.became_wrong) for image in found.images] == [(False, False), (True, False)]


def test_of_runs_that_recorded_nothing_nothing_is_told():
    old = pd.DataFrame([{"segment": 3, "megabatch": 0, "facts": None, "run_id": "a"}])
    assert twelve_images.moment(old.iloc[:0], old, named) is None


def test_confusion_counts_true_against_answered_and_names_the_commonest_mistakes():
    matrix = twelve_images.confusion([[0, 0, 5], [0, 1, 2], [1, 0, 3], [1, 1, 4]], 2)
    assert matrix.tolist() == [[5, 2], [3, 4]]
    assert twelve_images.mistakes(matrix) == [(1, 0, 3), (0, 1, 2)]
