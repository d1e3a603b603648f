"""Measurements of this machine: cost of masks, cost of a prune point, and the engine versus training in the published style.

The published style is written out in published_style.py. Results go to benchmarks/ of a checkout, else to the working folder.
"""

from __future__ import annotations

import copy
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor, nn

from .. import files, paths, plugins, seeds
from ..config import RunConfig
from ..engine import flops, loop, memory_formats
from ..engine.state import RunState
from ..engine.steps import Sums, dtype_for, train_step
from ..engine.threads import ALL_THREADS, threads_for, use_threads
from ..events import EpochDone
from ..masks import selection
from ..models import base as models
from ..planning.plan import plan
from ..pruners.base import ScoringTask
from . import front_doors, published_style, whole_runs
from .timing import Row, file_stem, interleaved, is_here, machine, table

ROOT = Path(__file__).resolve().parents[2]
REAL_IMAGES = {count: ROOT.parent / "shared" / "data" / name for count, name in ((5_000, "cifar10-small.zip"), (50_000, "cifar10.zip"))}
DENSITY = 0.366
SHAPE = (3, 32, 32)
CLASSES = 10
BATCH = 64


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    steps: int  # pairs of training steps
    prune_batch: int  # images of a scoring batch, and of the training step that it is compared with
    prune_rounds: int
    images: dict[str, int]  # per epoch, by architecture
    rounds: int  # counted epochs of each side
    whole: whole_runs.Size
    doors: front_doors.Size
    large: int = 50_000  # images of the set that a run uses a few of


FULL = Size(150, 64, 7, {"resnet20": 4000, "resnet18": 1000}, 5, whole_runs.FULL, front_doors.FULL)
QUICK = Size(20, 16, 2, {"resnet20": 600, "resnet18": 200}, 2, whole_runs.QUICK, front_doors.QUICK)


def measure(quick: bool = False, folder: Path | None = None, size: Size | None = None) -> dict[str, Any]:
    """Measure, write results-<machine>.json and .md into `folder`, and return the numbers.

    Default: benchmarks/ of the checkout, else the working folder.
    """
    folder = folder or (ROOT / "benchmarks" if (ROOT / "benchmarks").is_dir() else Path.cwd())
    here = machine()  # before small steps set the threads to one
    size, started, measured = size or (QUICK if quick else FULL), time.perf_counter(), []
    with some_images(max(size.images.values())) as (dataset, about):
        for device in ("cpu", "cuda"):
            for row in chain(rows(size, device, dataset), _front_doors(size, device, dataset)):
                print(f"{row.what}, {device}: {row.value}", file=sys.stderr)
                measured.append(row.plain())
    found = {
        "machine": here,
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in ("torch", "torchvision")}},
        "command": "python -m appcore bench" + (" --quick" if quick else ""),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "images": about,
        "seconds": time.perf_counter() - started,
        "rows": measured,
    }
    stem = file_stem(here) + ("-quick" if quick else "")
    files.write(paths.bench_numbers(folder, stem), json.dumps(found, indent=1) + "\n")
    files.write(paths.bench_table(folder, stem), table(found))
    return found


def rows(size: Size, device: str, dataset: str) -> Iterator[Row]:
    """What is measured in this process on one device, row by row; `dataset` has as many images as `size` wants."""
    yield _masked_step(size, device)
    yield from _prune_point(size, device)
    for arch, images in size.images.items():
        yield _convolutions(size, device, arch)
        yield from _against_published_style(size, device, dataset, arch, images)
    yield from whole_runs.rows(size.whole, device, dataset, published_style)


def _front_doors(size: Size, device: str, dataset: str) -> Iterator[Row]:
    with some_images(size.large) as (large, _):
        yield from front_doors.rows(size.doors, device, dataset, large)


def _masked_step(size: Size, device: str) -> Row:
    row = Row(f"masked step / dense step, resnet20, batch {BATCH}", device, "x", "at most 1.01" if device == "cpu" else "at most 1.02")
    if is_here(device):
        masked, dense = (Trainer("resnet20", BATCH, device, is_masked) for is_masked in (True, False))
        times = interleaved({"masked": masked.step, "dense": dense.step}, size.steps, device)
        row.values.extend(a / b for a, b in zip(times["masked"], times["dense"], strict=True))
    return row


