"""What if of groups: answers from sketches against the masks that the engine makes of the same scores."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from appcore.analysis import what_if, what_if_groups
from appcore.config import build
from appcore.engine import what_if_sketch
from appcore.engine.shown import cut_accuracy
from appcore.engine.state import RunState
from appcore.errors import InputError
from appcore.masks import groups, selection
from appcore.quotas import FLOPS
from appcore.service.manager import Manager
from appcore.storage.store import Store

SMALL = {"arch": "lenet5", "dataset": "digits", "limit_train": 200, "megabatches": 2, "epochs": 1}
GRANULARITIES = ["kernel", "filter", "channel", "4x4", "3x7", "2:4", "1:3"]


@pytest.fixture(scope="module")
def scored() -> tuple[RunState, dict[str, torch.Tensor]]:
    state = what_if_sketch.present(build(SMALL))
    return state, what_if_sketch.scores(state, "snip")


def kept(found: what_if.Answer) -> dict[str, int]:
    return dict(zip(found.layers["layer"], found.layers["kept"].tolist()))


def by_engine(
    state: RunState, scores: dict[str, torch.Tensor], density: float | dict, scope: str, exempt: list[str], granularity: str
) -> dict[str, int]:
    return selection.count(cut_accuracy._masks(state, scores, density, scope, exempt, granularity))


@pytest.mark.thorough
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("scope", ["global", "layer", "erk", FLOPS])
def test_answers_are_the_engines_masks(scored: tuple, granularity: str, scope: str) -> None:
    state, scores = scored
    for masks in (state.masks, selection.keep_top(scores, 0.4, eligible=state.masks)):
        pruned = dataclasses.replace(state, masks=masks)
        sketch = what_if_sketch.sketch(pruned, scores, granularity)
        names = list(scores)
        for exempt in ([], names[:1]):
            for density in (1.0, 0.83, 0.5, 0.217, 0.05, 0.004):
                try:
                    exact = by_engine(pruned, scores, density, scope, exempt, granularity)
                except InputError:
                    with pytest.raises(InputError):
                        what_if.answer(sketch, density, scope, exempt)
                    continue
                found = what_if.answer(sketch, density, scope, exempt)
                assert {name: count for name, count in kept(found).items() if name not in exempt} == {
                    name: exact[name] for name in names if name not in exempt
                }
                assert found.keep == sum(exact[name] for name in names if name not in exempt)


@pytest.mark.parametrize("granularity", ["filter", "4x4", "2:4"])
def test_each_layer_keeps_the_density_that_was_given(scored: tuple, granularity: str) -> None:
    state, scores = scored
    density = dict(zip(scores, (0.37, 0.11)))
    found = what_if.answer(what_if_sketch.sketch(state, scores, granularity), density)
    assert kept(found) == by_engine(state, scores, density, "global", [], granularity)


@pytest.mark.parametrize("granularity", ["kernel", "filter", "4x4"])
@pytest.mark.parametrize("scope", ["global", FLOPS])
def test_the_first_to_die_is_that_of_the_engine(scored: tuple, granularity: str, scope: str) -> None:
    """With so many weights, or FLOPs for them, the layer has its best group, with one fewer it has none."""
    state, scores = scored
    sketch = what_if_sketch.sketch(state, scores, granularity)
    falls = what_if.deaths(sketch, scope)
    assert len(falls) == len(scores) and falls["density"].is_monotonic_decreasing
    if scope == FLOPS:
        return
    n = sum(score.numel() for score in scores.values())
    for _, fall in falls.iterrows():
        for more, is_there in ((0, True), (-1, False)):
            exact = by_engine(state, scores, (fall["kept"] + more) / n, scope, [], granularity)
            assert (exact[fall["layer"]] > 0) == is_there


def test_many_groups_are_right_to_one_in_a_hundred() -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.rand(200, 300, 3, 3, generator=draw) ** 3
    sums = groups.sums(scores, "kernel").reshape(-1).sort(descending=True).values.numpy()
    ranks, values, starts = what_if_groups.points(sums, np.full(len(sums), 9), what_if.positions(len(sums)))
    layer = {"name": "a", "shape": tuple(scores.shape), "total": scores.numel(), "eligible": scores.numel(), "flops": 0, "group": 9}
    order = what_if.ordered([ranks], [values], [scores.numel()])
    sketch = {"layers": [layer], "ranks": [ranks], "scores": [values], "starts": [starts], "order": order}
    for density in (0.9, 0.3, 0.01, 0.0004):
        exact = selection.count(selection.keep_top({"a": scores}, density, granularity="kernel"))["a"]
        assert kept(what_if.answer(sketch, density))["a"] == exact  # one layer: its number is known
    assert len(starts) < len(sums) / 10
    bins = what_if.histogram(sketch, what_if.answer(sketch, 0.3))
    assert bins["kept"].sum() + bins["pruned"].sum() == pytest.approx(scores.numel(), abs=len(bins))


def test_the_manager_ranks_groups_and_refuses_what_there_is_not(tmp_path: Path) -> None:
    manager = Manager(Store(tmp_path / "runs.db"))

    def wait(ask: object) -> dict:
        deadline = time.monotonic() + 60
        while (found := ask())["state"] in ("waiting", "scoring"):  # type: ignore[operator]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return found

    single = wait(lambda: manager.scores(SMALL, None, "magnitude"))["sketch"]
    found = wait(lambda: manager.scores(SMALL, None, "magnitude", "filter"))["sketch"]
    assert "starts" not in single and [layer["group"] for layer in found["layers"]] == [25, 500]
    cut = wait(lambda: manager.cut_accuracy(SMALL, None, "magnitude", 0.5, "layer", [], "filter"))
    assert cut["state"] == "ready" and 0 <= cut["answer"]["after"] <= 1
    assert wait(lambda: manager.sensitivity(SMALL, None, "magnitude", "filter"))["state"] == "ready"
    with pytest.raises(InputError, match="granularity: 'pairs' is unknown"):
        manager.scores(SMALL, None, "magnitude", "pairs")
    manager.close()
