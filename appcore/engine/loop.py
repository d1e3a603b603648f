"""The training loop, the only one: carries out a plan on a state and yields events. It writes no files and makes no choices.

All that matters between two events is in the state, so a run can stop after any segment and go on from `plan[state.cursor:]`.
No `yield` stands inside a `with`: torch's modes would leak to the consumer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..analysis import anytime
from ..config import RunConfig
from ..events import EpochDone, Event, LayerDensity, MegabatchDone, Progress, RoundDone, SegmentDone
from ..masks import selection
from ..masks.reads import together
from ..methods.base import Segment, hook
from ..methods.learning_rate import is_by_step, learning_rate
from ..planning.plan import check, plan
from ..planning.stages import tested
from . import compute, first_and_last, weights
from .prune_point import prune_point, share_of
from .shown import looks
from .state import Best, RunState
from .steps import READ_EVERY_SECONDS, Sums, Totals, evaluate_batch, train_step
from .stream import Epoch, batches


def start(config: RunConfig) -> Iterator[Event]:
    """Run a configuration in memory: `for event in run(RunConfig(...))`. Nothing is stored; see the manager for runs that are."""
    check(config)
    return run(RunState.create(config), plan(config))


def run(state: RunState, segments: tuple[Segment, ...]) -> Iterator[Event]:
    """Carry out the rest of the plan: Started, then the events of each segment and its SegmentDone, then Finished."""
    ends_of_rounds, is_needed = tested(segments), hook(state.config, "is_needed")
    yield first_and_last.started(state)
    for segment in segments[state.cursor :]:
        if is_needed is None or is_needed(state, segment):
            yield from _CARRY_OUT.get(segment.kind, _other)(state, segment)
            if segment.index in ends_of_rounds:
                yield from _test_round(state, segment)
        state.cursor = segment.index + 1
        yield SegmentDone(state.cursor)
    yield first_and_last.finished(state)


def _other(state: RunState, segment: Segment) -> Iterator[Event]:
    """Carry out a reset to fresh initial values, or a segment kind of the method's own."""
    yield Progress(segment.index, segment.megabatch, segment.epoch, 0, 1, state.samples_seen, phase="score")
    with state.timed("score"):
        if segment.kind == "reinit":
            state.reinitialise(f"reinit/{segment.megabatch}")
        else:
            hook(state.config, "carry_out")(state, segment)


def _train_epoch(state: RunState, segment: Segment) -> Iterator[Event]:
    before, config = state.seconds, state.config
    if config.patience and segment.epoch > 0 and state.stale_epochs >= config.patience:
        return  # stopped early: the plan's remaining epochs of this megabatch are passed over
    _begin_epoch(state, segment)
    sums, grown = Sums.zero(state.device), 0
    with state.timed("train"):
        epoch = state.stream.epoch(segment.megabatch, segment.draw if segment.draw >= 0 else segment.epoch)
        state.order_hash = epoch.chain(state.order_hash)
        count = len(batches(len(epoch.order), config.batch_size))
        steps = _train(state, segment, epoch, count, sums)
    due = time.perf_counter() + READ_EVERY_SECONDS
    for step in range(segment.skip_steps + 1, count + 1):
        loss = None
        with state.timed("train"):
            grown += next(steps)
            if time.perf_counter() >= due:
                loss, due = sums.read().mean_loss(), time.perf_counter() + READ_EVERY_SECONDS
        yield Progress(segment.index, segment.megabatch, segment.epoch, step, count, state.samples_seen, loss)
    with state.timed("train"):
        trained = sums.read()
    val = yield from _evaluate(state, segment, state.stream.validation(segment.megabatch), "validate")
    if not math.isfinite(trained.loss):
        raise FloatingPointError(
            f"the loss became {trained.mean_loss()} in megabatch {segment.megabatch + 1}, epoch {segment.epoch + 1}; "
            f"try a smaller lr than {config.lr:g} or precision fp32"
        )
    _count_flops(state, trained.images)
    yield EpochDone(
        segment=segment.index,
        megabatch=segment.megabatch,
        epoch=segment.epoch,
        learning_rate=state.optimizer.param_groups[0]["lr"],
        train_loss=trained.mean_loss(),
        train_accuracy=trained.accuracy(),
        val_loss=val.mean_loss(),
        val_accuracy=val.accuracy(),
        samples_seen=state.samples_seen,
        density=state.density(),
        seconds=state.seconds - before,
        is_best=_keep_if_best(state, segment, trained.accuracy(), val.accuracy()),
        round=segment.round,
        grown=grown,
    )


