"""The graph of every network: layers in the order of work, sums where shortcuts meet, and nothing that a constant made."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from appcore import plugins
from appcore.config import RunConfig
from appcore.engine import loop
from appcore.engine.shown import network_graph
from appcore.models.base import skeleton


def kinds(graph) -> list[str]:
    return [node.kind for node in graph]


def test_a_chain_is_a_chain():
    graph = network_graph.graph("lenet5", (1, 28, 28), 10)
    assert [node.name for node in graph] == ["", "conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"]
    assert [node.inputs for node in graph] == [(), (0,), (1,), (2,), (3,)]
    assert graph[1].shape == (20, 1, 5, 5) and graph[1].output == (20, 24, 24) and graph[4].output == (10,)


def test_shortcuts_of_a_residual_network_meet_in_sums():
    graph = network_graph.graph("resnet20", (3, 32, 32), 10)
    assert kinds(graph) == ["images", "layer", *["layer", "layer", "sum"] * 9, "layer"]
    assert [node.inputs for node in graph[1:8]] == [(0,), (1,), (2,), (3, 1), (4,), (5,), (6, 4)]
    assert graph[-1].name == "fc.weight" and graph[-1].inputs == (28,)


def test_a_shortcut_with_a_layer_of_its_own_begins_where_the_block_begins():
    graph = network_graph.graph("resnet50", (3, 32, 32), 10)
    names = [node.name for node in graph]
    at = names.index("layer1.0.downsample.0.weight")
    assert graph[at].inputs == (names.index("conv1.weight"),)
    assert graph[at + 1].kind == "sum" and set(graph[at + 1].inputs) == {at, names.index("layer1.0.conv3.weight")}


@pytest.mark.thorough
@pytest.mark.parametrize("arch", [name for name, choice in plugins.choices("models").items() if not choice.takes_argument])
def test_every_layer_of_every_network_is_there_once_and_reads_earlier_nodes(arch):
    graph = network_graph.graph(arch, (3, 32, 32), 10)
    model = skeleton(arch, (3, 32, 32), 10)
    expected = [f"{name}.weight" for name, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    assert sorted(node.name for node in graph if node.kind == "layer") == sorted(expected)
    assert all(0 <= one < place for place, node in enumerate(graph) for one in node.inputs)
    assert all(node.inputs for node in graph[1:]) and graph[-1].output == (10,)


@pytest.mark.parametrize(
    ("arch", "side", "expected"),
    [
        ("mobilenet_v3_small", 32, {"sum": 6, "product": 9}),  # nine gates of squeeze and excitation
        ("shufflenet_v2_x1_0", 32, {"concatenation": 16}),
        ("vit_b_16", 32, {"sum": 24}),  # two in each of twelve blocks; attention belongs to its linear layers
        ("swin_t", 32, {"sum": 24}),  # its masks are constants
    ],
)
def test_torchvision_networks_join_where_their_papers_say(arch, side, expected):
    graph = kinds(network_graph.graph(f"torchvision:{arch}", (3, side, side), 10))
    assert {kind: graph.count(kind) for kind in set(graph) - {"images", "layer"}} == expected


def test_a_concatenation_of_all_earlier_outputs_is_the_last_one_and_what_came_since():
    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Conv2d(channels, 2, 1) for channels in (3, 5, 7))

        def forward(self, x):
            seen = [x]
            for layer in self.layers:
                seen.append(layer(torch.cat(seen, 1)))
            return torch.cat(seen, 1)

    images = torch.zeros(1, 3, 4, 4)
    trace = network_graph._Trace(model := Dense(), images)
    with trace:
        model(images)
    assert kinds(trace.nodes) == ["images", "layer", "concatenation", "layer", "concatenation", "layer", "concatenation"]
    assert [node.inputs for node in trace.nodes] == [(), (0,), (0, 1), (2,), (2, 3), (4,), (4, 5)]


def test_a_run_records_the_graph_of_its_network():
    started = next(loop.start(RunConfig(arch="lenet5", epochs=1, megabatches=1, limit_train=20, limit_test=10, device="cpu")))
    assert started.graph == network_graph.graph("lenet5", (1, 8, 8), 10)
