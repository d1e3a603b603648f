"""What a run will cost, before it starts: images, FLOPs, time and memory, from the plan and the network's shapes."""

from __future__ import annotations

import math
import time
from collections import Counter
from functools import lru_cache
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from .. import plugins
from ..config import RunConfig
from ..models import base as models
from ..planning.plan import check, plan
from ..planning.stream_sizes import samples, segment_samples, train_images
from . import flops, memory_formats
from .steps import dtype_for, threads_for, use_threads
from .stream import evaluation_batch, pick_device

_PROBE_FLOPS = 2e10  # about half a second of a slow core
# Measured with torch 2.15 on a CPU, benchmarks/memory.py: the process with torch and a data set's libraries (for a GPU: a guess at its
# context); activations with the scratch space of the kernels, in parts of what autograd keeps in fp32; copies of the weights: values,
# gradients, momentum, best epoch, and what scoring and a checkpoint hold besides.
_PROCESS_BYTES = {"cpu": 850e6, "cuda": 600e6}
_ACTIVATIONS = {torch.float32: 1.4, torch.bfloat16: 0.65}
_TRAINING_COPIES, _SCORING_COPIES, _SAVING_COPIES = 4.5, 7, 12


def estimate(config: RunConfig, images_per_second: float | None = None) -> dict[str, Any]:
    """Plain numbers: samples, training_flops, seconds, memory_bytes, images_per_second, parameters, and a list of megabatches.

    `images_per_second` is the speed of an earlier run like this one, when there is one; else a few training steps are timed.
    InputError for settings that cannot run.
    """
    description = check(config)
    device = pick_device(config.device)
    segments, per_epoch = plan(config), samples(config, description)
    trained = sum(segment_samples(config, per_epoch, segment) for segment in segments)
    cost = flops.count(config.arch, description.shape, len(description.classes))
    speed = images_per_second or _timed_speed(
        config.arch, description.shape, len(description.classes), config.batch_size, device.type, config.precision
    )
    densities = {segment.megabatch: segment.density for segment in segments}
    epochs = Counter(segment.megabatch for segment in segments if segment.kind == "epoch")
    return {
        "samples": trained,
        "samples_per_epoch": per_epoch,
        "training_flops": trained * cost.training,
        "images_per_second": speed,
        "measured_on": "an earlier run" if images_per_second else "a few steps just now",
        "seconds": _passes(config, description, per_epoch) / speed,
        "memory_bytes": memory_bytes(config),
        "parameters": cost.parameters,
        "train_images": description.train_images,
        "test_images": description.test_images,
        "device": device.type,
        "notes": list(description.notes),
        "megabatches": [
            {"megabatch": t, "density": densities[t], "train_images": images, "epochs": epochs[t]} for t, images in enumerate(per_epoch)
        ],
    }


def _passes(config: RunConfig, description: Any, per_epoch: list[int]) -> float:
    """Images in units of training work: an evaluated image costs about a third of a trained one."""
    segments = plan(config)
    test = min(description.test_images, config.limit_test or description.test_images)
    total = 0.0
    for segment in segments:
        train = per_epoch[segment.megabatch]
        if segment.kind == "epoch":
            trained = segment_samples(config, per_epoch, segment)
            total += trained + train * config.val_fraction / (1 - config.val_fraction) / 3
        elif segment.kind == "test":
            total += test / 3
        elif segment.kind == "prune":
            total += _scoring(config, description)
    return total


def _scoring(config: RunConfig, description: Any) -> float:
    """The same for the scores of one prune point, all rungs of the criterion's ladder together."""
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
    test = min(description.test_images, config.limit_test or description.test_images)
    data = train_images(config, description) * padded + test * channels * height * width
    weights, per_image = 4 * cost.parameters, flops.activation_bytes(config.arch, shape, classes)
    dtype = dtype_for(config.precision, device, cost.training * config.batch_size)
    scored = min(config.score_batch_size, math.ceil(config.score_fraction * train_images(config, description) / config.megabatches))
    evaluated = min(evaluation_batch(device), max(test, math.ceil(config.val_fraction * train_images(config, description))))
    pruner = plugins.find("pruners", config.pruner)
    phases = (
        _TRAINING_COPIES * weights + config.batch_size * per_image * _ACTIVATIONS[dtype],
        _SCORING_COPIES * weights + scored * per_image * (pruner.literal("MEMORY") or _ACTIVATIONS[dtype]),
        _TRAINING_COPIES * weights + per_image / 8 * evaluated,  # nothing is kept for backward: a few layers' worth at a time
        _SAVING_COPIES * weights,
    )
    return round(_PROCESS_BYTES[device.type] + data + max(phases))


@lru_cache(maxsize=64)
def _timed_speed(arch: str, shape: tuple[int, int, int], classes: int, batch_size: int, device: str, precision: str) -> float:
    """Images per second of real training steps, on a batch small enough to be timed at once."""
    cost = flops.count(arch, shape, classes)
    batch = max(2, min(batch_size, int(_PROBE_FLOPS / cost.training)))
    use_threads(threads_for(cost.training * batch_size))
    dtype = dtype_for(precision, torch.device(device), cost.training * batch_size)
    model = memory_formats.arrange(models.create(arch, shape, classes, seed=0), cost, dtype, torch.device(device)).train()
    x = torch.zeros(batch, *shape, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.zeros(batch, dtype=torch.int64, device=device)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            loss = cross_entropy(model(x), y)
        loss.backward()
        float(loss.detach())
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return batch / min(times[1:])