def _train(state: RunState, segment: Segment, epoch: Epoch, count: int, sums: Sums) -> Iterator[int]:
    """Train on the batches of an epoch; yields after each step how many pruned weights the method brought back in it."""
    config = state.config
    own_step, after_step = hook(config, "train_step"), hook(config, "after_step")
    by_gradient = hook(config, "GROWS_BY_GRADIENT")
    pruned = state.pruned()
    state.model.train()
    data = epoch.batches(config.batch_size, skip=segment.skip_steps)
    by_step = is_by_step(config)
    for step, (x, y) in enumerate(data, segment.skip_steps + 1):
        if by_step:
            _set_learning_rate(state, learning_rate(config, segment.epoch, step - 1, count))
        if not (own_step and own_step(state, segment, x, y, sums)):
            train_step(state.model, state.optimizer, pruned, x, y, sums, state.dtype, config.label_smoothing)
        grown = after_step(state, segment, step, count) if after_step else 0
        if grown:
            pruned = state.pruned()
            if by_gradient:
                compute.spend(state, compute.GROWTH, compute.of_growth(state.flops, state.shares(), len(y), is_own_pass=False))
        state.samples_seen += len(y)
        yield grown


def _test(state: RunState, segment: Segment) -> Iterator[Event]:
    carried = state.best
    assert carried is not None  # a plan trains before it tests
    if state.config.restore_best:
        _restore(state, carried)
    test = yield from _evaluate(state, segment, state.stream.test(), "test")
    answered = state.stream.clean_train_indices(segment.megabatch)
    train = yield from _evaluate(state, segment, state.stream.clean(answered), "test")
    state.cer += test.errors()
    images, parts = looks.at_images(state, segment), looks.parts(state, segment.megabatch)
    rest = looks.unanswered(parts, answered)
    others = yield from _evaluate(state, segment, state.stream.clean(rest), "test", is_counted=False)
    classes = looks.right_by_class(state, test.hits)
    seen = anytime.accuracy_on_seen(classes, segment.megabatch)  # test accuracy is of all, as in every stream
    facts: dict[str, Any] = {"images": images, "parts": looks.right_by_part(parts, [(answered, train.hits), (rest, others.hits)])}
    facts |= {"classes": classes} if classes else {}
    with state.timed("measure"):
        layers, effective = together(state.asking_layers(), selection.effective_density.ask(state.model, list(state.masks)))
    yield MegabatchDone(
        segment=segment.index,
        megabatch=segment.megabatch,
        density_requested=state.density_requested,
        density_mask=share_of(layers, "kept"),
        density_effective=effective,
        density_alive=share_of(layers, "alive"),
        layers=layers,
        train_accuracy=carried.train_accuracy,
        val_accuracy=carried.val_accuracy,
        test_accuracy=test.accuracy(),
        test_loss=test.mean_loss(),
        generalization_gap=anytime.generalization_gap(carried.train_accuracy, carried.val_accuracy),
        test_errors=test.errors(),
        test_images=test.images,
        cer=state.cer,
        samples_seen=state.samples_seen,
        train_images=len(state.stream.train_indices(segment.megabatch)),
        seconds=state.megabatch_seconds,
        order_hash=state.order_hash,
        clean_train_accuracy=train.accuracy(),
        clean_gap=anytime.generalization_gap(train.accuracy(), test.accuracy() if seen is None else seen),
        clean_train_images=train.images,
        parameters=_count_parameters(state, layers),
        cumulative_parameters=state.cumulative_parameters,
        seen_accuracy=seen,
        facts=facts,
    )
    state.megabatch_seconds = 0.0


