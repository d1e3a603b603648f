"""Pictures of answers show what was measured, and what was answered beside it."""

from __future__ import annotations

import pytest

from appcore import markup
from appcore.charts.lessons import answers
from appcore.lessons.base import Choice, Curve, Item, Number, Of, Option, Order, Point
from appcore.lessons.numbers import FAILS, HOLDS, UNDECIDED


def number(*values: float, is_difference: bool = False) -> Number:
    return Number(dict(enumerate(values)), "points" if is_difference else "%", is_difference=is_difference)


def test_a_number_is_drawn_with_its_mean_interval_and_seeds() -> None:
    figure = answers.numbers("What?", [("one", number(10.0, 12.0, 14.0))])
    seeds, mean = figure.data
    assert list(seeds.x) == [10, 12, 14] and list(mean.x) == [12] and mean.text == ("12.0\u00a0±\u00a02.0\u00a0%",)
    assert mean.error_x.array[0] == pytest.approx(4.303 * 2 / 3**0.5, abs=1e-3)
    assert figure.layout.xaxis.range[0] < 0 < 14 < figure.layout.xaxis.range[1]
    (alone,) = [trace for trace in answers.numbers("What?", [("one", number(10.0))]).data if trace.name == "one"]
    assert alone.error_x.array is None  # one seed has no interval


def test_the_chosen_option_is_a_part_of_the_axis_and_in_sight() -> None:
    question = Choice("q", "?", "a", (Option("low", below=60), Option("high", 60)))
    truth = number(99.0, 98.0)
    figure = answers.choice(question, truth, [], {"option": 0, "sure": 0}, "a")
    (band,) = figure.layout.shapes
    assert band.x1 == 60 and [note.text for note in figure.layout.annotations] == ["you: low"]
    assert not answers.choice(question, truth, [], None, "a").layout.shapes  # skipped


@pytest.mark.parametrize(("verdict", "side"), [(HOLDS, 1), (FAILS, -1), (UNDECIDED, 0)])
def test_a_verdict_is_a_side_of_zero(verdict: str, side: int) -> None:
    question = Choice("q", "?", "a", tuple(Option(one, verdict=one) for one in (HOLDS, UNDECIDED, FAILS)))
    place = [option.verdict for option in question.options].index(verdict)
    figure = answers.choice(question, number(-1.0, 2.0, is_difference=True), [], {"option": place, "sure": 0}, "a")
    bands = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert len(bands) == abs(side)
    assert all((band.x0 == 0 and band.x1 > 0) if side > 0 else (band.x1 == 0 and band.x0 < 0) for band in bands)


def test_an_order_is_drawn_best_first_with_the_places_that_were_given() -> None:
    question = Order("q", "?", (Item("A", "a"), Item("B", "b"), Item("C", "c")))
    figure = answers.order(question, [number(1, 2), number(5, 6), number(3, 4)], [0, 1, 2])
    assert list(figure.layout.yaxis.ticktext) == ["B", "C", "A"]
    assert answers.wrapped("The shuffled mask, with the first values").count(markup.BREAK) == 2
    assert [note.text for note in figure.layout.annotations] == ["you: 2.", "you: 3.", "you: 1."]


def test_a_curve_is_drawn_over_the_measured_one() -> None:
    question = Curve("q", "?", tuple(Point(str(place), Of("a")) for place in range(3)), "part", "kept", low=0, high=50)
    truths = [number(10, 12), number(20, 22), number(49, 51)]
    drawn = {trace.name: list(trace.y) for trace in answers.curve(question, truths, [1.0, 2.0, 3.0]).data}
    assert drawn["your curve"] == [1, 2, 3] and drawn["measured, 2 seeds"] == [11, 21, 50]
    assert max(drawn["interval, above"]) == 50  # no further than the picture
    assert "your curve" not in {trace.name for trace in answers.curve(question, truths, None).data}


def test_of_one_seed_no_interval_is_drawn() -> None:
    question = Curve("q", "?", tuple(Point(str(place), Of("a")) for place in range(3)), "part", "gap", low=0, high=100, unit="points")
    alone = [Number({0: value}, "points", limits=(-100.0, 100.0)) for value in (10.0, 20.0, 30.0)]
    drawn = {trace.name: list(trace.y) for trace in answers.curve(question, alone, None).data}
    assert drawn["interval, above"] == drawn["interval, below"] == [10, 20, 30]
    assert question.judge([10.0, 20.0, 30.0], alone).words == "You were 0\u00a0points away on average, most at 0 (0)."
