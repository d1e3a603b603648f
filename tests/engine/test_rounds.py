"""Tests of rounds: a value for each round, of the weights that the round would carry on, and no bit of the run depends on them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from appcore import RunConfig
from appcore.engine import loop
from appcore.engine.state import RunState
from appcore.events import Event, Finished, MegabatchDone, Progress, Pruned, RoundDone, SegmentDone
from appcore.planning import stages
from appcore.planning.plan import plan

TICKET = RunConfig(
    method="imp",
    arch="mlp",
    device="cpu",
    limit_train=90,
    limit_test=30,
    megabatches=1,
    epochs=2,
    tau=2.0,
    lr=0.05,
    batch_size=16,
)


def of(events: list[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def told(config: RunConfig) -> list[Event]:
    return list(loop.run(RunState.create(config), plan(config)))


def untimed(events: list[Event]) -> list[Event]:
    """Without the times, which no two runs share."""
    return [replace(event, seconds=0.0) if hasattr(event, "seconds") else event for event in events]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return told(TICKET)


def test_each_round_but_the_last_of_a_megabatch_has_a_value(events: list[Event]) -> None:
    rounds, cuts = of(events, RoundDone), of(events, Pruned)
    assert [done.round for done in rounds] == [0, 1] and len(of(events, MegabatchDone)) == 1
    assert [done.density_mask for done in rounds] == [1.0, cuts[0].density_mask]
    assert [done.test_accuracy for done in rounds] == pytest.approx([1 - done.test_errors / 30 for done in rounds])
    assert {done.layers[0].name for done in rounds} == {cuts[0].layers[0].name}


def test_in_a_stream_the_last_round_of_each_megabatch_is_its_test() -> None:
    found = told(TICKET.model_copy(update={"megabatches": 2, "tau": 3.0}))
    assert [(done.megabatch, done.round) for done in of(found, RoundDone)] == [(0, 0), (0, 1), (1, 2)]


@pytest.mark.parametrize("restores", [True, False])
def test_the_value_is_that_of_the_weights_which_a_shorter_run_carries_on(restores: bool) -> None:
    """The first round is the dense network: a dense run of the same seed ends with the same numbers."""
    config = TICKET.model_copy(update={"restore_best": restores, "epochs": 3})
    first = of(told(config), RoundDone)[0]
    dense = of(told(config.model_copy(update={"method": "dense"})), MegabatchDone)[0]
    for name in ("test_accuracy", "test_loss", "test_errors", "train_accuracy", "val_accuracy"):
        assert getattr(first, name) == getattr(dense, name), name


@pytest.mark.parametrize("method", ["imp", "cs"])
def test_the_values_change_no_bit_of_the_run(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TICKET.model_copy(update={"method": method, "options": {}, "tau": 3.0})
    with_values = told(config)
    monkeypatch.setattr(loop, "tested", lambda segments: frozenset())
    without = told(config)
    assert of(with_values, RoundDone) and not of(without, RoundDone)
    assert of(with_values, Finished)[0].weights_hash == of(without, Finished)[0].weights_hash
    ends = [untimed([done])[0] for found in (with_values, without) for done in of(found, MegabatchDone)]
    assert ends[0] == ends[1]


def test_a_kill_within_a_test_of_a_round_loses_nothing(events: list[Event]) -> None:
    """The state of the last checkpoint goes on with the same events, wherever the kill came."""
    segments = plan(TICKET)
    end = min(stages.tested(segments))
    state = RunState.create(TICKET)
    kept = state.snapshot()
    for event in loop.run(state, segments):
        if isinstance(event, SegmentDone) and event.cursor == end:
            kept = state.snapshot()
        if isinstance(event, Progress) and event.phase == "test":
            break  # the weights that are tested lie in the network at this moment
    again = list(loop.run(RunState.restore(TICKET, *kept), segments))
    rest = events[next(i for i, event in enumerate(events) if isinstance(event, SegmentDone) and event.cursor == end) + 1 :]
    assert untimed(of(again, RoundDone)) == untimed(of(rest, RoundDone))
    assert of(again, Finished)[0].weights_hash == of(events, Finished)[0].weights_hash


def test_patience_skips_epochs_but_no_value() -> None:
    found = told(TICKET.model_copy(update={"epochs": 6, "patience": 1, "lr": 0.0001}))
    assert [done.round for done in of(found, RoundDone)] == [0, 1]


def test_rounds_are_counted_by_the_prunings_before_them() -> None:
    config = TICKET.model_copy(update={"tau": 7.0, "options": {"control": "reinit"}})
    found = stages.of_config(config)
    assert (found.word, found.labels) == ("round", [str(number) for number in range(8)])
    assert found.fresh == {7} and set(found.epochs) == {2}
    segments = plan(config)
    opened = [found.of_segments[segment.index] for segment in segments if segment.kind == "prune"]
    assert opened == list(range(1, 8))
    assert all(before <= after for before, after in pairwise(found.of_segments))


def test_a_stream_without_rounds_has_a_stage_for_each_megabatch() -> None:
    found = stages.of_config(TICKET.model_copy(update={"method": "app", "megabatches": 3}))
    assert (found.word, found.labels, found.are_rounds) == ("megabatch", ["1", "2", "3"], False)


def test_runs_share_an_axis_where_their_stages_begin_alike() -> None:
    ticket, dense, stream = (
        stages.of_config(TICKET.model_copy(update=values)) for values in ({}, {"method": "dense"}, {"method": "app", "megabatches": 3})
    )
    assert stages.shared([ticket, dense]) == ticket.places
    assert stages.shared([stream, dense]) == stream.places
    assert stages.shared([ticket, stream]) is None
