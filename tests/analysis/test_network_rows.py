"""The rows of the drawing of a network: boxes, what is left, folded blocks and arcs, by hand."""

from __future__ import annotations

from dataclasses import asdict

import fake_runs

from appcore.analysis import network_graph
from appcore.analysis.network_graph import Arc, Left
from appcore.events import GraphNode

BLOCK = [
    GraphNode("images", "", (), (), (1, 8, 8)),
    GraphNode("layer", "stem.weight", (4, 1, 3, 3), (0,), (4, 8, 8)),
    GraphNode("layer", "a.weight", (4, 4, 3, 3), (1,), (4, 8, 8)),
    GraphNode("layer", "b.weight", (4, 4, 3, 3), (2,), (4, 8, 8)),
    GraphNode("layer", "side.weight", (4, 4, 1, 1), (1,), (4, 8, 8)),
    GraphNode("sum", "", (), (3, 4), (4, 8, 8)),
]


def started(graph) -> dict:
    layers = [{"name": node.name, "shape": list(node.shape)} for node in graph if node.name]
    return {"image_shape": [1, 8, 8], "layers": layers, "graph": [asdict(node) for node in graph]}


def test_a_row_is_a_layer_with_what_is_left_of_it():
    drawn = network_graph.rows(started(BLOCK), {"a.weight": Left(30, 28, 1)})
    assert [(row.kind, row.layers, row.total) for row in drawn[:3]] == [
        ("images", (), 0),
        ("layer", ("stem.weight",), 36),
        ("layer", ("a.weight",), 144),
    ]
    assert drawn[2].left == Left(30, 28, 1) and drawn[2].filters == 4
    assert drawn[1].left is None
    assert [network_graph.width(drawn[place], drawn) for place in (1, 2)] == [0.5, 1.0]


def test_arcs_lead_past_rows_in_lanes_of_their_own_where_they_overlap():
    drawn = network_graph.rows(started(BLOCK), {})
    assert network_graph.arcs(drawn) == [Arc(1, 4, 1), Arc(3, 5, 0)]
    chained = network_graph.rows({"graph": [asdict(node) for node in fake_runs.GRAPH]}, {})
    assert {arc.lane for arc in network_graph.arcs(chained)} == {0} and len(network_graph.arcs(chained)) == 9


def test_blocks_that_repeat_are_folded_into_one_row_with_the_sum_of_what_is_left():
    names = [node.name for node in fake_runs.GRAPH if node.name]
    left = {name: Left(10, 8, 1) for name in names}
    drawn = network_graph.rows({"graph": [asdict(node) for node in fake_runs.GRAPH]}, left, fold=True)
    assert [(len(row.layers), row.blocks) for row in drawn] == [(0, 1), (1, 1), (6, 3), (6, 3), (6, 3), (1, 1)]
    assert drawn[2].left == Left(60, 48, 6) and drawn[2].total == 6 * 16 * 16 * 9
    assert [row.inputs for row in drawn] == [(), (0,), (1,), (2,), (3,), (4,)]


def test_a_run_of_an_earlier_version_is_a_chain_of_its_layers():
    old = {"image_shape": [1, 8, 8], "layers": [{"name": "a.weight", "shape": [2, 1, 3, 3]}, {"name": "b.weight", "shape": [2, 2, 3, 3]}]}
    assert not network_graph.is_drawn_whole(old)
    drawn = network_graph.rows(old, {})
    assert [(row.layers, row.inputs) for row in drawn] == [((), ()), (("a.weight",), (0,)), (("b.weight",), (1,))]


def test_inputs_that_are_no_earlier_nodes_are_left_out():
    broken = {"graph": [{"kind": "layer", "name": "a", "shape": [1], "inputs": [0, 5, -1], "output": [1]}]}
    assert network_graph.rows(broken, {})[0].inputs == ()


def test_dead_filters_are_those_that_were_counted():
    shapes = {"a.weight": (4, 2)}
    assert network_graph.dead_filters(shapes, {"a.weight": 3}, "a.weight") == 3
    assert network_graph.dead_filters(shapes, {"a.weight": 9}, "a.weight") == 4  # a made-up file
    assert network_graph.dead_filters(shapes, {}, "a.weight") == 0
    assert network_graph.dead_filters(shapes, None, "a.weight") is None
