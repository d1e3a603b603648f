"""Masks over time, on masks small enough to be checked by eye; the overlap against the one that the engine counts with torch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from appcore.analysis import mask_history
from appcore.analysis.mask_history import BORN, DIED, GONE, KEPT


def packed(**layers: list) -> dict[str, np.ndarray]:
    return {name: np.packbits(np.array(values, dtype=bool)) for name, values in layers.items()}


FIRST = packed(a=[1, 1, 1, 1], b=[1, 1, 0, 0])
SECOND = packed(a=[1, 1, 0, 0], b=[0, 1, 1, 0])  # in b one went and one came back
TOTALS = {"a": 4, "b": 4}


def test_births_and_deaths() -> None:
    found = mask_history.changes(FIRST, SECOND, TOTALS).set_index("layer")
    assert found.loc["a"].to_dict() == {"total": 4, "kept": 2, "born": 0, "died": 2}
    assert found.loc["b"].to_dict() == {"total": 4, "kept": 2, "born": 1, "died": 1}
    assert mask_history.changes(None, FIRST, TOTALS)["died"].tolist() == [0, 2]


def test_survival_counts_what_is_still_there() -> None:
    both = mask_history.shared([FIRST, SECOND], totals=TOTALS)
    assert both.counts[0, 1].tolist() == [2, 1]
    assert both.survival() == pytest.approx(np.array([[1, 3 / 6], [3 / 4, 1]]))
    assert math.isnan(mask_history.shared([packed(a=[0, 0, 0, 0])], totals={"a": 4}).survival()[0, 0])


def test_overlap_is_that_of_the_engine() -> None:
    torch = pytest.importorskip("torch")
    from appcore.masks import facts

    draw = np.random.default_rng(0)
    masks = [{"a": draw.random((8, 5)) < 0.4, "b": draw.random(1000) < 0.7} for _ in range(2)]
    sides = [{name: np.packbits(mask) for name, mask in side.items()} for side in masks]
    found = mask_history.shared(sides[:1], sides[1:], totals={"a": 40, "b": 1000})
    whole, by_layer = facts.overlap(*({name: torch.from_numpy(mask) for name, mask in side.items()} for side in masks))
    iou, chance = found.overlap()
    assert (iou[0, 0], chance[0, 0]) == pytest.approx((whole.iou, whole.chance))
    iou, chance = found.overlap_of_layers(0, 0)
    assert list(zip(iou, chance)) == [pytest.approx((by_layer[name].iou, by_layer[name].chance)) for name in ("a", "b")]


def test_only_layers_of_one_shape_are_compared() -> None:
    wide = {**SECOND, "b": np.packbits(np.ones(20, dtype=bool))}
    assert mask_history.shared([FIRST], [wide], totals=TOTALS).layers == ("a",)
    with pytest.raises(ValueError, match="one architecture"):
        mask_history.shared([FIRST], [packed(c=[1])], totals=TOTALS)


def test_counting_bits_with_and_without_the_new_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    bits = np.packbits(np.random.default_rng(0).random(1003) < 0.5)
    fast = mask_history._count(bits)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert fast == mask_history._count(bits) == int(np.unpackbits(bits).sum())


def test_filters() -> None:
    mask = np.array([[1, 1], [0, 0], [1, 0]], dtype=bool)
    assert mask_history.filter_density(mask).tolist() == [1, 0, 0.5]
    assert mask_history.spread(mask_history.filter_density(mask), 3).tolist() == [1, 0.5, 0]
    assert mask_history.empty_filters(mask) == [1]
    assert mask_history.empty_inputs(np.array([[1, 0], [1, 0]], dtype=bool)) == [1]


def test_both_ends_are_in_the_strip_however_many_filters_there_are() -> None:
    strip = mask_history.spread(np.arange(2048) / 2047, 100)
    assert (strip[0], strip[-1], len(strip)) == (1, 0, 100)


def test_fates() -> None:
    before, after = np.array([1, 1, 0, 0], dtype=bool), np.array([1, 0, 1, 0], dtype=bool)
    assert mask_history.fates(before, after).tolist() == [KEPT, DIED, BORN, GONE]
    assert mask_history.fates(None, after).tolist() == [KEPT, DIED, KEPT, DIED]


def test_kernels_lie_as_filters_below_each_other_and_inputs_beside_each_other() -> None:
    values = np.arange(2 * 2 * 2 * 2).reshape(2, 2, 2, 2)
    picture = mask_history.kernel_grid(values, range(2), range(2))
    nan = math.nan
    expected = [[0, 1, nan, 4, 5], [2, 3, nan, 6, 7], [nan] * 5, [8, 9, nan, 12, 13], [10, 11, nan, 14, 15]]
    np.testing.assert_equal(picture, np.array(expected, dtype=np.float32))
    assert mask_history.kernel_grid(values[:, :, :1, :1], range(1), range(2)).tolist() == [[0, 4]]
    assert mask_history.kernel_grid(np.arange(4).reshape(2, 2), range(2), range(2)).tolist() == [[0, 1], [2, 3]]


def test_moments_are_thinned_evenly_with_both_ends() -> None:
    assert mask_history.thinned(3) == [0, 1, 2]
    assert mask_history.thinned(0) == []
    chosen = mask_history.thinned(100, 24)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 99, 24)
