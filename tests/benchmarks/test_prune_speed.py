"""The speed of `appcore.prune` against torch's: both sides cut alike, rounds alternate, and a sweep goes on where it was."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import appcore
from benchmarks import prune_speed


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 4 * 4, 5))


def test_both_sides_cut_the_same_weights() -> None:
    layers, images = ["0.weight", "2.weight"], (torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3]))
    theirs = network()
    prune_speed.published(theirs, layers)
    masks = appcore.prune(network(), density=prune_speed.DENSITY)
    assert all(torch.equal(masks[name], theirs.get_buffer(f"{name}_mask").bool()) for name in layers)
    masks = appcore.prune(network(), images, density=prune_speed.DENSITY, pruner="snip")
    found = prune_speed.one_pass(network(), layers, images)
    assert all(torch.equal(masks[name], found[name]) for name in layers)


def test_rounds_go_there_and_back_on_copies() -> None:
    order = []
    given = network()
    seconds = prune_speed.in_turn(given, [lambda one: order.append(("a", one)), lambda one: order.append(("b", one))], 2)
    assert "".join(name for name, _ in order) == "abbaab" and all(one is not given for _, one in order)
    assert [len(side) for side in seconds] == [2, 2]


def test_a_sweep_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked, state = [], tmp_path / "state.json"

    def in_a_process(name: str, args: object) -> dict:
        asked.append(name)
        return {"weights": 2_000_000, "magnitude": [[0.1, 0.3], [0.2, 0.2]], "snip": [[0.2], [0.2]]}

    monkeypatch.setattr(prune_speed, "in_a_process", in_a_process)
    for wanted in ("vgg11", "vgg11,resnet18"):
        monkeypatch.setattr(sys, "argv", ["prune_speed.py", "--only", wanted, "--state", str(state)])
        assert prune_speed.main() == 0
    assert asked == ["vgg11", "resnet18"] and json.loads(state.read_text())["networks"].keys() == {"vgg11", "resnet18"}
    assert "| vgg11 | 2.0 | 200 | 200 | 1.00 (0.50 to 1.50) | 200 | 200 | 1.00 (1.00 to 1.00) |" in capsys.readouterr().out
