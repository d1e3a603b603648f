"""Every method: the density it names, same seed same bits, resume from every segment, and what each one promises of its own."""

import math
from fractions import Fraction

import pytest
import torch

from appcore import InputError, RunConfig, plugins, run
from appcore.config import build
from appcore.engine.loop import run as run_state
from appcore.engine.state import RunState
from appcore.events import EpochDone, Finished, MegabatchDone, Pruned, SegmentDone, Started
from appcore.methods import apgp, cs, gmp, imp, rigl
from appcore.methods.base import Segment, spread, steps_of
from appcore.methods.growth import is_due
from appcore.planning.plan import check, plan, total_samples
from appcore.planning.stream_sizes import batches, samples, segment_samples

METHODS = list(plugins.choices("methods"))
PRUNERS = plugins.choices("pruners")
SMALL = {"arch": "mlp", "limit_train": 90, "limit_test": 30, "megabatches": 2, "epochs": 3, "tau": 3.0, "lr": 0.05, "batch_size": 16}
EXTRA = {
    "imp": {"rewind_epoch": 1},
    "rigl": {"updates_per_epoch": 2},
    "cs": {"final_beta": 20.0},
    "ll-bu": {"search_steps": 3, "accept_gap": -1.0},
}


def config(method: str, **values) -> RunConfig:
    return RunConfig(**{**SMALL, "device": "cpu", "method": method, **values})


def small(method: str, **values) -> RunConfig:
    """The settings with which all that a method has takes part."""
    return config(method, **{"options": EXTRA.get(method, {}), **values})


