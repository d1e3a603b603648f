"""Measurements of whole runs: versus the published style, two in lockstep, fifty in one process, and a hundred megabatches."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from ..config import build
from ..engine.data import load_data
from ..engine.state import RunState
from ..engine.threads import ALL_THREADS, use_threads
from ..masks import selection
from ..models import base as models
from ..planning.plan import plan
from ..runner.driver import drive
from ..runner.lockstep import LocalJob
from ..storage.store import Store
from .timing import Row, is_here


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    images: dict[str, int]  # of a whole run, by architecture
    rounds: int
    pair_images: int
    runs: int  # one after another in one process
    megabatches: int  # of the long stream


FULL = Size(images={"resnet20": 4000, "resnet18": 600}, rounds=3, pair_images=1500, runs=50, megabatches=100)
QUICK = Size(images={"resnet20": 600}, rounds=1, pair_images=300, runs=10, megabatches=20)

_TINY = {"arch": "mlp", "dataset": "digits", "limit_train": 200, "limit_test": 50, "megabatches": 2, "epochs": 1}


def rows(size: Size, device: str, dataset: str, baseline: Any) -> Iterator[Row]:
    """Every row for one device; `baseline` is the module published_style."""
    for arch, images in size.images.items():
        yield _against_published_style(arch, images, size.rounds, device, dataset, baseline)
    yield _lockstep(size, device, dataset)
    yield _many(size, device)
    yield _long(size, device, dataset)


def _against_published_style(arch: str, images: int, rounds: int, device: str, dataset: str, baseline: Any) -> Row:
    """Wall time of the driver with store, events and checkpoints, against the same work in the published style."""
    goal = "at least 3" if device == "cpu" else "at least 8, bf16 12"
    note = f"{images} images in 2 megabatches, full replay, 2 epochs, SNIP; settings as they are by default"
    row = Row(f"whole APP run: published style / engine, {arch}, batch 64", device, "x", goal, note)
    if is_here(device):
        settings = {"arch": arch, "dataset": dataset, "megabatches": 2, "tau": 2.0, "epochs": 2, "batch_size": 64, "device": device}
        settings |= {"limit_train": images, "limit_test": images // 4, "crop_padding": 4, "flip": True, "score_fraction": 0.2}
        for turn in range(rounds + (rounds > 1)):
            ours = _seconds([settings])
            start = time.perf_counter()
            load_data(build(settings), torch.device(device))
            loading = time.perf_counter() - start  # the engine's wall time holds its loading; the other side has to read the images too
            inputs = _published_inputs(settings, baseline)
            with tempfile.TemporaryDirectory() as folder:
                use_threads(ALL_THREADS)  # torch's default, as in published code
                start = time.perf_counter()
                baseline.whole_run(*inputs, [0.8, 0.64], 2, 64, torch.device(device), Path(folder))
                theirs = time.perf_counter() - start + loading
            if turn or rounds == 1:
                row.values.append(theirs / ours)
    return row


def _published_inputs(settings: dict[str, Any], baseline: Any) -> tuple[Any, ...]:
    """Network, names of prunable weights, training and test pictures, as `whole_run` takes them."""
    state = RunState.create(build(settings))
    data, p = state.stream.data, state.config.crop_padding
    _, height, width = data.shape
    train = data.train_x[:, p : p + height, p : p + width].cpu().numpy()
    moments = [(value / 255).tolist() for value in (data.mean, data.std)]
    pictures = baseline.Pictures(train, data.train_y.cpu().numpy(), *moments)
    test = baseline.Pictures(data.test_x.cpu().numpy(), data.test_y.cpu().numpy(), *moments, is_augmented=False)
    model = models.create(state.config.arch, data.shape, len(data.classes), state.config.seed, state.config.init)
    return model, selection.prunable_names(model), pictures, test


def _lockstep(size: Size, device: str, dataset: str) -> Row:
    """Two runs that advance in turn on one thread, against the two one after the other."""
    row = Row(
        "pair in lockstep / one after the other, resnet20, batch 64", device, "x", "at most 1.03" if device == "cpu" else "below 0.77"
    )
    if is_here(device):
        base = {"arch": "resnet20", "dataset": dataset, "megabatches": 2, "epochs": 1, "batch_size": 64, "device": device}
        base |= {"limit_train": size.pair_images, "limit_test": 200}
        pair = [base | {"pruner": pruner} for pruner in ("snip", "magnitude")]
        for turn in range(size.rounds + 1):
            apart, together = _seconds(pair), _seconds(pair, in_turn=True)
            if turn:
                row.values.append(together / apart)
    return row


def _many(size: Size, device: str) -> Row:
    """Memory growth of the process over many runs, after the first three."""
    row = Row(
        f"growth of memory over {size.runs} runs in one process", device, "MB", "under 30", "resident set; on a GPU its allocated memory"
    )
    if is_here(device):
        _seconds([_TINY | {"device": device}] * 3)
        before = _memory(device)
        _seconds([_TINY | {"device": device, "seed": seed} for seed in range(size.runs)])
        row.values.append((_memory(device) - before) / 1e6)
    return row


def _long(size: Size, device: str, dataset: str) -> Row:
    """Seconds per training image of a long stream against a short one, with the same images and full replay."""
    what = f"time per image, T = {size.megabatches} / T = 8, mlp, full replay"
    row = Row(what, device, "x", "flat: about 1", "everything that a run does, per image trained on")
    if is_here(device):
        base = {"arch": "mlp", "dataset": dataset, "epochs": 1, "limit_train": 40 * size.megabatches, "limit_test": 200, "device": device}
        for _ in range(size.rounds):
            cost = {}
            for megabatches in (8, size.megabatches):
                cost[megabatches] = 1 / _ends([base | {"megabatches": megabatches}])[0]["totals"]["images_per_second"]
            row.values.append(cost[size.megabatches] / cost[8])
    return row


def _seconds(settings: list[dict[str, Any]], in_turn: bool = False) -> float:
    start = time.perf_counter()
    _ends(settings, in_turn)
    return time.perf_counter() - start


def _ends(settings: list[dict[str, Any]], in_turn: bool = False) -> list[dict[str, Any]]:
    """The rows of runs that are driven here, one after another or in turn, with a store on disk."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "runs.db")
        configs = [build(values) for values in settings]
        run_ids = [store.create_run(config, plan_length=len(plan(config))) for config in configs]
        if in_turn:
            job = LocalJob(store, run_ids)
            while job.advance():
                pass
        else:
            for run_id in run_ids:
                drive(store, run_id)
        ended = [store.get(run_id) for run_id in run_ids]
        store.close()
    assert {row["status"] for row in ended} == {"done"}, [row["error"] for row in ended]
    return ended


def _memory(device: str) -> int:
    return torch.cuda.memory_allocated() if device == "cuda" else psutil.Process().memory_info().rss
