"""Values of settings as users type them: lists, numbers at equal distances and ratios, ranges to draw from, and what is none."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from appcore.errors import InputError
from appcore.planning import ablation_grid, axis_values, sparsity


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("lr", "0.1:0.5:3", [0.1, 0.3, 0.5]),
        ("lr", "0.001:0.1:3:log, 1", [0.001, 0.01, 0.1, 1.0]),
        ("epochs", "1:9:3, 4", [1, 5, 9, 4]),
        ("epochs", "1:2:5", [1, 2]),  # whole numbers, each once
        ("flip", "yes, no", [True, False]),
        ("pruner", "snip,magnitude, snip", ["snip", "magnitude"]),
        ("arch", "mlp:32-32,mlp", ["mlp:32-32", "mlp"]),
        ("exempt", "none; conv1", [(), ("conv1",)]),
        ("lr_drops", "none;0.4,0.8", [(), (0.4, 0.8)]),
        ("options.rounds", "1:9:3", [1, 5, 9]),
    ],
)
def test_values(name: str, text: str, expected: list[Any]) -> None:
    assert axis_values.parse(name, text) == expected


def test_sparsities_are_fractions_and_become_tau() -> None:
    evenly = [0.5, 0.6225, 0.745, 0.8675, 0.99]
    assert axis_values.parse("sparsity", "0.5:0.99:5") == [sparsity.tau_of(value) for value in evenly]
    assert axis_values.parse("sparsity", "0.9") == [sparsity.tau_of(0.9)]
    taus = axis_values.parse("sparsity", "0.5:0.99:5:log")
    steps = [later - earlier for earlier, later in itertools.pairwise(taus)]
    assert steps == pytest.approx([steps[0]] * 4, rel=1e-2) and taus[0] == sparsity.tau_of(0.5) and taus[-1] == sparsity.tau_of(0.99)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("lr", text) for text in ("0.1:0.5", "0.5:0.1:3", "0.1:0.5:1", "0.1:0.5:9999999", "0:1:3:log", "a:b:3", "0.1:nan:3", "x")),
        *(("sparsity", text) for text in ("1", "0.5:1:3", "0.5:1:3:log", "-0.1", "50", "0.5:0.9")),
        ("flip", "maybe"),
        ("options.nothing", "1"),
    ],
)
def test_what_is_no_value_is_named(name: str, text: str) -> None:
    with pytest.raises(InputError, match=name.removeprefix("options.")):
        axis_values.parse(name, text)


def test_ranges_to_draw_from() -> None:
    assert axis_values.span("lr", "0.1, 0.2") is None and axis_values.span("lr", "0.1:0.2:3") is None
    assert axis_values.span("pruner", "snip") is None and axis_values.span("dataset", "images:photos.zip") is None
    found = axis_values.span("epochs", "2:8:log")
    assert found is not None and (found.low, found.high, found.is_log, found.is_whole) == (2, 8, True, True)
    drawn = axis_values.span("sparsity", "0.5:0.9")
    assert drawn is not None and (drawn.low, drawn.high) == pytest.approx((0.1, 0.5))
    assert drawn.value(0.1) == sparsity.tau_of(0.9)
    for name, text in (("lr", "0.1:1000"), ("sparsity", "0.5:1"), ("epochs", "0:3")):
        with pytest.raises(InputError):
            axis_values.span(name, text)


@pytest.mark.parametrize(
    ("name", "value", "is_possible"),
    [
        ("lr", 0.1, True),
        ("lr", -1.0, False),
        ("pruner", "snap", False),
        ("replay", "half", False),
        ("lr_drops", (2.0,), False),
        ("budget", 1, True),  # too small for the default epochs, which is a matter of several settings
        ("semantics", "released-code", True),
        ("options.rounds", 5, True),
        ("options.rounds", -5, False),
    ],
)
def test_a_value_that_no_run_could_have(name: str, value: Any, is_possible: bool) -> None:
    if is_possible:
        axis_values.check(name, value)
    else:
        with pytest.raises(InputError, match=name.removeprefix("options.")):
            axis_values.check(name, value)


def test_picks_are_run_with_all_seeds_and_nothing_else_is() -> None:
    axes = {"pruner": ["snip", "magnitude"], "seed": [0, 1], "epochs": [1, 2, 3]}
    found = ablation_grid.expand({"arch": "mlp", "megabatches": 2}, axes, [[1, 2], [0, 0]])
    expected = [("magnitude", 0, 3), ("magnitude", 1, 3), ("snip", 0, 1), ("snip", 1, 1)]
    assert [tuple(cell["values"].values()) for cell in found["cells"]] == expected
    every = {cell["fingerprint"] for cell in ablation_grid.expand({"arch": "mlp", "megabatches": 2}, axes)["cells"]}
    assert {cell["fingerprint"] for cell in found["cells"]} < every and len(every) == 12
