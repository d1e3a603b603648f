"""Searches: what is drawn is the same for the same seed and lies where it should; who goes on to the next rung."""

from __future__ import annotations

import math
import sys

import pytest

from appcore.errors import InputError
from appcore.planning import axis_values, search


def test_the_best_go_on_and_what_failed_never_does() -> None:
    nan = math.nan
    assert search.survivors([0.1, 0.5, nan, 0.5, 0.4, 0.2], 3, 1) == [1, 3]
    assert search.survivors([0.1, 0.5, nan, 0.5, 0.4, 0.2], 3, -1) == [0, 5]
    assert search.survivors([0.3, 0.2], 3, 1) == [0]
    assert search.survivors([nan, nan, nan], 3, 1) == []


def test_without_optuna_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="pip install optuna"):
        search.draw({"pruner": ["snip", "magnitude"]}, 3, 0)


def test_what_is_drawn_lies_where_it_should_and_repeats() -> None:
    pytest.importorskip("optuna")
    space = {
        "pruner": ["snip", "magnitude"],
        "lr_drops": [(), (0.5,)],
        "lr": axis_values.span("lr", "0.001:1:log"),
        "epochs": axis_values.span("epochs", "2:5"),
        "tau": axis_values.span("sparsity", "0.5:0.9"),
    }
    axes, picks = search.draw(space, 200, 3)
    assert (axes, picks) == search.draw(space, 200, 3) != search.draw(space, 200, 4)
    assert list(axes) == list(space) and len(picks) == len({tuple(pick) for pick in picks}) > 190
    drawn = [[axes[name][place] for name, place in zip(axes, pick)] for pick in picks]
    rates = sorted(values[2] for values in drawn)
    assert rates[0] >= 0.001 and rates[-1] <= 1 and 0.01 < rates[len(rates) // 2] < 0.1  # by ratios
    assert {values[3] for values in drawn} == {2, 3, 4, 5}
    assert all(0.5 <= 1 - 0.8 ** values[4] <= 0.9 for values in drawn)
    assert all(float(f"{rate:.4g}") == rate for rate in rates)


def test_few_combinations_are_drawn_once_each() -> None:
    pytest.importorskip("optuna")
    _, picks = search.draw({"pruner": ["snip", "magnitude"]}, 50, 0)
    assert sorted(picks) == [[0], [1]]
