"""Lifelong tickets: published densities top-down, and bottom-up what protects, what grows, and what decides."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch

from appcore import RunConfig
from appcore.engine.loop import run as run_state
from appcore.engine.state import RunState
from appcore.events import EpochDone, Event, Finished, MegabatchDone, Pruned, RoundDone, SegmentDone
from appcore.methods import ll_bu, ll_td
from appcore.methods.base import Segment
from appcore.methods.iterative import left_of, tuned
from appcore.planning import stages
from appcore.planning.plan import plan

SMALL = {"arch": "mlp", "limit_train": 120, "limit_test": 30, "megabatches": 3, "epochs": 3, "lr": 0.05, "batch_size": 16, "device": "cpu"}
ALWAYS, NEVER = {"search_steps": 4, "accept_gap": -1.0}, {"search_steps": 4, "accept_gap": 1.0}


def up(options: dict, **values) -> RunConfig:
    return RunConfig(**{**SMALL, "method": "ll-bu", "options": options, **values})


def walked(config: RunConfig) -> Iterator[tuple[Segment, list[Event], RunState]]:
    """Each segment with its events, the state being as it left it."""
    state, segments, events = RunState.create(config), plan(config), []
    for event in run_state(state, segments):
        events.append(event)
        if isinstance(event, SegmentDone):
            yield segments[event.cursor - 1], events, state
            events = []


def masks(state: RunState) -> dict[str, torch.Tensor]:
    return {name: mask.clone() for name, mask in state.masks.items()}


def count(found: dict[str, torch.Tensor]) -> int:
    return sum(int(mask.sum()) for mask in found.values())


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


# ---- top-down


def test_top_down_leaves_the_published_shares_of_the_weights() -> None:
    config = RunConfig(**{**SMALL, "megabatches": 5}, method="ll-td", tau=14)
    done, left = 0, []
    for rounds in ll_td.due(config):
        done += rounds
        left.append(round(100 * 0.8**done, 1))
    assert left == [80.0, 64.0, 32.8, 13.4, 4.4]


def test_top_down_tunes_between_cuts_and_rewinds_to_the_first_weights() -> None:
    config = RunConfig(**SMALL, method="ll-td", tau=6.0)
    first = {name: tensor.clone() for name, tensor in RunState.create(config).model.state_dict().items()}
    rewinds, before = 0, None
    for segment, _, state in walked(config):
        if segment.kind == "prune":
            assert before is None or not any(bool((mask & ~before[name]).any()) for name, mask in state.masks.items())
            before = masks(state)
        if segment.kind == "rewind":
            rewinds += 1
            for name, tensor in state.model.state_dict().items():
                assert torch.equal(tensor, first[name] * state.masks[name] if name in state.masks else first[name])
    tunes = [segment for segment in plan(config) if segment.kind == "epoch" and segment.learning_rate == 0.05 * 0.01]
    assert ll_td.due(config) == [1, 2, 3] and rewinds == 3 and tuned(config) == 1 and len(tunes) == 0 + 1 + 2


# ---- bottom-up


def test_a_ticket_that_grows_keeps_every_weight_and_one_that_does_not_is_the_same() -> None:
    for options, grows in ((ALWAYS, True), (NEVER, False)):
        ends = [masks(state) for segment, _, state in walked(up(options)) if segment.kind == "test"]
        assert len(ends) == 3
        for before, after in pairwise(ends):
            assert all(not (mask & ~after[name]).any() for name, mask in before.items())
            assert (count(after) > count(before)) == grows and same(before, after) != grows


def test_each_step_of_a_search_removes_a_fifth_of_what_is_not_protected() -> None:
    """By magnitude in the reference's weights at the first step, in those that were tuned since at the others."""
    config = up(ALWAYS, megabatches=2)
    ticket, free = {}, 0
    for segment, events, state in walked(config):
        if segment.kind == "advance" and segment.megabatch == 0:
            ticket = state.kept("ticket")
        if segment.megabatch == 1 and segment.kind == "prune" and "search" in segment.detail:
            total = sum(mask.numel() for mask in state.masks.values())
            free = total - count(ticket) if segment.detail == "begin search" else free
            free = left_of(free, config)
            assert all((state.masks[name] | ~mask).all() for name, mask in ticket.items())
            assert count(state.masks) == count(ticket) + free
            cut = next(event for event in events if isinstance(event, Pruned))
            assert not cut.is_named and cut.density_requested == cut.density_mask == (count(ticket) + free) / total
            if segment.detail == "begin search":
                reference = state.kept("reference")
                kept = torch.cat([reference[n].abs()[m & ~ticket[n]].flatten() for n, m in state.masks.items()])
                gone = torch.cat([reference[n].abs()[~m].flatten() for n, m in state.masks.items()])
                assert kept.min() >= gone.max()
                for name, mask in state.masks.items():
                    assert torch.equal(state.model.state_dict()[name], reference[name] * mask)


