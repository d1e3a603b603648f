"""The playground's arithmetic against the engine's: equal weights and points go into both, in one page of a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import browser
import numpy as np
import pytest
import torch

from appcore.config import RunConfig
from appcore.datasets import plane
from appcore.engine import prune_point, steps
from appcore.engine.state import RunState
from appcore.masks import selection
from appcore.masks.alive import alive_masks
from appcore.methods import growth
from appcore.ui.playground.script import MODULES, imports, script

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]

NETS = [("spiral", "32-32", 1.0), ("spiral", "32-32", 0.2), ("xor", "8-8", 0.6), ("moons", "16", 1.0), ("circles", "9-5-7", 0.5)]
CRITERIA = ("magnitude", "snip", "synflow", "grasp")
DENSITIES = (0.5, 0.1)
CLOSE = 1e-5
ASK = """async ({ source, nets, criteria, densities }) => {
  const the = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
  const list = (arrays) => arrays.map((one) => [...one]);
  return nets.map((net) => {
    const points = { x: Float64Array.from(net.x), y: Uint8Array.from(net.y), count: net.y.length };
    const make = () => {
      const network = the.create(net.widths, 0);
      network.layers.forEach((layer, index) => { layer.weight.set(net.weight[index]); layer.bias.set(net.bias[index]); });
      the.setMasks(network, net.mask);
      return network;
    };
    const found = { cuts: {} };
    for (const criterion of criteria) {
      const network = make();
      const { scores } = the.CRITERIA[criterion];
      found.cuts[criterion] = { scores: list(scores(network, points, 0, the.masksOf(network))) };
      for (const density of densities) found.cuts[criterion][density] = list(the.select(network, criterion, density, points, 0));
    }
    const network = make();
    found.alive = list(the.alive(network).edges);
    const { loss, accuracy } = the.evaluate(network, points);
    Object.assign(found, { loss, accuracy });
    const settings = { lr: 0.05, momentum: 0.9, decay: 1e-4 };
    the.step(network, points.x, points.y, points.count, settings);
    the.step(network, points.x, points.y, points.count, settings);
    found.weight = list(network.layers.map((layer) => layer.weight));
    found.bias = list(network.layers.map((layer) => layer.bias));
    const regrown = make();
    the.regrow(regrown, 0.05, points);
    found.regrown = list(regrown.layers.map((layer) => layer.mask));
    found.seeds = Array.from({ length: 30 }, (_, seed) => [...the.create([2, 8, 2], seed).layers[0].weight]);
    found.rounds = [0.5, 1.5, 2.5, 2.4, 2.6].map((value) => the.keepCount(value, 1));
    found.moments = Object.fromEntries(Object.entries(net.sets).map(([name, bytes]) => {
      const { mean, std, x } = the.standardised(Uint8Array.from(bytes));
      return [name, { mean, std, x: [...x] }];
    }));
    return found;
  });
}"""


def state_of(dataset: str, widths: str, density: float) -> RunState:
    """A network of the engine with that share of its weights left, by lot, and all of its points in one scoring batch."""
    options = {"samples_per_class": 1000}
    config = RunConfig(
        dataset=dataset, arch=f"mlp:{widths}", megabatches=1, val_fraction=0.1, score_batch_size=400, weight_decay=1e-4, options=options,
        pruner="grasp", device="cpu", precision="fp32", seed=3,
    )  # fmt: skip
    state = RunState.create(config)
    lots = torch.Generator().manual_seed(0)
    state.set_masks(selection.keep_top({name: torch.rand(mask.shape, generator=lots) for name, mask in state.masks.items()}, density))
    return state


def described(state: RunState) -> dict[str, Any]:
    """The same network for the page, its points, and the bytes of all data sets."""
    [(x, y)] = state.stream.scoring_batches(0)
    parameters = dict(state.model.named_parameters())
    layers = list(state.masks)
    sets = {}
    for name in plane.CHOICES:
        images = plane.load(RunConfig(dataset=name))
        sets[name] = np.column_stack([images.train_x.reshape(-1, 2), images.train_y]).reshape(-1).tolist()
    return {
        "widths": [2, *(parameters[name].shape[0] for name in layers)],
        "weight": [parameters[name].detach().reshape(-1).tolist() for name in layers],
        "bias": [parameters[name.replace("weight", "bias")].detach().tolist() for name in layers],
        "mask": [state.masks[name].reshape(-1).int().tolist() for name in layers],
        "x": x.reshape(-1, 2).T.reshape(-1).tolist(),
        "y": y.tolist(),
        "sets": sets,
    }


@pytest.fixture(scope="module")
def states() -> list[RunState]:
    return [state_of(*net) for net in NETS]


@pytest.fixture(scope="module")
def found(states: list[RunState]) -> Iterator[list[dict[str, Any]]]:
    """What the browser computes for every network."""
    asked = {"source": script(), "nets": [described(state) for state in states], "criteria": CRITERIA, "densities": DENSITIES}
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        yield chromium.new_page().evaluate(ASK, asked)
        chromium.close()


def flat(tensors: Any) -> np.ndarray:
    """All values of tensors or lists, layer after layer."""
    return torch.cat([torch.as_tensor(tensor).detach().double().reshape(-1) for tensor in tensors]).numpy()


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("net", range(len(NETS)), ids=[f"{data}-{widths}-{density}" for data, widths, density in NETS])
def test_scores_and_masks_are_the_engines(net: int, criterion: str, states: list[RunState], found: list[dict[str, Any]]) -> None:
    state, theirs = states[net], found[net]["cuts"][criterion]
    options = {"samples_per_class": 1000} if criterion == "grasp" else {}
    state.config = state.config.model_copy(update={"pruner": criterion, "options": options})
    present = selection.density(state.masks)
    for density in DENSITIES:
        cut = prune_point.select(state, 0, density)
        masks = flat(cut.masks.values())
        assert masks.sum() == round(min(density, present) * masks.size)
        assert np.array_equal(flat(theirs[str(density)]), masks), density
    if criterion == "synflow":  # the scores above are those of the last of 100 rounds; here of the first
        state.config = state.config.model_copy(update={"options": {"rounds": 1}})
        cut = prune_point.select(state, 0, 0.5)
    ours = flat(cut.scores.values())
    np.testing.assert_allclose(flat(theirs["scores"]), ours, atol=CLOSE * np.abs(ours).max(), rtol=0)


@pytest.mark.parametrize("net", range(len(NETS)))
def test_loss_accuracy_and_living_weights_are_the_engines(net: int, states: list[RunState], found: list[dict[str, Any]]) -> None:
    state = states[net]
    [(x, y)] = state.stream.scoring_batches(0)
    sums = steps.Sums.zero(state.device)
    steps.evaluate_batch(state.model, x, y, sums, torch.float32)
    ours = sums.read()
    assert found[net]["loss"] == pytest.approx(ours.mean_loss(), abs=CLOSE)
    assert found[net]["accuracy"] == pytest.approx(ours.accuracy())
    alive = alive_masks(state.model, state.masks, state.stream.data.shape)
    assert np.array_equal(flat(found[net]["alive"]), flat(alive.values()))


@pytest.mark.parametrize("net", range(len(NETS)))
def test_regrown_weights_are_the_engines(net: int, states: list[RunState], found: list[dict[str, Any]]) -> None:
    state = states[net]
    total = flat(state.masks.values()).size
    wanted = flat(state.masks.values()).sum() + round(0.05 * total)
    masks = growth.enlarged(state, growth.gradients(state, 0), min(1.0, wanted / total))
    assert np.array_equal(flat(found[net]["regrown"]), flat(masks.values()))


@pytest.mark.parametrize("net", range(len(NETS)))
def test_two_steps_of_training_are_the_engines(net: int, states: list[RunState], found: list[dict[str, Any]]) -> None:
    """Two, so that momentum has a part in it."""
    own = RunState.create(states[net].config.model_copy(update={"lr": 0.05}))
    own.set_masks(states[net].masks)
    [(x, y)] = own.stream.scoring_batches(0)
    pruned = [(own.model.get_parameter(name), mask.float()) for name, mask in own.masks.items()]
    for _ in range(2):
        steps.train_step(own.model, own.optimizer, pruned, x, y, steps.Sums.zero(own.device), torch.float32)
    parameters = dict(own.model.named_parameters())
    np.testing.assert_allclose(flat(found[net]["weight"]), flat(parameters[name] for name in own.masks), atol=CLOSE, rtol=0)
    biases = (parameters[name.replace("weight", "bias")] for name in own.masks)
    np.testing.assert_allclose(flat(found[net]["bias"]), flat(biases), atol=CLOSE, rtol=0)


def test_points_are_standardised_as_the_engine_does(states: list[RunState], found: list[dict[str, Any]]) -> None:
    for (name, _, _), state in zip(NETS, states, strict=True):
        data, moments = state.stream.data, found[0]["moments"][name]
        np.testing.assert_allclose(moments["mean"], data.mean, atol=CLOSE * 255)
        np.testing.assert_allclose(moments["std"], data.std, atol=CLOSE * 255)
        x = (data.train_x.reshape(-1, 2).double() - data.mean) / data.std
        np.testing.assert_allclose(np.reshape(moments["x"], (2, -1)).T, x, atol=CLOSE)


def test_every_seed_has_its_own_initial_values_in_the_range_of_the_engine(found: list[dict[str, Any]]) -> None:
    drawn = np.array(found[0]["seeds"])
    assert len(np.unique(drawn)) == drawn.size == 30 * 16
    bound = 1 / np.sqrt(2)
    assert np.abs(drawn).max() <= bound and drawn.mean() == pytest.approx(0, abs=0.1)
    assert drawn.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)  # uniform


def test_halves_are_rounded_as_python_does(found: list[dict[str, Any]]) -> None:
    assert found[0]["rounds"] == [round(value) for value in (0.5, 1.5, 2.5, 2.4, 2.6)] == [0, 2, 2, 2, 3]


def test_modules_stand_after_those_that_they_import() -> None:
    for place, name in enumerate(MODULES):
        assert set(imports(name)) <= set(MODULES[:place]), name
    assert "\nimport" not in script()
