"""What a GPU asks of the engine, without one: every method and criterion on a device that refuses tensors of the CPU and counts waits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import other_device
import pytest
import torch

from appcore import plugins
from appcore.config import RunConfig
from appcore.engine import loop, state, stream
from appcore.engine.digests import digest
from appcore.engine.loop import run as run_state
from appcore.engine.state import RunState
from appcore.events import EpochDone, Event, Finished, MegabatchDone, Progress, Pruned, SegmentDone
from appcore.masks import selection
from appcore.planning.plan import plan
from appcore.quotas import Costs

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here: test_cuda.py")
SMALL: dict[str, Any] = {"arch": "lenet5", "dataset": "digits", "limit_train": 90, "limit_test": 30, "megabatches": 2, "epochs": 2}
SMALL |= {"tau": 3.0, "batch_size": 16, "score_batch_size": 8, "precision": "fp32", "device": "cpu", "crop_padding": 1, "flip": True}
METHODS, PRUNERS = sorted(plugins.choices("methods")), sorted(plugins.choices("pruners"))


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Runs train on the other device, where the loss of an unfinished epoch is never due and evaluation takes the CPU's batches."""
    with other_device.use() as found:
        monkeypatch.setattr(state, "pick_device", lambda wanted: found)
        monkeypatch.setattr(stream, "evaluation_batch", lambda _: 128)
        monkeypatch.setattr(loop, "READ_EVERY_SECONDS", math.inf)
        yield found


def config(**values: Any) -> RunConfig:
    chosen = values.get("pruner", "")
    options = {"rounds": 3} if chosen and "rounds" in plugins.find("pruners", chosen).options else {}
    options |= {"search_steps": 3} if values.get("method") == "ll-bu" else {}
    return RunConfig(**{**SMALL, "options": options, **values})


def reads(settings: RunConfig) -> tuple[list[tuple[Event, Counter[str]]], Counter[str]]:
    """The events of a run with what had to be read from the device for each, and what was written to it."""
    running, found = RunState.create(settings), []
    other_device.reads.clear()
    other_device.writes.clear()
    assert all(value.device == other_device.DEVICE for value in running.model.state_dict().values())
    for event in run_state(running, plan(settings)):
        found.append((event, Counter(other_device.reads)))
        other_device.reads.clear()
    return found, Counter(other_device.writes)


CASES = [("app", pruner, "paper") for pruner in PRUNERS]
CASES += [(method, "snip", "paper") for method in METHODS if method != "app"] + [("app", "snip", "released-code")]


@pytest.mark.thorough
@pytest.mark.parametrize(("method", "pruner", "semantics"), CASES)
def test_a_run_meets_no_tensor_of_the_cpu_and_ends_as_there(
    method: str, pruner: str, semantics: str, request: pytest.FixtureRequest
) -> None:
    settings = config(method=method, pruner=pruner, semantics=semantics)
    here = [*run_state(RunState.create(settings), plan(settings))]
    request.getfixturevalue("device")
    there = [event for event, _ in reads(settings)[0]]
    assert [*filter(None, map(told, here))] == [*filter(None, map(told, there))]


@pytest.mark.thorough
@pytest.mark.parametrize("goal", [{"densities": "conv1=0.5,conv2=0.1"}, {"scope": "flops"}])
def test_a_run_to_such_goals_ends_as_there(goal: dict[str, str], request: pytest.FixtureRequest) -> None:
    settings = config(pruner="synflow", options={"rounds": 3}, **goal)
    here = [*run_state(RunState.create(settings), plan(settings))]
    request.getfixturevalue("device")
    there = [event for event, _ in reads(settings)[0]]
    assert [*filter(None, map(told, here))] == [*filter(None, map(told, there))]


def told(event: Event) -> Any:
    """What an event says but for times and losses, which are summed in float32 on a GPU."""
    if isinstance(event, EpochDone):
        return event.train_accuracy, event.val_accuracy, event.density, event.is_best, event.grown
    if isinstance(event, (Pruned, MegabatchDone)):
        return event.layers, event.density_effective, event.facts, getattr(event, "cer", 0)
    return (event.weights_hash, event.total_flops_sparse) if isinstance(event, Finished) else None


