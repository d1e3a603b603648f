"""The accuracy of cut networks against counts by hand, and what a look at a network tells. The state stays as it is."""

from __future__ import annotations

import copy

import pytest
import torch

from appcore.config import build
from appcore.engine import digests, loop
from appcore.engine.shown import cut_accuracy, inspection
from appcore.engine.state import RunState
from appcore.engine.what_if_sketch import scores

SETTINGS = {
    "arch": "lenet5",
    "epochs": 2,
    "megabatches": 1,
    "limit_train": 300,
    "limit_test": 60,
    "device": "cpu",
    "method": "dense",
    "lr": 0.05,
}


@pytest.fixture(scope="module")
def trained() -> RunState:
    state = RunState.create(build(SETTINGS))
    list(loop.run(state, loop.plan(state.config)))
    return state


def accuracy(state: RunState, model: torch.nn.Module) -> float:
    with torch.no_grad():
        right = sum(int((model.eval()(x).argmax(1) == y).sum()) for x, y in state.stream.test())
    return right / len(state.stream.data.test_y)


def test_the_accuracy_of_a_cut_is_that_of_the_network_with_the_lowest_scores_at_0(trained):
    before = digests.digest(trained.model.state_dict())
    found = scores(trained, "magnitude")
    shares = []
    told = cut_accuracy.whole(trained, found, 0.2, "global", (), shares.append)
    values = torch.cat([score.flatten() for score in found.values()])
    threshold = values.sort(descending=True).values[round(0.2 * len(values)) - 1]
    cut = copy.deepcopy(trained.model)
    with torch.no_grad():
        for name, score in found.items():
            cut.get_parameter(name).mul_(score >= threshold)
    assert told == {"before": accuracy(trained, trained.model), "after": accuracy(trained, cut), "images": 60}
    assert shares[-1] == 1.0 and digests.digest(trained.model.state_dict()) == before


def test_exempt_layers_stay_whole_and_all_exempt_is_no_cut(trained):
    found = scores(trained, "magnitude")
    told = cut_accuracy.whole(trained, found, 0.01, "global", list(found), lambda share: None)
    assert told["before"] == told["after"]


def test_sensitivity_cuts_one_layer_and_leaves_the_others(trained):
    found = scores(trained, "magnitude")
    told = cut_accuracy.by_layer(trained, found, lambda share: None)
    assert told["layers"] == list(found) and told["sparsities"] == [0.5, 0.8, 0.9, 0.95, 0.99]
    only = copy.deepcopy(trained.model)
    name = told["layers"][1]
    kept = round(0.1 * found[name].numel())
    threshold = found[name].flatten().sort(descending=True).values[kept - 1]
    with torch.no_grad():
        only.get_parameter(name).mul_(found[name] >= threshold)
    assert told["accuracies"][1][2] == accuracy(trained, only)
    assert told["before"] == accuracy(trained, trained.model)


def test_a_look_counts_every_test_image_once(trained):
    told = inspection.look(trained, lambda share: None)
    assert sum(images for _, _, images in told["pairs"]) == 60
    right = sum(images for true, said, images in told["pairs"] if true == said)
    assert right / 60 == accuracy(trained, trained.model)
    assert len(told["pictures"]) == 12 and told["pictures"][0].shape == (8, 8, 1)
    assert told["first"]["name"] == "conv1.weight" and told["first"]["weights"].shape == (20, 1, 5, 5)
    assert [len(told[name]) for name in ("places", "labels", "answers", "classes")] == [12, 12, 12, 10]
