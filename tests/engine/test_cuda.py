"""What only a GPU can show; skipped without one. The CPU's results are the oracle wherever both must agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from appcore import RunConfig, plugins, run
from appcore.config import build
from appcore.engine.loop import run as run_state
from appcore.engine.prune_point import select
from appcore.engine.state import RunState
from appcore.events import Finished, MegabatchDone, Pruned, SegmentDone, Started
from appcore.masks import selection
from appcore.masks.alive import alive_masks
from appcore.planning.plan import plan
from appcore.runner.driver import drive
from appcore.runner.lockstep import LocalJob
from appcore.storage.store import Store

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DEVICE = "cuda"
SMALL = {"arch": "resnet20", "limit_train": 300, "limit_test": 60, "megabatches": 2, "tau": 2.0, "epochs": 2, "batch_size": 64}
SMALL |= {"lr": 0.05, "crop_padding": 2, "flip": True}


def config(**changes: object) -> RunConfig:
    return RunConfig(**{**SMALL, "device": DEVICE, **changes})


def only(events: list, kind: type) -> object:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_seed_same_bits_on_the_gpu_and_pairs_with_the_cpu(precision: str) -> None:
    one, two = (list(run(config(precision=precision))) for _ in range(2))
    assert only(one, Finished).weights_hash == only(two, Finished).weights_hash
    assert only(one, Started).device == torch.cuda.get_device_name()
    there = list(run(config(device="cpu", precision=precision)))
    assert only(one, Started).hashes == only(there, Started).hashes
    for here, cpu in zip(*([e for e in events if isinstance(e, MegabatchDone)] for events in (one, there)), strict=True):
        assert here.order_hash == cpu.order_hash
        assert (here.density_requested, here.density_mask) == (cpu.density_requested, cpu.density_mask)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["app", "rigl", "cs", "imp"])
def test_a_resume_gives_the_same_bits(method: str, precision: str) -> None:
    settings = config(method=method, precision=precision, epochs=3)
    segments = plan(settings)
    whole = list(run(settings))
    state = RunState.create(settings)
    for event in run_state(state, segments):
        if isinstance(event, SegmentDone) and event.cursor == len(segments) // 2:
            break
    tensors, facts = state.snapshot()
    assert all(tensor.device.type == "cpu" for tensor in tensors.values())
    again = RunState.restore(settings, {name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(facts)))
    assert only(list(run_state(again, segments)), Finished).weights_hash == only(whole, Finished).weights_hash


@pytest.mark.parametrize("scope", ["global", "layer", "erk"])
def test_the_same_scores_give_the_mask_of_the_cpu(scope: str) -> None:
    draw = torch.Generator().manual_seed(0)
    # Rounded, so that many are equal: ties go by order on either device.
    scores = {name: torch.rand(shape, generator=draw).round(decimals=2) for name, shape in (("a", (64, 32, 3, 3)), ("b", (10, 64)))}
    eligible = {name: torch.rand(score.shape, generator=draw) < 0.8 for name, score in scores.items()}
    for density in (0.5, 0.1, 0.001):
        cpu = selection.keep_top(scores, density, scope, eligible=eligible)
        gpu = selection.keep_top(
            {name: score.to(DEVICE) for name, score in scores.items()},
            density,
            scope,
            eligible={name: mask.to(DEVICE) for name, mask in eligible.items()},
        )
        assert all(torch.equal(cpu[name], gpu[name].cpu()) for name in scores)


@pytest.mark.parametrize("pruner", sorted(plugins.choices("pruners")))
def test_every_criterion_scores_on_the_gpu_and_repeats(pruner: str) -> None:
    options = {"rounds": 3} if "rounds" in plugins.find("pruners", pruner).options else {}
    cuts = [select(RunState.create(config(pruner=pruner, options=options)), 0, 0.5) for _ in range(2)]
    for name, score in cuts[0].scores.items():
        assert score.device.type == DEVICE and torch.isfinite(score).all()
        assert torch.equal(score, cuts[1].scores[name]) and torch.equal(cuts[0].masks[name], cuts[1].masks[name])


def test_every_density_is_counted_on_the_gpu_as_on_the_cpu() -> None:
    settings = config(tau=6.0)
    state = RunState.create(settings)
    for event in run_state(state, plan(settings)):
        if isinstance(event, Pruned):
            there = {name: mask.cpu() for name, mask in state.masks.items()}
            alive = alive_masks(RunState.create(config(device="cpu")).model, there, state.stream.data.shape)
            assert [layer.kept for layer in event.layers] == list(selection.count(there).values())
            assert [layer.alive for layer in event.layers] == list(selection.count(alive).values())
    weights = dict(state.model.named_parameters())
    assert all((weights[name][~mask] == 0).all() for name, mask in state.masks.items())


def test_two_runs_in_lockstep_end_as_they_do_alone_and_leave_no_memory(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    drive(store, store.create_run(config(), plan_length=len(plan(config()))))  # what a first run leaves for good: handles, workspaces
    before = torch.cuda.memory_allocated()
    configs = [config(pruner=pruner) for pruner in ("snip", "magnitude")]
    alone, pair = ([store.create_run(each, plan_length=len(plan(each))) for each in configs] for _ in range(2))
    for run_id in alone:
        drive(store, run_id)
    job = LocalJob(store, pair)
    while job.advance():
        pass
    for one, other in zip(alone, pair, strict=True):
        assert store.get(one)["status"] == store.get(other)["status"] == "done"
        assert store.get(one)["totals"]["weights_hash"] == store.get(other)["totals"]["weights_hash"]
        assert store.get(one)["totals"]["peak_memory_bytes"] > 0
    assert torch.cuda.memory_allocated() == before
    store.close()


def test_a_full_gpu_ends_the_run_with_the_way_out_and_the_next_one_is_done(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    settings = build({**config().model_dump(), "batch_size": 256, "score_batch_size": 256})
    full = store.create_run(settings, plan_length=len(plan(settings)))
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 30e6) / total)
    try:
        drive(store, full)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    row = store.get(full)
    assert row["status"] == "failed" and row["error"].startswith("the GPU ran out of memory (by the estimate this run needs")
    assert "smaller" in row["error"] and "resume" in row["error"]
    store.update(full, status="stopped")
    drive(store, full)
    assert store.get(full)["status"] == "done"
    store.close()
