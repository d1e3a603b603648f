"""Runs that end at densities of layers, or at a share of the FLOPs: exact counts at each prune point, same bits after a resume."""

from __future__ import annotations

import json
from typing import Any

import pytest

import appcore
from appcore import InputError, RunConfig, plugins
from appcore.engine import network_check
from appcore.engine.loop import run as run_state
from appcore.engine.state import RunState
from appcore.events import Finished, Pruned, SegmentDone
from appcore.planning.plan import check, plan
from appcore.planning.relevance import is_relevant

SMALL: dict[str, Any] = {
    **{"arch": "lenet5", "prunable": "all", "limit_train": 64, "limit_test": 32, "megabatches": 3, "epochs": 1},
    **{"score_batch_size": 16, "batch_size": 16, "device": "cpu"},
}
ENDS = {"conv1": 0.8, "fc1": 0.05}
SIZES = {"conv1.weight": 500, "conv2.weight": 25_000, "fc1.weight": 100_000, "fc2.weight": 5_000}


def prunes(**settings: Any) -> list[Pruned]:
    return [event for event in appcore.run(RunConfig(**{**SMALL, **settings})) if isinstance(event, Pruned)]


@pytest.mark.parametrize("pruner", [{"pruner": "snip"}, {"pruner": "synflow", "options": {"rounds": 4}}])
def test_layers_of_a_stream_end_at_their_densities(pruner: dict) -> None:
    found = prunes(densities=ENDS, **pruner, tau=4.0)  # delta 1, 2.5 and 4 of 4 rounds
    for event, share in zip(found, (0.25, 0.625, 1.0), strict=True):
        kept = {layer.name: layer.kept for layer in event.layers}
        wanted = {name: round(ENDS.get(name.removesuffix(".weight"), 1.0) ** share * size) for name, size in SIZES.items()}
        assert kept == wanted
        assert event.is_named and event.density_requested == event.density_mask == sum(wanted.values()) / sum(SIZES.values())
    assert kept == {"conv1.weight": 400, "conv2.weight": 25_000, "fc1.weight": 5_000, "fc2.weight": 5_000}


@pytest.mark.parametrize("method", [name for name in plugins.choices("methods") if plugins.has_pruner(name)])
def test_every_method_of_a_pruner_ends_there(method: str) -> None:
    settings = {"method": method, "megabatches": 1, "epochs": 2, "tau": 2.0}
    *_, last = prunes(densities=ENDS, **settings)
    assert {layer.name: layer.kept for layer in last.layers} == SIZES | {"conv1.weight": 400, "fc1.weight": 5_000}
    *_, last = prunes(scope="flops", **settings)
    assert last.facts["flops"]["requested"] == pytest.approx(0.64)
    assert 0.6395 < last.facts["flops"]["left"] <= last.facts["flops"]["requested"]
    assert not last.is_named and last.density_requested == last.density_mask


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [{"densities": ENDS}, {"scope": "flops", "pruner": "synflow", "options": {"rounds": 4}}])
def test_a_resume_gives_the_same_bits(settings: dict) -> None:
    config = RunConfig(**{**SMALL, **settings})
    segments, state, saved = plan(config), RunState.create(config), []
    for event in run_state(state, segments):
        if isinstance(event, SegmentDone):
            saved.append(state.snapshot())
    assert isinstance(event, Finished)
    for tensors, facts in saved[2:7:2]:
        *_, last = run_state(RunState.restore(config, tensors, json.loads(json.dumps(facts))), segments)
        assert last.weights_hash == event.weights_hash and last.total_flops_sparse == event.total_flops_sparse


def test_runs_without_such_goals_are_the_experiments_that_they_were() -> None:
    assert RunConfig().fingerprint == "c47effe25af4"
    assert RunConfig(scope="layer", granularity="filter").fingerprint == "6fcd620a342e"
    one = RunConfig(densities={"fc1.weight": 0.1, "conv1": 1})
    assert one.densities == ("conv1=1.0", "fc1=0.1")
    assert one.fingerprint == RunConfig(densities="fc1=0.1, conv1=1.0").fingerprint == RunConfig(densities=list(one.densities)).fingerprint
    assert len({one.fingerprint, RunConfig().fingerprint, RunConfig(scope="flops").fingerprint}) == 3
    assert RunConfig(**json.loads(one.model_dump_json())) == one


@pytest.mark.parametrize(
    ("settings", "field", "says"),
    [
        ({"densities": {"conv9": 0.5}}, "densities", "did you mean conv2 or conv1?"),
        ({"densities": {"fc1": 0.5}, "prunable": "conv"}, "densities", "there are conv1, conv2"),
        ({"densities": {"conv1": 0.5}, "exempt": "conv1"}, "densities", "did you mean conv2?"),
        ({"scope": "flops", "prunable": "conv", "tau": 20}, "scope", "what is not pruned costs"),
    ],
)
def test_goals_that_the_network_cannot_reach_are_refused_before_it_trains(settings: dict, field: str, says: str) -> None:
    config = RunConfig(**{**SMALL, **settings})
    with pytest.raises(InputError) as refused:
        network_check.check(config, check(config))
    assert refused.value.field == field and says in refused.value.message and "\n" not in refused.value.message


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"densities": {"conv1": 0.5}, "scope": "flops"}, "densities: scope flops chooses"),
        ({"densities": {"conv1": 0.5}, "tau": 0}, "tau: 0 prunes nothing"),
        ({"densities": {"conv1": 0}}, "conv1=0 is no share"),
        ({"densities": "conv1"}, "'conv1' says no density"),
        ({"densities": 5}, "valid tuple"),
        ({"densities": {"conv1\0": 0.5}}, "is no name of a layer"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RunConfig(**settings)


def test_the_scope_plays_no_part_beside_densities() -> None:
    values = RunConfig(densities={"conv1": 0.5}).model_dump()
    assert is_relevant("densities", values) and not is_relevant("scope", values) and is_relevant("scope", RunConfig().model_dump())
    assert not is_relevant("densities", {**values, "method": "dense"}) and not is_relevant("densities", {**values, "method": "cs"})
