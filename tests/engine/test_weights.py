"""Networks that load their own way: what load_state_dict asks for, beside tensors, is there wherever weights are put back."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import source_texts
import torch
from torch import nn

from appcore import RunConfig, run
from appcore.engine import weights
from appcore.engine.loop import run as run_state
from appcore.engine.state import RunState
from appcore.events import Finished, MegabatchDone, SegmentDone
from appcore.models import base
from appcore.planning.plan import plan

OWN_WAY = '''
"""A network that reads only state dicts of its own version, and counts its training steps in a state that is no buffer."""

import torch
from torch import nn

CHOICES = {"own-way": "Loads its own way"}


class OwnWay(nn.Sequential):
    _version = 7
    steps = 0

    def forward(self, x):
        self.steps += self.training
        return super().forward(x)

    def get_extra_state(self):
        return torch.tensor([self.steps])

    def set_extra_state(self, state):
        self.steps = int(state)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *others):
        if local_metadata.get("version") != 7:
            raise ValueError(f"version should be 7 instead of {local_metadata.get('version')}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)


def build(name, shape, classes):
    return OwnWay(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 12), nn.ReLU(), nn.Linear(12, classes))
'''
SMALL = {"arch": "own-way", "limit_train": 60, "limit_test": 20, "megabatches": 2, "epochs": 2, "lr": 0.05, "device": "cpu"}
WAYS = [
    {},
    {"optimizer_state": "restore"},
    {"method": "imp", "tau": 4.0},
    {"method": "cs", "options": {"search_rounds": 2, "rewind_epoch": 1}},
    {"method": "rigl", "prunable": "all"},
    {"reinit": True},
]


@pytest.fixture(autouse=True)
def own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own_way.py").write_text(OWN_WAY)
    monkeypatch.setenv("APPCORE_PLUGINS", str(tmp_path))


@pytest.mark.thorough
@pytest.mark.parametrize("values", WAYS, ids=str)
def test_it_trains_and_resumes_bit_for_bit_from_any_segment(values: dict) -> None:
    config = RunConfig(**{**SMALL, **values})
    state, segments, snapshots = RunState.create(config), plan(config), []
    for event in run_state(state, segments):
        if isinstance(event, SegmentDone):
            snapshots.append(state.snapshot())
    assert isinstance(event, Finished) and snapshots[-1][0]["model/_extra_state"].item() == state.model.steps > 0
    for tensors, facts in snapshots:
        *_, last = run_state(RunState.restore(config, tensors, facts), segments)
        assert last.weights_hash == event.weights_hash


@pytest.mark.thorough
def test_mnasnet_trains_over_two_megabatches() -> None:
    settings = {"arch": "torchvision:mnasnet0_5", "megabatches": 2, "epochs": 1, "limit_train": 16, "limit_test": 4, "batch_size": 8}
    ends = [event for event in run(RunConfig(**settings, device="cpu")) if isinstance(event, MegabatchDone)]
    assert [round(end.density_mask, 3) for end in ends] == [0.8, 0.366]


def test_put_back_is_exact_and_strict() -> None:
    model = base.create("torchvision:mnasnet0_5", (3, 32, 32), 10, seed=0)
    kept = weights.taken(model)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.add_(1)
    assert not any(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())  # a copy
    weights.put_back(model, kept)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())
    for wrong in ({**kept, "more": torch.zeros(1)}, {name: kept[name] for name in list(kept)[1:]}):
        with pytest.raises(RuntimeError, match=r"more|layers\.0"):
            weights.put_back(model, wrong)


@pytest.mark.thorough
def test_no_other_place_loads_a_state_dict() -> None:
    found = set()
    for place, path in source_texts.product().items():
        calls = (node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
        if any(isinstance(call, ast.Attribute) and call.attr == "load_state_dict" for call in calls):
            found.add(place)
    assert found == {"appcore/engine/weights.py", "appcore/bench/published_style.py"}  # the latter does as published code does


def test_a_state_that_is_no_tensor_is_refused_before_it_could_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Noting(nn.Linear):
        def get_extra_state(self) -> dict:
            return {"seen": 3}

    from appcore import plugins

    module = plugins.load("models", "mlp")
    monkeypatch.setattr(module, "build", lambda name, shape, classes: nn.Sequential(nn.Flatten(), Noting(64, classes)))
    with pytest.raises(ValueError, match=r"mlp keeps 1\._extra_state, which is no tensor"):
        base.skeleton("mlp", (1, 8, 8), 10)