def _prune_point(size: Size, device: str) -> Iterator[Row]:
    """Score, select and apply for the 23.5 M weights of ResNet-50, in training steps on as many images."""
    note = f"scored on {size.prune_batch} images; training steps of {size.prune_batch} images"
    select = Row("select (exact top-k, global), resnet50", device, "s", "under 0.5" if device == "cpu" else "under 0.015")
    rows = {name: Row(f"score + select + apply, {name}, resnet50", device, "steps", "under 15", note) for name in ("magnitude", "snip")}
    if is_here(device):
        trainer = Trainer("resnet50", size.prune_batch, device, is_masked=True)
        for name, row in rows.items():
            sides: dict[str, Callable[[], Any]] = {"step": trainer.step, "score": partial(trainer.score, name)}
            times = interleaved(sides | {"select": trainer.select, "apply": trainer.apply}, size.prune_rounds, device)
            select.values.extend(times["select"])
            for step, *parts in zip(*(times[side] for side in ("step", "score", "select", "apply")), strict=True):
                row.values.append(sum(parts) / step)
    yield select
    yield from rows.values()


def _convolutions(size: Size, device: str, arch: str) -> Row:
    """The network's convolutions alone, forward and backward, as a part of a training step at the same precision."""
    row = Row(f"convolutions alone / training step, {arch}, batch {BATCH}", device, "x", "at least 0.6" if device == "cpu" else "")
    if is_here(device):
        trainer = Trainer(arch, BATCH, device, is_masked=True)
        work: list[tuple[nn.Conv2d, Tensor, Tensor]] = []

        def note(module: nn.Conv2d, inputs: tuple[Tensor], output: Tensor) -> None:
            work.append((module, inputs[0].detach().requires_grad_(bool(work)), torch.ones_like(output)))

        hooks = [module.register_forward_hook(note) for module in trainer.model.modules() if isinstance(module, nn.Conv2d)]
        with torch.autocast(device, trainer.dtype, enabled=trainer.dtype != torch.float32):
            trainer.model(trainer.batch[0])
        for hook in hooks:
            hook.remove()

        def alone() -> None:
            for conv, x, gradient in work:
                with torch.autocast(device, trainer.dtype, enabled=trainer.dtype != torch.float32):
                    y = conv(x)
                torch.autograd.grad(y, [conv.weight, *([x] if x.requires_grad else [])], gradient)

        times = interleaved({"alone": alone, "step": trainer.step}, max(3, size.steps // 20), device)
        row.values.extend(a / b for a, b in zip(times["alone"], times["step"], strict=True))
    return row


def _against_published_style(size: Size, device: str, dataset: str, arch: str, images: int) -> Iterator[Row]:
    """Training epochs of the engine and of the published style on the same images with the same masks."""
    rows = [Row(f"{name}, {arch}, batch {BATCH}", device, "images/s") for name in ("engine", "published style")]
    goal = "at least 3" if device == "cpu" else "at least 8"
    note = f"{images} images per epoch; settings as they are by default"
    ratio = Row(f"engine / published style, {arch}, batch {BATCH}", device, "x", goal, note)
    if is_here(device):
        settings = {"arch": arch, "dataset": dataset, "pruner": "magnitude", "megabatches": 1, "batch_size": BATCH, "device": device}
        settings |= {"epochs": size.rounds + 1, "limit_train": images, "limit_test": 100, "crop_padding": 4, "flip": True}
        state = RunState.create(RunConfig(**settings))
        ours = _engine_epochs(state)
        next(ours)  # warms up, and prunes
        theirs = published_style.epochs(*_baseline_inputs(state), BATCH, state.device)
        use_threads(ALL_THREADS)  # torch's default, as in published code
        next(theirs)
        for _ in range(size.rounds):
            for row, side in zip(rows, (ours, theirs), strict=True):
                count, seconds = next(side)
                row.values.append(count / seconds)
        ratio.values.extend(a / b for a, b in zip(rows[0].values, rows[1].values, strict=True))
    yield from rows
    yield ratio


def _engine_epochs(state: RunState) -> Iterator[tuple[int, float]]:
    """(images, seconds) of the training part of each epoch, as the engine counts them."""
    images, seconds = 0, 0.0
    for event in loop.run(state, plan(state.config)):
        if isinstance(event, EpochDone):
            yield event.samples_seen - images, state.phase_seconds["train"] - seconds
            images, seconds = event.samples_seen, state.phase_seconds["train"]


def _baseline_inputs(state: RunState) -> tuple[nn.Module, dict[str, Tensor], Any]:
    """A fresh network with the state's masks, and the state's training images as the published style wants them."""
    data, p = state.stream.data, state.config.crop_padding
    chosen = state.stream.train_indices(0).to(data.train_x.device)
    _, height, width = data.shape
    x = data.train_x[chosen, p : p + height, p : p + width].cpu().numpy()
    mean, std = ((value / 255).tolist() for value in (data.mean, data.std))
    pictures = published_style.Pictures(x, data.train_y[chosen].cpu().numpy(), mean, std)
    model = models.create(state.config.arch, data.shape, len(data.classes), state.config.seed, state.config.init)
    return model, state.masks, pictures


class Trainer:
    """A network and one batch on which it trains, is scored and is pruned."""

    def __init__(self, arch: str, images: int, device: str, is_masked: bool, precision: str = "auto"):
        draw = seeds.generator(0, "bench")
        cost = flops.count(arch, SHAPE, CLASSES)
        self.dtype = dtype_for(precision, torch.device(device), cost.training * images)
        use_threads(threads_for(cost.training * images))
        self.model = memory_formats.arrange(models.create(arch, SHAPE, CLASSES, seed=0), cost, self.dtype, torch.device(device)).train()
        x, y = torch.randn(images, *SHAPE, generator=draw), torch.randint(CLASSES, (images,), generator=draw)
        self.batch = (x.to(device, memory_format=torch.channels_last), y.to(device))
        self.full = selection.full_masks(self.model, selection.prunable_names(self.model))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.001, momentum=0.9, weight_decay=1e-4)
        self.sums = Sums.zero(torch.device(device))
        self.pruned: list[tuple[Tensor, Tensor]] = []
        self.score("magnitude")
        self.select()
        if is_masked:
            self.apply()
            parameters = dict(self.model.named_parameters())
            self.pruned = [(parameters[name], mask.to(parameters[name].dtype)) for name, mask in self.chosen.items()]

    def step(self) -> None:
        train_step(self.model, self.optimizer, self.pruned, *self.batch, self.sums, self.dtype)

    def score(self, pruner: str) -> None:
        draw = seeds.generator(0, "bench")
        task = ScoringTask(copy.deepcopy(self.model), list(self.full), [self.batch], self.full, draw, dtype=self.dtype)
        self.scores = plugins.load("pruners", pruner).scores(task)

    def select(self) -> None:
        self.chosen = selection.keep_top(self.scores, DENSITY, "global", eligible=self.full)

    def apply(self) -> None:
        selection.apply(self.model, self.chosen)


@contextmanager
def some_images(count: int) -> Iterator[tuple[str, str]]:
    """A data set of at least `count` training images, and what it is: CIFAR-10 where it lies beside the checkout, else noise."""
    real = next((path for size, path in REAL_IMAGES.items() if size >= count and path.exists()), None)
    if real:
        yield f"images:{real}", "images of CIFAR-10 (JPEG)"
        return
    with tempfile.TemporaryDirectory() as folder:
        draw = numpy.random.default_rng(0)
        for split, total in (("train", count), ("test", 100)):
            for index in range(total):
                path = Path(folder, split, str(index % CLASSES), f"{index}.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw.integers(0, 256, (*SHAPE[1:], SHAPE[0]), dtype=numpy.uint8)).save(path)
        yield f"images:{folder}", "synthetic images (noise)"