def _test_round(state: RunState, segment: Segment) -> Iterator[Event]:
    """Test what a round would carry on, and leave the state as it was, bit by bit."""
    carried = state.best
    assert carried is not None  # a round has trained
    borrows = state.config.restore_best and not hook(state.config, "network")  # whose soft masks are those of the last epoch
    before = weights.taken(state.model) if borrows else {}
    if borrows:
        weights.put_back(state.model, carried.weights)
    test = yield from _evaluate(state, segment, state.stream.test(), "test")
    if borrows:
        weights.put_back(state.model, before)
    with state.timed("measure"):
        layers = state.layer_densities()
    yield RoundDone(
        segment=segment.index,
        megabatch=segment.megabatch,
        round=segment.round,
        density_mask=share_of(layers, "kept"),
        density_alive=share_of(layers, "alive"),
        layers=layers,
        train_accuracy=carried.train_accuracy,
        val_accuracy=carried.val_accuracy,
        test_accuracy=test.accuracy(),
        test_loss=test.mean_loss(),
        test_errors=test.errors(),
        test_images=test.images,
        seen_accuracy=anytime.accuracy_on_seen(looks.right_by_class(state, test.hits), segment.megabatch),
    )


_CARRY_OUT = {"prune": prune_point, "epoch": _train_epoch, "test": _test}
_EVALUATIONS = {"validate": compute.VALIDATION, "test": compute.TESTS}


def _evaluate(
    state: RunState, segment: Segment, data: Iterable[tuple[Tensor, Tensor]], phase: str, *, is_counted: bool = True
) -> Generator[Event, None, Totals]:
    """Accuracy over clean batches; an event after each, so that a long evaluation can be paused and stopped too."""
    sums, waiting, step = Sums.zero(state.device, keeps_hits=True), iter(data), 0
    with state.timed(phase):
        network = looks.evaluated(state, segment)
    while True:
        with state.timed(phase):
            batch = next(waiting, None)
            if batch is not None:
                evaluate_batch(network, *batch, sums, state.dtype)
            else:
                totals = sums.read()
        if batch is None:
            if is_counted:
                compute.spend(state, _EVALUATIONS[phase], compute.of_evaluation(state.flops, state.shares(), totals.images))
            return totals
        step += 1
        yield Progress(segment.index, segment.megabatch, segment.epoch, step, step, state.samples_seen, phase=phase)


def _begin_epoch(state: RunState, segment: Segment) -> None:
    """Set the segment's learning rate; at a new megabatch, forget the best epoch and keep or reset momentum as configured."""
    _set_learning_rate(state, segment.learning_rate)
    if segment.epoch == 0:
        state.forget_best()
        if state.config.optimizer_state == "reset":
            state.set_momentum({})


def _set_learning_rate(state: RunState, rate: float) -> None:
    for group in state.optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def _keep_if_best(state: RunState, segment: Segment, train_accuracy: float, val_accuracy: float) -> bool:
    """Remember this epoch as the one to carry on with; the last epoch when best weights are not restored."""
    config = state.config
    state.stale_epochs = 0 if val_accuracy > state.top_val_accuracy else state.stale_epochs + 1
    state.top_val_accuracy = max(val_accuracy, state.top_val_accuracy)
    if config.restore_best and state.best is not None and val_accuracy <= state.best.val_accuracy:
        return False
    state.best = Best(segment.epoch, train_accuracy, val_accuracy)
    if config.restore_best:
        state.best.weights = weights.taken(state.model)
        if hook(state.config, "after_step"):  # masks may have changed by the end of the megabatch
            state.best.masks = {name: mask.clone() for name, mask in state.masks.items()}
        if config.optimizer_state == "restore":
            state.best.momentum = {name: buffer.clone() for name, buffer in state.momentum().items()}
    return True


def _restore(state: RunState, best: Best) -> None:
    if best.masks:
        state.set_masks(best.masks)
    weights.put_back(state.model, best.weights)
    if state.config.optimizer_state == "restore":
        state.set_momentum(best.momentum)


def _count_flops(state: RunState, images: int) -> None:
    """Add an epoch's training FLOPs: dense, and with each prunable layer scaled by its density (theoretical, see README)."""
    state.flops_dense += state.flops.training * images
    state.flops_sparse += state.flops.sparse_training(state.shares()) * images


def _count_parameters(state: RunState, layers: tuple[LayerDensity, ...]) -> int:
    """Parameters of the network without the pruned ones; adds them to the sum over the megabatches, ALMA's measure of memory."""
    left = state.flops.parameters - sum(layer.total - layer.kept for layer in layers)
    if state.cumulative_parameters is not None:
        state.cumulative_parameters += left
    return left
