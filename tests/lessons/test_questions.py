"""How answers are read and judged, on numbers checked by eye."""

from __future__ import annotations

from typing import Any

import pytest

from appcore.errors import InputError
from appcore.lessons.base import Choice, Curve, Item, Number, Of, Option, Order, Point
from appcore.lessons.numbers import FAILS, HOLDS, UNDECIDED, is_above

RANGES = Choice("fall", "How far?", "a", (Option("below 60 %", below=60), Option("60 to 90 %", 60, 90), Option("above", 90)))
VERDICTS = Choice("who", "Who wins?", "a", tuple(Option(verdict, verdict=verdict) for verdict in (HOLDS, UNDECIDED, FAILS)))
THREE = Order("order", "In which order?", (Item("A", "a"), Item("B", "b"), Item("C", "c")))
LINE = Curve("line", "Draw it", tuple(Point(str(place), Of("a")) for place in range(3)), "megabatch", "accuracy")


def number(*values: float, **more: Any) -> Number:
    return Number(dict(enumerate(values)), "%", **more)


def test_a_number_says_mean_spread_interval_and_what_that_decides() -> None:
    found = number(10.0, 12.0, 14.0)
    assert (str(found), found.mean, found.seeds) == ("12.0\u00a0±\u00a02.0\u00a0%", "12.0\u00a0%", "3 seeds")
    assert found.interval == "7.0 to 17.0\u00a0%"  # 12 ± 4.303 * 2 / sqrt(3)
    assert number(4.5, 4.5).interval == "4.5 to 4.5\u00a0%" and str(number(4.5, 4.5)) == "4.5\u00a0%"
    difference = Number({0: 1.0, 1: 3.0, 2: 2.0}, "points", is_difference=True)
    assert difference.says == "+2.0\u00a0points (95\u00a0%: -0.5 to +4.5\u00a0points, 3 seeds); the interval holds zero: **undecided**"
    assert "decides nothing" in Number({0: 1.0}, "points").says
    assert [number(*values).verdict for values in ((5, 6, 7), (-1, 0, 1), (-5, -6, -7))] == [HOLDS, UNDECIDED, FAILS]


def test_one_seed_decides_nothing() -> None:
    assert number(50.0).verdict == UNDECIDED


def test_numbers_are_compared_seed_by_seed() -> None:
    first, second = number(10, 50, 90), number(9, 48.5, 89)  # far apart, and yet always above
    assert is_above(first, second) and not is_above(second, first)
    assert not is_above(number(10, 12, 9), number(11, 10, 9.5))
    assert is_above(Number({0: 2.0}), Number({5: 1.0}))  # no seed in common: the means


@pytest.mark.parametrize(("mean", "right"), [(59.9, 0), (60, 1), (89.99, 1), (100, 2)])
def test_a_choice_is_right_where_the_number_lies(mean: float, right: int) -> None:
    assert RANGES.right(number(mean, mean)) == right
    assert RANGES.judge({"option": right, "sure": 1}, number(mean, mean)).score == 1
    wrong = RANGES.judge({"option": (right + 1) % 3, "sure": 2}, number(mean, mean))
    assert wrong.score == 0 and RANGES.options[right].text in wrong.words and "certain" in wrong.words


def test_a_choice_between_verdicts_follows_the_interval() -> None:
    assert [VERDICTS.right(number(*values)) for values in ((5, 6, 7), (-1, 0, 1), (-5, -6, -7))] == [0, 1, 2]


def test_a_choice_without_an_option_for_a_number_says_so() -> None:
    with pytest.raises(InputError, match="no option holds 95"):
        Choice("fall", "", "a", RANGES.options[:2]).right(number(95, 95))


def test_an_order_is_judged_by_pairs_and_what_the_seeds_leave_open_counts_either_way() -> None:
    truths = [number(10, 11, 12), number(20, 21, 22), number(20.5, 20.4, 22.3)]  # C and B: undecided
    assert THREE.right(truths) == [2, 1, 0]
    assert THREE.judge([1, 2, 0], truths).score == THREE.judge([2, 1, 0], truths).score == 1
    found = THREE.judge([1, 0, 2], truths)
    assert found.score == pytest.approx(2 / 3) and "2 of 3 pairs" in found.words and "C does better than A" in found.words


def test_a_curve_is_judged_by_its_distance() -> None:
    truths = [number(79, 80, 81), number(49, 50, 51), number(20, 20, 20)]
    assert LINE.judge([80, 50, 20], truths).score == 1
    found = LINE.judge([80, 80, 20], truths)
    assert found.score == pytest.approx(0.8)  # 10 points of 50 away
    assert found.words == "You were 10\u00a0points away on average, most at 1 (30). 2 of 3 points lie in the interval."
    assert LINE.judge([0, 100, 100], truths).score == 0


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        *((RANGES, wrong) for wrong in (None, {}, {"option": 3}, {"option": True}, {"option": "1"}, {"option": 1, "sure": 9}, [1])),
        *((THREE, wrong) for wrong in (None, [], [0, 1], [0, 1, 1], [0, 1, 5], ["0", 1, 2], "012", {"0": 1})),
        *((LINE, wrong) for wrong in (None, [1, 2], [1, 2, 101], [1, 2, float("nan")], [1, 2, "3"], [1, 2, True], {"a": 1})),
    ],
)
def test_what_is_no_answer_is_refused(question: Any, answer: Any) -> None:
    with pytest.raises(InputError, match=f"question {question.id}: this is no answer"):
        question.checked(answer)


def test_answers_are_plain_data() -> None:
    assert RANGES.checked({"option": 2, "sure": 0, "more": "x"}) == {"option": 2, "sure": 0}
    assert THREE.checked((2, 0, 1)) == [2, 0, 1] and LINE.checked([1, 2.5, 3]) == [1.0, 2.5, 3.0]
