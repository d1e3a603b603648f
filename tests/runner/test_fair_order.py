"""The order in which users who wait are served."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from appcore.runner.fair_order import fair_order


@pytest.mark.parametrize(
    ("owners", "training", "served", "order"),
    [
        ("", {}, {}, []),
        ("aaa", {"a": 3}, {"a": 9}, [0, 1, 2]),  # somebody alone: as they came
        ("aaaab", {}, {}, [0, 4, 1, 2, 3]),  # many of one do not hold up the one of another
        ("aaaab", {"a": 2}, {"a": 2}, [4, 0, 1, 2, 3]),  # who has nothing that trains comes first
        ("ab", {}, {"a": 5, "b": 3}, [1, 0]),  # then who was served longest ago
        ("aabbcc", {"c": 1}, {"a": 1, "c": 2}, [2, 0, 4, 3, 1, 5]),
    ],
)
def test_the_order(owners: str, training: dict, served: dict, order: list[int]) -> None:
    assert list(fair_order(owners, training, served)) == order


def test_each_job_once_and_each_users_in_their_order() -> None:
    draw = random.Random(0)
    for _ in range(200):
        owners = draw.choices("abcd", k=draw.randrange(40))
        training = {owner: draw.randrange(3) for owner in "abc"}
        served = {owner: draw.randrange(9) for owner in "bcd"}
        order = list(fair_order(owners, training, served))
        assert sorted(order) == list(range(len(owners)))
        for owner in "abcd":
            mine = [place for place in order if owners[place] == owner]
            assert mine == sorted(mine)
        counts = Counter(training)
        for place in order:  # as a queue that asks anew for each job would serve them
            waiting = {owner for owner in "abcd" if any(owners[later] == owner for later in order[order.index(place) :])}
            assert counts[owners[place]] == min(counts[owner] for owner in waiting)
            counts[owners[place]] += 1
