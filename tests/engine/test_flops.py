"""Counts against numbers worked out by hand. One multiply-add is two FLOPs."""

from __future__ import annotations

import threading
from math import prod

import pytest
import torch
from torch import nn

from appcore import plugins
from appcore.engine import flops
from appcore.errors import InputError
from appcore.models.base import create, skeleton


def test_mlp_by_hand():
    cost = flops.count("mlp", (1, 28, 28), 10)
    assert cost.layers == {"fc1.weight": 2 * 784 * 300, "fc2.weight": 2 * 300 * 100, "fc3.weight": 2 * 100 * 10}
    assert cost.forward == 2 * 266_200 and cost.parameters == 266_610
    # Backward costs twice the forward, but nobody needs the gradient of the images.
    assert cost.training_layers == {"fc1.weight": 2 * 2 * 784 * 300, "fc2.weight": 3 * 2 * 300 * 100, "fc3.weight": 3 * 2 * 100 * 10}
    assert cost.training == sum(cost.training_layers.values())


def test_lenet5_by_hand():
    cost = flops.count("lenet5", (1, 28, 28), 10)
    conv1, conv2 = 2 * 20 * 24 * 24 * 1 * 25, 2 * 50 * 8 * 8 * 20 * 25
    assert cost.layers == {"conv1.weight": conv1, "conv2.weight": conv2, "fc1.weight": 2 * 800 * 500, "fc2.weight": 2 * 500 * 10}
    assert cost.training_layers["conv1.weight"] == 2 * conv1 and cost.training_layers["conv2.weight"] == 3 * conv2


# Published multiply-adds in millions: resnet20 and resnet56 as counted for He et al.'s networks, torchvision's own for 224 pixels.
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arch", "shape", "classes", "millions"),
    [
        ("resnet20", (3, 32, 32), 10, 40.55),
        ("resnet56", (3, 32, 32), 10, 125.49),
        ("resnet18", (3, 32, 32), 10, 555.4),
        ("resnet50", (3, 32, 32), 10, 1297.8),
        ("vgg16_bn", (3, 32, 32), 10, 313.2),
        ("resnet18", (3, 224, 224), 1000, 1814.1),
        ("resnet50", (3, 224, 224), 1000, 4089.2),
    ],
)
def test_published_numbers(arch, shape, classes, millions):
    assert flops.count(arch, shape, classes).forward / 2e6 == pytest.approx(millions, rel=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("arch", [name for name, choice in plugins.choices("models").items() if not choice.takes_argument])
def test_every_architecture_can_be_counted(arch):
    cost = flops.count(arch, (1, 8, 8), 10)
    assert 0 < sum(cost.layers.values()) <= cost.forward < cost.training
    assert all(0 < cost.layers[name] < cost.training_layers[name] for name in cost.layers)


@pytest.mark.thorough
@pytest.mark.parametrize("arch", ["mlp", "lenet5", "resnet20", "resnet18", "resnet50", "vgg11_bn"])
def test_layers_add_up_and_backward_costs_twice_the_forward(arch):
    cost = flops.count(arch, (1, 8, 8), 10)
    assert sum(cost.layers.values()) == cost.forward and sum(cost.training_layers.values()) == cost.training
    first, *others = cost.layers
    assert cost.training_layers[first] == 2 * cost.layers[first]
    assert all(cost.training_layers[name] == 3 * cost.layers[name] for name in others)
    weights = {name: value for name, value in skeleton(arch, (1, 8, 8), 10).named_parameters() if value.dim() > 1}
    assert list(cost.layers) == list(weights)
    assert all(cost.layers[name] % (2 * prod(weight.shape)) == 0 for name, weight in weights.items())


def test_sparse_training_scales_each_layer():
    cost = flops.count("lenet5", (1, 28, 28), 10)
    assert cost.sparse_training({}) == cost.training
    assert cost.sparse_training({"conv2.weight": 0.25}) == cost.training - cost.training_layers["conv2.weight"] * 3 // 4
    assert cost.sparse_training(dict.fromkeys(cost.layers, 0.5)) == cost.training // 2


def test_results_are_kept_and_lists_are_welcome():
    assert flops.count("mlp", [1, 8, 8], 10) is flops.count("mlp", (1, 8, 8), 10)


def test_impossible_shapes_are_named():
    with pytest.raises(InputError, match="lenet5"):
        flops.count("lenet5", (1, 2, 2), 10)


def test_counting_leaves_no_hooks_and_no_random_draws():
    before = torch.get_rng_state()
    flops._count.__wrapped__("resnet20", (1, 8, 8), 10)
    flops._activation_bytes.__wrapped__("resnet20", (1, 8, 8), 10)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.nn.modules.module._global_forward_hooks and not torch.nn.modules.module._global_forward_pre_hooks


def test_counting_beside_a_training_thread_counts_only_its_own_network():
    alone = flops._count.__wrapped__("resnet20", (1, 8, 8), 10)
    network, failures, stop = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)), [], threading.Event()

    def train():
        try:
            while not stop.is_set():
                network(torch.ones(8, 64)).sum().backward()
                assert not torch.nn.modules.module._global_forward_hooks  # or the counter would watch this network too
        except Exception as error:
            failures.append(error)

    def count(found):
        found.extend(flops._count.__wrapped__("resnet20", (1, 8, 8), 10) for _ in range(3))

    found: list[flops.Flops] = []
    threads = [threading.Thread(target=train), threading.Thread(target=count, args=(found,))]
    with flops._Counter(flops._Layers(network)) as here:  # a mode belongs to its thread: from here neither thread is seen
        for thread in threads:
            thread.start()
        threads[1].join()
        stop.set()
        threads[0].join()
    assert found == [alone] * 3 and not failures and here.get_total_flops() == 0


def test_activation_memory_by_hand():
    # Kept for backward: the images, what each ReLU gives (which is also the next layer's input). The loss is not part of the network.
    assert flops.activation_bytes("mlp", (1, 28, 28), 10) == 4 * (784 + 300 + 100)


@pytest.mark.parametrize("arch", ["lenet5", "resnet20", "vgg11_bn", "resnet18"])
def test_activation_memory_equals_that_of_real_tensors(arch):
    model = create(arch, (1, 8, 8), 10, seed=0)
    real = flops._saved_bytes(model, torch.zeros(4, 1, 8, 8)) - flops._saved_bytes(model, torch.zeros(3, 1, 8, 8))
    assert real == flops.activation_bytes(arch, (1, 8, 8), 10) > 0