def test_ticket_and_reference_begin_at_the_same_weights_and_see_the_same_images() -> None:
    begins: dict[tuple[int, int], dict[str, torch.Tensor]] = {}
    for segment, _, state in walked(up(ALWAYS)):
        if segment.kind == "prune" and segment.detail in ("reference", "ticket", "grown"):
            now = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
            begins[segment.megabatch, segment.round] = now
            assert state.momentum() == {} and state.best is None
            if segment.round:
                for name, tensor in begins.get((segment.megabatch, 0), {}).items():
                    assert torch.equal(now[name], tensor * state.masks[name] if name in state.masks else tensor)
    assert set(begins) == {(0, 1), *((t, r) for t in (1, 2) for r in (0, 1, 2))}
    epochs = [s for s in plan(up(ALWAYS)) if s.kind == "epoch" and s.megabatch == 1 and s.detail != "search"]
    assert [(s.epoch, s.draw, s.learning_rate) for s in epochs[:3]] == [(s.epoch, s.draw, s.learning_rate) for s in epochs[3:6]]


def test_the_reference_is_a_dense_run_of_the_same_seed() -> None:
    """Round 0 of each megabatch ends as a dense run ends that goes on with fresh momentum, so the ticket is judged beside that."""
    found = [event for _, events, _ in walked(up(NEVER)) for event in events if isinstance(event, RoundDone) and event.round == 0]
    dense = RunConfig(**SMALL, method="dense", optimizer_state="reset")
    ends = [event for _, events, _ in walked(dense) for event in events if isinstance(event, MegabatchDone)]
    assert [(one.test_errors, one.test_loss, one.val_accuracy) for one in found] == [
        (one.test_errors, one.test_loss, one.val_accuracy) for one in ends
    ]
    assert all(one.density_mask == 1.0 for one in found)


@pytest.mark.thorough
def test_what_decides_is_validation_and_no_test_image() -> None:
    """Other test images, the same run."""
    runs = [list(run_state(RunState.create(config), plan(config))) for config in (up(ALWAYS), up(ALWAYS, limit_test=60))]
    ends = [next(event for event in events if isinstance(event, Finished)) for events in runs]
    tested = [[event.test_accuracy for event in events if isinstance(event, MegabatchDone)] for events in runs]
    assert ends[0].weights_hash == ends[1].weights_hash and tested[0] != tested[1]


@pytest.mark.parametrize(("gap", "grows"), [(0.05, True), (0.0501, False)])
def test_a_ticket_grows_from_the_gap_on(gap: float, grows: bool) -> None:
    state = RunState.create(up({"accept_gap": gap}))
    state.numbers["reference"] = 0.82
    state.best = type("Best", (), {"val_accuracy": 0.77})()  # 0.82 - 0.77 is less than 0.05 as floats are
    ll_bu.carry_out(state, Segment("compare", 1, round=1))
    assert [ll_bu.is_needed(state, Segment("epoch", 1, detail=detail)) for detail in ("search", "grown", "")] == [grows, grows, True]


@pytest.mark.parametrize(("accuracy", "density", "ends"), [(0.5, 0.05, True), (0.5, 0.5, False), (0.79, 0.05, False)])
def test_a_search_ends_behind_the_reference_and_below_the_density_only(accuracy: float, density: float, ends: bool) -> None:
    """The ticket is then the mask of the step before."""
    state = RunState.create(up({}))
    state.numbers |= {"reference": 0.8, "is_open": 1.0, "grows": 1.0}
    earlier = masks(state)
    state.keep("ticket", earlier)
    for mask in state.masks.values():
        mask.view(-1)[int(density * mask.numel()) :] = False
    state.best = type("Best", (), {"val_accuracy": accuracy})()
    ll_bu.carry_out(state, Segment("judge", 0, round=1, detail="search"))
    assert bool(state.numbers["is_open"]) != ends and state.numbers["grows"]
    assert same(state.kept("ticket"), earlier if ends else state.masks)


def test_a_search_that_would_leave_nothing_ends_and_one_without_a_step_keeps_everything() -> None:
    assert count(list(walked(up({"search_steps": 30, "rate": 0.95}, megabatches=1)))[-1][2].masks) >= 1
    kept = list(walked(up({"stop_gap": -1.0, "most_density": 1.0}, megabatches=1)))[-1][2]
    assert kept.density() == 1.0


def test_a_control_never_searches_again() -> None:
    segments = plan(up({"growth": "never", "search_steps": 4}))
    assert {segment.megabatch for segment in segments if "search" in segment.detail} == {0}
    assert stages.of_plan(segments).labels == ["1·0", "1·1", "2·0", "2·1", "3·0", "3·1"]
    assert stages.of_config(up(ALWAYS)).labels == ["1·0", "1·1", "2·0", "2·1", "2·2", "3·0", "3·1", "3·2"]


def test_what_is_not_needed_costs_nothing() -> None:
    """The images that were trained on are those of the epochs that were carried out, and a skipped segment has no event but its end."""
    config = up(NEVER)
    seen, skipped = 0, 0
    for segment, events, state in walked(config):
        seen += sum(len(state.stream.train_indices(segment.megabatch)) for event in events if isinstance(event, EpochDone))
        skipped += segment.kind in ("epoch", "prune") and len(events) == 1
    assert state.samples_seen == seen and skipped == 2 * (4 * 2 + 1 + 3)
