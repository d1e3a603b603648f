"""What a run will cost, before it starts: images, FLOPs, time and memory, from the plan and the network's shapes."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median
from typing import Any

import psutil
import torch
from torch.nn.functional import cross_entropy

from .. import plugins
from ..config import RunConfig
from ..datasets.base import used
from ..errors import BusyError, InputError
from ..methods.base import hook
from ..models import base as models
from ..names import counted
from ..planning.plan import check, plan
from ..planning.stream_sizes import CLEAN_TRAIN_IMAGES, samples, segment_samples, train_images
from . import flops, memory_formats, network_check
from .steps import dtype_for
from .stream import evaluation_batch, pick_device
from .threads import threads_for, use_threads

InTrainer = Callable[[Callable[[], Any]], Any]
_PROBE_FLOPS = 2e10  # about half a second on a slow core
_SAME_STEP = ("arch", "dataset", "image_size", "batch_size", "precision", "device", "method")  # what the time of a step depends on
_EARLIER_RUNS = 3
_LOOK_SECONDS = 0.15  # in which it is measured what other programs use
_BUSY_CORES = 0.4  # used by other programs while steps are timed: a browser that draws the page uses less
_speeds: dict[tuple, float] = {}  # images per second, timed on an idle machine
# Measured with torch 2.15 on a CPU, benchmarks/memory.py: the process with torch and a data set's libraries (for a GPU: a guess at its
# context); activations with the scratch space of the kernels, in parts of what autograd keeps in fp32; copies of the weights: values,
# gradients, momentum, best epoch, the network for evaluation, and what scoring and a checkpoint hold besides.
_PROCESS_BYTES = {"cpu": 850e6, "cuda": 600e6}
_ACTIVATIONS = {torch.float32: 1.4, torch.bfloat16: 0.65}
_TRAINING_COPIES, _SCORING_COPIES, _SAVING_COPIES = 5.5, 8, 13


def _here(function: Callable[[], Any]) -> Any:
    return function()


def estimate(config: RunConfig, earlier: Sequence[tuple[RunConfig, float]] = (), in_trainer: InTrainer = _here) -> dict[str, Any]:
    """The costs as plain numbers: samples, training_flops, seconds, memory_bytes, images_per_second, parameters, whether they are the most
    that there can be (is_most), since a run may leave out epochs of its plan, and a list of megabatches.

    `earlier` holds settings and seconds of runs on this machine, newest first. Those with equal steps give the speed; without any, a few
    training steps are timed by `in_trainer`, which calls a function in the thread that trains or raises BusyError. On a busy machine
    images_per_second and seconds are None when they cannot be measured; `measured_on` says how they were measured, or why not.
    InputError for settings that cannot run.
    """
    description = check(config)
    device = pick_device(config.device)
    network_check.check(config, description)
    segments, per_epoch = plan(config), samples(config, description)
    trained = sum(segment_samples(config, per_epoch, segment) for segment in segments)
    cost = flops.count(config.arch, description.shape, len(description.classes))
    speed, known_from = _known_speed(config, description, earlier, device, in_trainer)
    densities = {segment.megabatch: segment.density for segment in segments}
    epochs = Counter(segment.megabatch for segment in segments if segment.kind == "epoch")
    return {
        "samples": trained,
        "samples_per_epoch": per_epoch,
        "training_flops": trained * cost.training,
        "images_per_second": speed,
        "measured_on": known_from,
        "seconds": speed and _passes(config, description, per_epoch) / speed,
        "memory_bytes": memory_bytes(config),
        "parameters": cost.parameters,
        "train_images": description.train_images,
        "test_images": description.test_images,
        "device": device.type,
        "is_most": bool(config.patience or hook(config, "is_needed")),
        "notes": list(description.notes),
        "megabatches": [
            {"megabatch": t, "density": densities[t], "train_images": images, "epochs": epochs[t]} for t, images in enumerate(per_epoch)
        ],
    }


def _known_speed(
    config: RunConfig, description: Any, earlier: Sequence[tuple[RunConfig, float]], device: torch.device, in_trainer: InTrainer
) -> tuple[float | None, str]:
    """Training images per second, and how that is known. On a busy machine recent runs say more than steps that are timed now."""
    if found := _earlier_speed(config, earlier):
        others = _busy(in_trainer)
        return found[0], f"{found[1]}; {others} now, so it may take longer" if others else found[1]
    key = _step_key(config, description, device)
    others = "" if key in _speeds else _busy(in_trainer)
    if others and (near := _scaled_speed(config, description, earlier, device)):
        return near[0], f"{near[1]}; {others} now, so it may take longer"
    return _timed_speed(config, description, device, in_trainer)


def _busy(in_trainer: InTrainer) -> str:
    """What else takes the machine now, in words; empty where nothing does."""
    try:
        in_trainer(lambda: None)
    except BusyError:
        return "another run trains here"
    busy = _cores_of_others()
    return f"other programs use {busy:.1f} of {psutil.cpu_count()} cores" if busy > _BUSY_CORES else ""


def _cores_of_others() -> float:
    """The cores that other programs use now."""
    used, ours, begun = _used(), time.process_time(), time.perf_counter()
    time.sleep(_LOOK_SECONDS)
    return (_used() - used - (time.process_time() - ours)) / (time.perf_counter() - begun)


def _scaled_speed(
    config: RunConfig, description: Any, earlier: Sequence[tuple[RunConfig, float]], device: torch.device
) -> tuple[float, str] | None:
    """The speed by which recent runs of the same network on this device computed, by FLOPs."""
    found: list[float] = []
    for other, seconds in earlier:
        if len(found) < _EARLIER_RUNS and seconds > 0 and other.arch == config.arch and pick_device(other.device).type == device.type:
            with suppress(InputError):  # its images are no longer on this machine
                there = check(other)
                cost = flops.count(other.arch, there.shape, len(there.classes))
                found.append(_passes(other, there, samples(other, there)) * cost.training / seconds)
    if not found:
        return None
    cost = flops.count(config.arch, description.shape, len(description.classes))
    return median(found) / cost.training, f"{counted(len(found), 'recent run')} of this network, by FLOPs"


def _earlier_speed(config: RunConfig, earlier: Sequence[tuple[RunConfig, float]]) -> tuple[float, str] | None:
    """Training images per second of the newest runs with the same steps, including everything else that such a run does."""
    found: list[float] = []
    for other, seconds in earlier:
        if len(found) < _EARLIER_RUNS and seconds > 0 and all(getattr(other, name) == getattr(config, name) for name in _SAME_STEP):
            with suppress(InputError):  # its images are no longer on this machine
                description = check(other)
                found.append(_passes(other, description, samples(other, description)) / seconds)
    return (
        (median(found), f"{'an earlier run' if len(found) == 1 else f'{len(found)} earlier runs'} with the same steps") if found else None
    )


def _passes(config: RunConfig, description: Any, per_epoch: list[int]) -> float:
    """Images in units of training work: an evaluated image costs about a third of a trained one."""
    segments = plan(config)
    test = used(config, description)[1]
    total = 0.0
    for segment in segments:
        train = per_epoch[segment.megabatch]
        if segment.kind == "epoch":
            trained = segment_samples(config, per_epoch, segment)
            total += trained + train * config.val_fraction / (1 - config.val_fraction) / 3
        elif segment.kind == "test":
            total += (test + min(train, CLEAN_TRAIN_IMAGES)) / 3
        elif segment.kind == "prune" and plugins.has_pruner(config.method):
            total += _scoring(config, description)
    return total


def _scoring(config: RunConfig, description: Any) -> float:
    """The same for the scores of one prune point, summed over all rounds of the criterion."""
    choice = plugins.find("pruners", config.pruner)
    options = {name: config.option("pruner", name) for name in choice.options}
    images = config.score_fraction * train_images(config, description) / config.megabatches
    if options.get("batches") == "one":
        images = min(images, config.score_batch_size)
    return options.get("rounds", 1) * max(1.0, images * choice.literals.get("COST", {}).get(choice.name, 1.0))


def memory_bytes(config: RunConfig) -> int:
    """Bytes at the peak of a process that does this run alone, or on the GPU; within a quarter of what was measured (benchmarks/memory.md).

    The peak is in training, in scoring or while a checkpoint is written, whichever takes most.
    """
    description, device = check(config), pick_device(config.device)
    shape, classes = description.shape, len(description.classes)
    cost = flops.count(config.arch, shape, classes)
    channels, height, width = shape
    padded = channels * (height + 2 * config.crop_padding) * (width + 2 * config.crop_padding)
    test = used(config, description)[1]
    data = train_images(config, description) * padded + test * channels * height * width
    weights, per_image = 4 * cost.parameters, flops.activation_bytes(config.arch, shape, classes)
    dtype = dtype_for(config.precision, device, cost.training * config.batch_size)
    scored = min(config.score_batch_size, math.ceil(config.score_fraction * train_images(config, description) / config.megabatches))
    evaluated = min(evaluation_batch(device), max(test, math.ceil(config.val_fraction * train_images(config, description))))
    pruner = plugins.find("pruners", config.pruner)
    more = config.optimizer == "adamw"  # one more copy, of squared gradients, and another where a checkpoint is written
    phases = (
        (_TRAINING_COPIES + more) * weights + config.batch_size * per_image * _ACTIVATIONS[dtype],
        (_SCORING_COPIES + more) * weights + scored * per_image * (pruner.literal("MEMORY") or _ACTIVATIONS[dtype]),
        (_TRAINING_COPIES + more) * weights + per_image / 8 * evaluated,  # nothing is kept for backward: a few layers' worth at a time
        (_SAVING_COPIES + 2 * more) * weights,
    )
    return round(_PROCESS_BYTES[device.type] + data + max(phases))


def _step_key(config: RunConfig, description: Any, device: torch.device) -> tuple:
    return config.arch, description.shape, len(description.classes), config.batch_size, device.type, config.precision


def _timed_speed(config: RunConfig, description: Any, device: torch.device, in_trainer: InTrainer) -> tuple[float | None, str]:
    """Images per second of real training steps, timed now, and how that is known; None where other programs take too much for it.

    Times of an idle machine are remembered. On a busy one the thread's own processor time still shows what single-threaded steps take.
    """
    key = _step_key(config, description, device)
    if key not in _speeds:
        step = _Step(*key)
        threads = threads_for(step.flops * config.batch_size, device.type)
        try:
            seconds, _, busy = in_trainer(lambda: step.timed(threads))
            others = f"other programs use {busy:.1f} of {psutil.cpu_count()} cores" if busy > _BUSY_CORES else ""
        except BusyError:
            others = "another run trains here"
        if others and (threads > 1 or device.type != "cpu"):
            return None, f"{others}, so the speed cannot be measured now"
        if others:
            return step.images / step.timed(1)[1], f"the processor time of a few steps; {others} now, so it may take longer"
        _speeds[key] = step.images / seconds
    return _speeds[key], "a few steps on this machine"


class _Step:
    """A training step on a batch that is small enough to be timed at once."""

    def __init__(self, arch: str, shape: tuple[int, int, int], classes: int, batch_size: int, device: str, precision: str):
        cost = flops.count(arch, shape, classes)
        self.flops, self.images = cost.training, max(2, min(batch_size, int(_PROBE_FLOPS / cost.training)))
        self._build = (arch, shape, classes, device, dtype_for(precision, torch.device(device), cost.training * batch_size), cost)

    def timed(self, threads: int) -> tuple[float, float, float]:
        """Wall and processor seconds (of this thread) of the fastest of a few steps, and the cores that other programs used meanwhile."""
        arch, shape, classes, device, dtype, cost = self._build
        use_threads(threads)
        model = memory_formats.arrange(models.create(arch, shape, classes, seed=0), cost, dtype, torch.device(device)).train()
        x = torch.zeros(self.images, *shape, device=device).contiguous(memory_format=torch.channels_last)
        y = torch.zeros(self.images, dtype=torch.int64, device=device)
        walls, own = [], []
        for turn in range(4):
            if turn == 1:  # the first step warms up
                begun, used, ours = time.perf_counter(), _used(), time.process_time()
            start, started = time.perf_counter(), time.thread_time()
            with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                loss = cross_entropy(model(x), y)
            loss.backward()
            float(loss.detach())
            if device == "cuda":
                torch.cuda.synchronize()
            walls.append(time.perf_counter() - start)
            own.append(time.thread_time() - started)
        busy = (_used() - used - (time.process_time() - ours)) / (time.perf_counter() - begun)
        return min(walls[1:]), min(own[1:]), max(0.0, busy)


def _used() -> float:
    """Processor seconds that all programs of this machine have used so far."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
