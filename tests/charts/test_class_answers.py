"""Answers of a class: counted right, drawn as they are, and escaped."""

from __future__ import annotations

import numpy as np

from appcore import markup
from appcore.analysis import class_answers
from appcore.charts.classroom.answers import answers as figure

CHOICE = {"id": "l.c", "kind": "choice", "text": "?", "options": ["<b>none</b>", "half"], "sure": ["a guess", "fairly sure", "certain"]}
ORDER = {"id": "l.o", "kind": "order", "text": "?", "options": ["SNIP", "random", "magnitude"]}
CURVE = {
    "id": "l.v",
    "kind": "curve",
    "text": "?",
    "options": ["1", "0.5"],
    "low": 0.0,
    "high": 100.0,
    "x": "density",
    "y": "accuracy",
    "unit": "%",
}
CHOSEN = [{"option": 1, "sure": 2}, {"option": 1, "sure": 2}, {"option": 1, "sure": 0}, {"option": 0, "sure": 1}]
ORDERS = [[0, 2, 1], [0, 1, 2], [2, 0, 1]]
DRAWN = [[10.0, 0.0], [20.0, 0.0], [30.0, 40.0], [40.0, 80.0], [50.0, 100.0]]


def test_counts() -> None:
    assert class_answers.chosen(CHOSEN, 2, 3).tolist() == [[0, 1, 0], [1, 0, 2]]
    assert class_answers.places(ORDERS, 3).tolist() == [[2, 1, 0], [0, 1, 2], [1, 1, 1]]
    band = class_answers.band(DRAWN)
    assert {name: values.tolist() for name, values in band.items()} == {
        "lowest": [10, 0],
        "lower": [20, 0],
        "median": [30, 40],
        "upper": [40, 80],
        "highest": [50, 100],
    }


def test_bars_are_the_counts_and_the_right_one_is_marked() -> None:
    drawn = figure(CHOICE, CHOSEN, {"answer": 1})
    assert [list(bar.x) for bar in drawn.data[:3]] == [[0, 1], [1, 0], [0, 2]] and drawn.data[3].text == (" 1", " 3")
    assert drawn.data[0].y[1] == markup.bold("✓ half") and "4 answers" in drawn.layout.title.subtitle.text
    assert "✓" not in "".join(figure(CHOICE, CHOSEN).data[0].y)
    assert "<b>none" not in markup.figure(drawn.to_json())


def test_a_row_is_as_high_as_its_name_has_lines() -> None:
    """On a projector type grows by 1.4 and a chart by 1.2: names of two lines lay over their neighbours."""
    short, long = (figure({**CHOICE, "options": ["no", "yes", option]}, []) for option in ("half", "three quarters: " + 4 * "half of it "))
    assert markup.BREAK in long.data[0].y[2] and long.layout.height - short.layout.height >= 3 * 14
    items = {**ORDER, "options": ["SNIP", "random", "the smallest of all weights of a whole network first"]}
    assert figure(items, []).layout.height > figure(ORDER, []).layout.height


def test_places_are_framed_where_the_truth_is() -> None:
    drawn = figure(ORDER, ORDERS, {"answer": [2, 0, 1]})
    (heat,) = drawn.data
    assert np.allclose(heat.z, np.array([[1, 1, 1], [2, 1, 0], [0, 1, 2]]) / 3) and list(heat.y) == ["magnitude", "SNIP", "random"]
    assert len(drawn.layout.shapes) == 3 and len(figure(ORDER, ORDERS).layout.shapes) == 0
    assert list(figure(ORDER, ORDERS).data[0].y) == ORDER["options"]


def test_curves_are_a_band_with_the_measured_one_over_it() -> None:
    drawn = figure(CURVE, DRAWN, {"answer": [99, 50], "low": [98, 40], "high": [100, 60]})
    assert [trace.name for trace in drawn.data] == ["all of the class", "the middle half", "median of the class", "measured, 95\u00a0%"]
    assert list(drawn.data[0].y) == [50, 100, 0, 10] and list(drawn.data[2].y) == [30, 40] and list(drawn.data[3].error_y.array) == [1, 10]


def test_nobody_answered() -> None:
    for asked, truth in (
        (CHOICE, {"answer": 0}),
        (ORDER, {"answer": [0, 1, 2]}),
        (CURVE, {"answer": [9, 5], "low": [8, 4], "high": [9, 6]}),
    ):
        for shown in (truth, None):
            assert "0 answers" in figure(asked, [], shown).layout.title.subtitle.text