def of(events: list, kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def total(state: RunState) -> int:
    return sum(mask.numel() for mask in state.masks.values())


def kept(state: RunState) -> int:
    return sum(int(mask.sum()) for mask in state.masks.values())


def stepped(state: RunState, segments: tuple):
    """(segment, events of it) one after the other, the state being as that segment left it."""
    events = []
    for event in run_state(state, segments):
        events.append(event)
        if isinstance(event, SegmentDone):
            yield segments[event.cursor - 1], events
            events = []


@pytest.mark.thorough
@pytest.mark.parametrize("replay", ["full", "none"])
@pytest.mark.parametrize(("method", "pruner"), [(m, p) for m in METHODS for p in PRUNERS if plugins.has_pruner(m) or p == "snip"])
def test_every_method_ends_at_the_density_it_names(method: str, pruner: str, replay: str) -> None:
    rounds = {"rounds": 3} if "rounds" in PRUNERS[pruner].options else {}  # enough to be a ladder
    settings = small(method, pruner=pruner, replay=replay, options={**EXTRA.get(method, {}), **rounds})
    state = RunState.create(settings)
    *events, last = run_state(state, plan(settings))
    ends = of(events, MegabatchDone)
    assert isinstance(last, Finished) and [end.megabatch for end in ends] == [0, 1]
    most = total_samples(settings, check(settings))
    assert ends[-1].samples_seen == most or (method == "ll-bu" and ends[-1].samples_seen < most)
    for end in ends:
        assert end.density_mask == sum(layer.kept for layer in end.layers) / total(state)
        assert abs(end.density_requested - end.density_mask) <= 0.5 / total(state) + 1e-12
    assert all((state.model.get_parameter(name)[~mask] == 0).all() for name, mask in state.masks.items())
    if method in ("osp", "app", "gmp", "set", "rigl", "apgp"):
        assert kept(state) == round(0.8**3.0 * total(state))
    if method in ("imp", "ll-td"):
        assert abs(kept(state) - 0.8**3.0 * total(state)) < 3


@pytest.mark.thorough
@pytest.mark.parametrize("method", METHODS)
def test_one_megabatch_and_one_epoch_work_too(method: str) -> None:
    for values in ({"megabatches": 1}, {"megabatches": 1, "epochs": 1}, {"megabatches": 3, "epochs": 1}):
        end = of(list(run(config(method, **values))), MegabatchDone)[-1]
        if method in ("osp", "app", "gmp", "set", "rigl", "apgp"):
            assert end.density_mask == pytest.approx(0.8**3.0, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_same_bits_for_one_seed_interleaved_and_resumed_from_every_segment(method: str) -> None:
    settings = small(method, patience=2 if method in ("gmp", "rigl") else 0, reinit=method in ("set", "imp"))
    segments = plan(settings)
    state, snapshots = RunState.create(settings), []
    for event in run_state(state, segments):
        if isinstance(event, SegmentDone):
            snapshots.append(state.snapshot())
    expected = event
    for tensors, facts in snapshots:
        *_, last = run_state(RunState.restore(settings, tensors, facts), segments)
        assert (last.weights_hash, last.cer, last.train_flops_sparse) == (expected.weights_hash, expected.cer, expected.train_flops_sparse)
    one, two, others = run(settings), run(settings), run(config("set", seed=1))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    for first, second in zip(one, two, strict=True):  # noqa: B007
        next(others, None)
    assert first.weights_hash == second.weights_hash == expected.weights_hash
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.thorough
def test_methods_are_paired() -> None:
    started = [of(list(run(small(method))), Started)[0].hashes for method in METHODS]
    assert all(hashes == started[0] for hashes in started)


def test_rounds_spread_over_the_stream() -> None:
    assert spread(4, 1) == [4] and spread(4, 4) == [1, 1, 1, 1] and spread(3, 8) == [1, 0, 1, 0, 0, 1, 0, 0] and spread(5, 2) == [3, 2]
    assert all(sum(spread(r, t)) == r for r in range(12) for t in range(1, 9))


def test_imp_removes_ceil_of_a_fifth_and_rewinds() -> None:
    for values in ({}, {"rewind_epoch": 1}, {"rewind_epoch": 1, "rewind_step": 2}):
        settings = config("imp", tau=4.0, options=values)
        state, segments = RunState.create(settings), plan(settings)
        left, point = total(state), None
        for segment, events in stepped(state, segments):
            kept_weights = {name.partition("/")[2]: tensor for name, tensor in state.extra.items()}
            point = {name: tensor.clone() for name, tensor in kept_weights.items()} or point
            if segment.kind == "prune":
                left -= math.ceil(Fraction(1, 5) * left)
                assert kept(state) == left == round(of(events, Pruned)[0].density_requested * total(state))
            if segment.kind == "rewind":
                for name, tensor in state.model.state_dict().items():
                    assert torch.equal(tensor, point[name] * state.masks[name] if name in state.masks else point[name])
                assert state.momentum() == {}
        assert [segment.kind for segment in segments].count("rewind") == 4 and not state.extra


def test_imp_rewinds_to_the_weights_of_the_start_in_the_classic_setting() -> None:
    settings = config("imp", megabatches=1, tau=2.0)
    state = RunState.create(settings)
    initial = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    for segment, _ in stepped(state, plan(settings)):
        if segment.kind == "rewind":
            assert all(torch.equal(state.model.get_parameter(name), initial[name] * mask) for name, mask in state.masks.items())


def test_imp_control_has_the_same_masks_and_fresh_values() -> None:
    masks, starts = [], []
    for control in ("none", "reinit"):
        settings = config("imp", megabatches=1, options={"control": control})
        state = RunState.create(settings)
        for segment, _ in stepped(state, plan(settings)):
            if segment.kind == "rewind" and segment.round == 3:
                starts.append({name: state.model.get_parameter(name).clone() for name in state.masks})
        masks.append(state.masks)
    assert all(torch.equal(masks[0][name], masks[1][name]) for name in masks[0])
    assert all(not torch.equal(starts[0][name], starts[1][name]) for name in starts[0])


def test_imp_sees_what_the_first_round_saw_from_step_k_on() -> None:
    settings = config("imp", megabatches=1, tau=1.0, options={"rewind_epoch": 1, "rewind_step": 2})
    epochs = [segment for segment in plan(settings) if segment.kind == "epoch"]
    assert [(e.round, e.epoch, e.skip_steps) for e in epochs] == [(0, 0, 0), (0, 1, 0), (0, 2, 0), (1, 1, 2), (1, 2, 0)]
    per_epoch = samples(settings, check(settings))
    assert [segment_samples(settings, per_epoch, epoch) for epoch in epochs] == [81, 81, 81, 81 - 32, 81]
    assert imp.rounds(config("imp", tau=4.5)) == 4 and imp.rounds(config("imp", tau=4.5, options={"rate": 0.36})) == 2


def test_cs_ticket_is_where_s_is_positive_and_a_removed_weight_stays_removed() -> None:
    settings = small("cs", options={"search_rounds": 3, "final_beta": 20.0, "rewind_epoch": 1})
    state, before, kinds = RunState.create(settings), None, []
    for segment, events in stepped(state, plan(settings)):
        kinds.append(segment.kind)
        if segment.kind == "prune":
            positive = {name: cs.soft(state)[name] > 0 for name in state.masks}
            density = sum(int(mask.sum()) for mask in positive.values()) / total(state)
            pruned = of(events, Pruned)[0]
            assert 0 < pruned.density_mask == density < 1 and not pruned.is_named and pruned.density_requested == density
            assert all(torch.equal(mask, positive[name]) for name, mask in state.masks.items())
            assert before is None or all(not (mask & ~before[name]).any() for name, mask in state.masks.items())
            before = {name: mask.clone() for name, mask in state.masks.items()}
    assert (kinds.count("prune"), kinds.count("cool"), kinds.count("epoch")) == (2, 1, 3 * 3 + 2 * 3)


def test_cs_is_its_formula_and_cools_between_rounds() -> None:
    settings = config("cs", megabatches=1, options={"s0": 0.1, "search_rounds": 2, "final_beta": 9.0})
    assert [cs.beta(settings, epoch) for epoch in range(3)] == [1.0, 3.0, 9.0]
    state = RunState.create(settings)
    soft = cs.soft(state)
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    search = Segment("epoch", 0, 0, detail="search")
    state.model.eval()  # at the start sigmoid(s0) / sigmoid(s0) = 1: the network is the network
    torch.testing.assert_close(cs.network(state, search)(x), state.model(x))
    for s in soft.values():
        s.fill_(-0.3)
    name = next(iter(soft))
    expected = state.model.get_parameter(name) / (1 + math.exp(9 * 0.3)) * (1 + math.exp(-0.1))
    torch.testing.assert_close(cs.effective(state, Segment("epoch", 0, 2, detail="search"), soft)[name], expected)
    soft[name].view(-1)[0] = 0.5
    cs.carry_out(state, Segment("cool", 0))
    assert float(soft[name].view(-1)[0]) == pytest.approx(0.1) and float(soft[name].view(-1)[1]) == pytest.approx(-2.7)


@pytest.mark.parametrize("method", ["set", "rigl"])
def test_exchange_keeps_each_layers_density_while_masks_change(method: str) -> None:
    settings = config(method, megabatches=1, epochs=4, options={} if method == "set" else {"update_until": 1.0})
    state = RunState.create(settings)
    counts = masks = None
    for segment, events in stepped(state, plan(settings)):
        now = {name: int(mask.sum()) for name, mask in state.masks.items()}
        if segment.kind == "prune":
            counts, masks = now, {name: mask.clone() for name, mask in state.masks.items()}
        if segment.kind == "epoch":
            assert now == counts and kept(state) == round(0.8**3.0 * total(state))
            born = {name: int((mask & ~masks[name]).sum()) for name, mask in state.masks.items()}
            died = {name: int((masks[name] & ~mask).sum()) for name, mask in state.masks.items()}
            share = 0.3 if method == "set" else rigl.fraction(settings, (segment.epoch + 1 / 5) / 4)
            expected = {n: min(round(share * counts[n]), state.masks[n].numel() - counts[n]) if segment.epoch else 0 for n in counts}
            assert born == died == expected and of(events, EpochDone)[0].grown == sum(born.values())
            masks = {name: mask.clone() for name, mask in state.masks.items()}


def test_regrown_weights_start_at_zero_without_momentum_and_the_best_epoch_brings_its_masks() -> None:
    settings = config("rigl", restore_best=True)
    state = RunState.create(settings)
    for segment, _ in stepped(state, plan(settings)):
        if segment.kind == "epoch" and segment.epoch == 1:
            old = {name: mask.clone() for name, mask in state.masks.items()}
            for parameter in state.model.parameters():
                parameter.grad = torch.ones_like(parameter)
            rigl.after_step(state, segment, 1, 6)
            momentum = state.momentum()
            for name, mask in state.masks.items():
                born = mask & ~old[name]
                assert (
                    born.any() == (not old[name].all())
                    and (state.model.get_parameter(name)[born] == 0).all()
                    and (momentum[name][born] == 0).all()
                )
        if segment.kind == "test":
            assert all(torch.equal(mask, state.best.masks[name]) for name, mask in state.masks.items())


def test_updates_come_once_per_interval_and_never_on_the_last_step() -> None:
    def due(every: float, megabatch: int = 0) -> list:
        return [(e, s) for e in range(3) for s in range(1, 7) if is_due(Segment("epoch", megabatch, e), s, 6, every)]

    assert due(6) == [(1, 1), (2, 1)] and due(6, megabatch=1) == [(0, 1), (1, 1), (2, 1)]
    assert due(3) == [(0, 3), (1, 1), (1, 3), (2, 1), (2, 3)] and due(5) == [(0, 5), (1, 4), (2, 3)]


def test_rigl_grows_where_the_gradient_is_largest_and_its_fraction_is_a_cosine() -> None:
    settings = config("rigl", options={"update_until": 0.5})
    assert [rigl.fraction(settings, share) for share in (0, 0.25, 0.5, 0.9)] == pytest.approx([0.3, 0.15, 0, 0])
    state = RunState.create(settings)
    name = next(iter(state.masks))
    mask, weight = state.masks[name], state.model.get_parameter(name)
    for other in state.masks.values():
        other.fill_(True)
    mask.view(-1)[10:] = False
    state.apply_masks()
    for parameter in state.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    weight.grad.view(-1)[20:23] = torch.tensor([1.0, -3.0, 2.0])
    weight.grad.view(-1)[:10] = 9.0
    with torch.no_grad():
        weight.view(-1)[:10] = torch.tensor([5.0, -1.0, 4.0, 2.0, 6.0, 7.0, -8.0, 9.0, 3.0, 5.5])
    assert rigl.after_step(state, Segment("epoch", 1, 0), 1, 100) == 3
    assert mask.view(-1).nonzero().view(-1).tolist() == [0, 2, 4, 5, 6, 7, 9, 20, 21, 22]


def test_steps_are_the_batches_that_are_made() -> None:
    assert all(steps_of(n, size) == len(batches(n, size)) for n in range(1, 60) for size in (1, 2, 7, 16))


def test_gmp_follows_the_cubic_rule_over_the_whole_stream() -> None:
    settings = config("gmp", megabatches=2, epochs=4, options={"prune_until": 1.0})
    final = 0.8**3.0
    expected = [final + (1 - final) * (1 - i / 7) ** 3 for i in range(8)]
    assert [segment.density for segment in plan(settings) if segment.kind == "epoch"] == pytest.approx(expected)
    found = of(list(run(settings)), Pruned)
    assert [event.density_mask for event in found] == pytest.approx(expected[1:], abs=1e-4)
    early = [s.density for s in plan(config("gmp", epochs=4, options={"prune_until": 0.5})) if s.kind == "epoch"]
    assert early[3] > final == early[4] == early[-1] and gmp.RECIPE["gmp"]["pruner"] == "magnitude" == settings.pruner


def test_gmp_trains_the_last_quarter_at_the_final_density() -> None:
    densities = [s.density for s in plan(config("gmp", megabatches=4, epochs=10)) if s.kind == "epoch"]
    assert len(densities) == 40 and densities[29] > 0.8**3.0 == densities[30] == densities[-1]
    assert densities[10] == pytest.approx(0.8**3 + (1 - 0.8**3) * (1 - 10 / (0.75 * 39)) ** 3)


@pytest.mark.parametrize("replay", ["full", "none"])
def test_apgp_reaches_the_density_after_every_megabatch_of_a_stream_of_unknown_length(replay: str) -> None:
    def cut(t: int) -> list:
        values = config("apgp", megabatches=t, replay=replay)
        return [(s.kind, s.megabatch, s.epoch, s.density, s.learning_rate) for s in plan(values)]

    assert cut(2) == cut(5)[: len(cut(2))]
    settings = config("apgp", megabatches=3, replay=replay)
    state = RunState.create(settings)
    for segment, _ in stepped(state, plan(settings)):
        if segment.kind == "prune":
            assert kept(state) == round(segment.density * total(state))
        if segment.kind == "test":
            assert kept(state) == round(0.8**3.0 * total(state))
    grown = [segment.density for segment in plan(settings) if segment.detail == "grow"]
    assert grown == [apgp.target(settings, 1, 0), apgp.target(settings, 2, 0)] and grown[0] > grown[1] > 0.8**3.0


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"method": "imp", "epochs": 5000, "tau": 60.0, "options": {"rate": 0.01}}, "epochs", "100,000"),
        ({"method": "app", "tau": 0.5}, "tau", "at least 1"),
        ({"method": "imp", "tau": 0.2}, "tau", "at least 0.5"),
        ({"method": "imp", "options": {"rewind_epoch": 3}}, "options", "less than epochs"),
        ({"method": "cs", "options": {"rewind_epoch": 7}}, "options", "less than epochs"),
        ({"method": "imp", "options": {"rewind_step": 3}}, "options", "less than the 3 steps"),
        ({"method": "imp", "patience": 1, "options": {"rewind_epoch": 2}}, "patience", "rewinds"),
        ({"method": "cs", "patience": 2}, "patience", "another method"),
        ({"method": "ll-td", "tau": 0.2}, "tau", "not one round of pruning for ll-td"),
        ({"method": "ll-bu", "reinit": True}, "reinit", "leave it off"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(values: dict, field: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        next(run(build({**SMALL, **values})))
    assert caught.value.field == field and says in caught.value.message


def test_no_two_plug_ins_that_go_together_share_a_parameter() -> None:
    kinds = [{name for c in plugins.choices(kind).values() for name in c.options} for kind in plugins.KINDS]
    assert sum(map(len, kinds)) == len(set().union(*kinds))