@pytest.mark.thorough
def test_a_resume_goes_on_where_the_run_was(device: torch.device) -> None:
    settings = config(method="rigl", epochs=3)
    segments = plan(settings)
    whole, *_ = (event for event in run_state(RunState.create(settings), segments) if isinstance(event, Finished))
    running = RunState.create(settings)
    for event in run_state(running, segments):
        if isinstance(event, SegmentDone) and event.cursor == len(segments) // 2:
            break
    tensors, facts = running.snapshot()
    assert all(tensor.device.type == "cpu" for tensor in tensors.values())
    again = RunState.restore(settings, tensors, facts)
    assert all(value.device == device for value in again.model.state_dict().values())
    assert [*run_state(again, segments)][-1].weights_hash == whole.weights_hash


@pytest.mark.parametrize("scope", ["global", "layer", "erk", "flops", "densities"])
def test_the_same_scores_give_the_mask_of_the_cpu(scope: str, device: torch.device) -> None:
    draw = torch.Generator().manual_seed(0)
    scores = {name: torch.rand(shape, generator=draw).round(decimals=2) for name, shape in (("a", (64, 32, 3, 3)), ("b", (10, 64)))}
    eligible = {name: torch.rand(score.shape, generator=draw) < 0.8 for name, score in scores.items()}
    there, allowed = ({name: tensor.to(device) for name, tensor in given.items()} for given in (scores, eligible))
    costs = Costs(64 * 32 * 9 * 128 + 640 * 2, {"a": 128, "b": 2}) if scope == "flops" else None
    for density in (0.5, 0.1, 0.001, 0.0, 1.0):
        other_device.reads.clear()
        goal = {"a": density, "b": 0.5} if scope == "densities" else density
        found = selection.keep_top(there, goal, scope, eligible=allowed, costs=costs)
        assert other_device.reads.total() == 1
        assert digest(found) == digest(selection.keep_top(scores, goal, scope, eligible=eligible, costs=costs))


def test_the_device_refuses_and_counts(device: torch.device) -> None:
    here, there = torch.ones(3), torch.ones(3, device=device)
    assert there.device == device and there.device.type == "other" and not there.is_cpu
    with pytest.raises(RuntimeError, match="of the CPU"):
        there + here
    assert (there + 1).sum().item() == 6 and bool((there > 0).all()) and there.tolist() == [1, 1, 1]
    assert here.to(device).cpu().equal(here) and there[there > 0].shape == (3,)
    assert other_device.reads == {"_local_scalar_dense": 2, "_to_copy": 2, "index": 1} and other_device.writes == {"copy_": 1}


def by_segment(settings: RunConfig) -> list[tuple[str, int]]:
    """How often each segment of the plan has to wait for numbers, in order; and the end, with all weights."""
    found, waited = [], 0
    segments = iter(plan(settings))
    for event, read in reads(settings)[0]:
        waited += read.total()
        if isinstance(event, SegmentDone):
            found.append((next(segments).kind, waited))
            waited = 0
    return found


# An epoch reads its sums, its evaluation and, where masks have changed, the weights kept; a prune point what ranking needs, twelve images
# before and after, and in two turns all facts; a test its evaluations, twelve images and the layers; the first of them the labels.
MOST = {"epoch": 3, "prune": 10, "test": 6}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["app", "dense", "rigl", "gmp", "apgp"])
def test_how_often_is_waited_depends_on_neither_layers_nor_steps(method: str, device: torch.device) -> None:
    few = by_segment(config(method=method, pruner="snip", arch="mlp"))
    many = by_segment(config(method=method, pruner="snip", arch="resnet20", batch_size=8, score_batch_size=4))
    assert few == many
    updates = 3 if method in ("rigl", "set") else 0  # two rankings, and the weights kept afterwards
    for kind, waited in few:
        assert 0 < waited <= MOST[kind] + (updates if kind == "epoch" else 0), few


@pytest.mark.slow
@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_criterion_reads_as_often_for_many_layers_as_for_few(pruner: str, device: torch.device) -> None:
    few, many = (by_segment(config(pruner=pruner, arch=arch, epochs=1, limit_train=50)) for arch in ("mlp", "resnet20"))
    assert few == many


def test_the_loss_of_an_unfinished_epoch_is_read_when_it_is_due(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(method="dense", epochs=1, megabatches=1)

    def losses() -> list[float]:
        found = [(event, read.total()) for event, read in reads(settings)[0] if isinstance(event, Progress) and event.phase == "train"]
        told = [event.loss for event, _ in found if event.loss is not None]
        assert sum(read for _, read in found) == len(told) + 1  # the weights kept, at the first step
        return told

    assert losses() == []
    monkeypatch.setattr(loop, "READ_EVERY_SECONDS", 0.0)
    assert len(losses()) == 5 and all(map(math.isfinite, losses()))  # 81 images in batches of 16, the last one of 17
