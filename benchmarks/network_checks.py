"""What a classifier of torchvision is asked for, at its smallest images: see networks.py, which asks all of them.

Two megabatches of one step each, by the driver, with its store and checkpoints. Every check gives an empty text where it holds, else what
was wrong.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image
from torch import Tensor, nn

from appcore import paths
from appcore.config import RunConfig, build
from appcore.engine import estimate, flops, network_check, prune_point, weights
from appcore.engine.state import RunState
from appcore.errors import InputError
from appcore.events import SegmentDone
from appcore.masks import selection
from appcore.masks.alive import alive_masks
from appcore.models import base
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage import checkpoint
from appcore.storage.store import Store
from appcore.transfer import model_formats, onnx_file

CLASSES = ("bright", "dark")
SETTINGS = {"megabatches": 2, "epochs": 1, "tau": 10.0, "batch_size": 8, "lr": 0.01, "crop_padding": 0, "prunable": "all"}
SETTINGS |= {"device": "cpu", "precision": "fp32"}
ONNX_AWAY = 2e-3  # in parts of the largest logit, at least of 1
REFERENCE_FLOPS = 1.2e10  # more would take onnx's own reference minutes
NOT_RUN = "written and well formed, not run: onnx's reference would take minutes"
SYNFLOW = {"pruner": "synflow", "options": {"rounds": 10}}
SYNFLOW_DENSITY = 0.1
CHECKS = {  # column: what it means
    "trains": "every parameter gets a gradient, and the losses are finite",
    "density": "exactly round(density x n) weights are kept at both prune points, and as many are left in the file",
    "best": "the weights carried on are those of the best epoch, bit for bit",
    "resume": "stopped after the first megabatch and resumed, the run ends with the same weights, bit for bit",
    "safetensors": "dense weights, state for torch.nn.utils.prune and masks, read into fresh networks: the same outputs, bit for bit",
    "ONNX": f"the file's outputs for 1, 2 and 5 images are the network's, to {ONNX_AWAY:g}",
    "SynFlow": f"no score is negative, and at density {SYNFLOW_DENSITY:g} after 10 rounds no layer is empty of alive weights",
}


def pictures(folder: Path, side: int) -> Path:
    """Ten images of noise, half of them bright and half dark, as a folder of images."""
    draw = np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 1)):
        for label, low in zip(CLASSES, (128, 0), strict=True):
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                pixels = draw.integers(low, low + 128, (side, side, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / label / f"{number}.png")
    return folder


def smallest_side(arch: str) -> int:
    """The smallest side in use somewhere that the network takes, from 32 pixels on; InputError where there is none."""
    for side in (side for side in network_check.SIDES if side >= 32):
        try:
            base.skeleton(arch, (3, side, side), len(CLASSES))
            return side
        except InputError as error:
            problem = error
    raise problem


def measure(name: str, folder: Path) -> dict[str, Any]:
    """All checks of one network: empty texts where they hold, else what was wrong; `refused` where it was not run at all."""
    start, arch = time.perf_counter(), f"torchvision:{name}"
    try:
        side = smallest_side(arch)
        config = build({**SETTINGS, "arch": arch, "dataset": f"images:{pictures(folder / 'images', side)}", "image_size": side})
        parameters = sum(parameter.numel() for parameter in base.skeleton(arch, (3, side, side), len(CLASSES)).parameters())
        need, free = estimate.memory_bytes(config), psutil.virtual_memory().available
    except InputError as error:
        return {"refused": error.message}
    row: dict[str, Any] = {"side": side, "parameters": parameters}
    if need > free:
        return row | {"refused": f"it needs about {need / 1e9:.0f} GB of memory, and {free / 1e9:.0f} GB were free", "bytes": need}
    store = Store(folder / "runs.db")
    run_id = _started(store, config)
    for _ in driver.steps(store, run_id):
        pass
    if store.get(run_id)["status"] != "done":
        return row | {"checks": {"trains": store.get(run_id)["error"]}}
    ends = store.megabatches(run_id)
    row["alive"] = float(ends["density_alive"].iloc[-1] / ends["density_mask"].iloc[-1])
    row["checks"] = _checks(store, run_id, config, folder)
    row["checks"]["SynFlow"] = _said(lambda: survives_synflow(config, row))
    return row | {"seconds": time.perf_counter() - start, "bytes": _peak()}


def _checks(store: Store, run_id: str, config: RunConfig, folder: Path) -> dict[str, str]:
    network = model_formats.load(store.get(run_id), paths.run_folder(store.folder, run_id))
    return {
        "trains": _said(lambda: trains(store, run_id, network)),
        "density": _said(lambda: is_exact(store, run_id, network)),
        "best": _said(lambda: is_best(store, run_id)),
        "safetensors": _said(lambda: reads_back(network, folder)),
        "ONNX": _said(lambda: runs_as_onnx(network, folder)),
        "resume": _said(lambda: resumes(store, run_id, config)),
    }


def _started(store: Store, config: RunConfig) -> str:
    return store.create_run(config, launcher="thread", plan_length=len(plan(config)))


def _said(check: Callable[[], str]) -> str:
    try:
        return check()
    except InputError as error:
        return error.message
    except Exception as error:
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _peak() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform == "linux" else 1)


def _group(store: Store, run_id: str, group: str) -> dict[str, Tensor]:
    """One group of tensors of the newest checkpoint."""
    tensors, *_ = checkpoint.load(paths.run_folder(store.folder, run_id))
    return {path.partition("/")[2]: tensor for path, tensor in (tensors or {}).items() if path.startswith(f"{group}/")}


def trains(store: Store, run_id: str, network: model_formats.Network) -> str:
    losses = [*store.epochs(run_id)["train_loss"], *store.megabatches(run_id)["test_loss"]]
    still = {name for name, _ in network.bare().named_parameters()} - _group(store, run_id, "momentum").keys()
    if still:
        return f"{len(still)} parameters get no gradient, {min(still)} among them"
    return "" if all(map(math.isfinite, losses)) else f"losses {losses}"


def is_exact(store: Store, run_id: str, network: model_formats.Network) -> str:
    total = sum(mask.numel() for mask in network.masks.values())
    for row in store.prunes(run_id).itertuples():
        kept = round(row.density_mask * total)
        if kept != round(row.density_requested * total) or row.density_effective > row.density_mask:
            return f"{kept} of {total} kept, asked for {row.density_requested}"
    kept = sum(int(mask.sum()) for mask in network.masks.values())
    left = sum(int(network.state[name].count_nonzero()) for name in network.masks)
    return "" if kept == round(0.8**10 * total) == left else f"{left} weights are left, {kept} are kept"


def is_best(store: Store, run_id: str) -> str:
    now, best = (_group(store, run_id, group) for group in ("model", "best-weights"))
    other = [name for name in now if not torch.equal(now[name], best[name])]
    return f"{other[0]} differs" if other else ""


def resumes(store: Store, run_id: str, config: RunConfig) -> str:
    """A second run, its driver closed after the first megabatch."""
    again, cursors = _started(store, config), []
    driven = driver.steps(store, again, watch=lambda event: cursors.append(event.cursor) if isinstance(event, SegmentDone) else None)
    for _ in driven:
        if cursors and cursors[-1] == len(plan(config)) // 2:
            break
    driven.close()
    if store.get(again)["status"] != "stopped":
        return f"it is {store.get(again)['status']}, not stopped"
    for _ in driver.steps(store, again):
        pass
    row, expected = store.get(again), store.get(run_id)
    if row["status"] != "done":
        return str(row["error"])
    return "" if row["totals"]["weights_hash"] == expected["totals"]["weights_hash"] else "it ends with other weights"


def _images(network: model_formats.Network, count: int) -> Tensor:
    return torch.randn(count, *network.shape, generator=torch.Generator().manual_seed(count))


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return model.eval()(images)


def reads_back(network: model_formats.Network, folder: Path) -> str:
    import safetensors.torch

    images = _images(network, 2)
    own = _logits(network.model(), images)
    for what, fresh in (("dense", network.bare), ("prune", lambda: model_formats.prepared(network))):
        model = fresh()
        weights.put_back(model, safetensors.torch.load_file(model_formats.write(network, what, folder, {})))
        if not torch.equal(own, _logits(model, images)):
            return f"the {what} file gives other outputs"
    masks = safetensors.torch.load_file(model_formats.write(network, "masks", folder, {}))
    return "" if all(torch.equal(masks[name], mask) for name, mask in network.masks.items()) else "the masks differ"


def runs_as_onnx(network: model_formats.Network, folder: Path) -> str:
    path = model_formats.write(network, "onnx", folder, {})
    model, counts = network.model(), (1, 2, 5)
    cost = sum(counts) * flops.count(network.config.arch, network.shape, network.classes).forward
    if not onnx_file.has_runtime() and cost > REFERENCE_FLOPS:
        return NOT_RUN
    for count in counts:
        images = _images(network, count)
        own, found = _logits(model, images), torch.from_numpy(onnx_file.run(path, images.numpy())[0].copy())
        away = float((own - found).abs().max()) / max(1.0, float(own.abs().max()))
        if not away < ONNX_AWAY:
            return f"{count} images: outputs differ by {away:.1e}"
    return ""


def survives_synflow(config: RunConfig, row: dict[str, Any]) -> str:
    state = RunState.create(build({**config.model_dump(mode="json"), **SYNFLOW}))
    lowest: list[float] = []

    def seen(scores: dict[str, Tensor]) -> dict[str, Tensor]:
        lowest.append(min(float(score.min()) for score in scores.values()))
        return scores

    cut = prune_point.select(state, 0, SYNFLOW_DENSITY, seen)
    alive = selection.count(alive_masks(state.model, cut.masks, state.stream.data.shape))
    row["synflow_alive"] = sum(alive.values()) / sum(selection.count(cut.masks).values())
    empty = [name for name, count in alive.items() if not count]
    if min(lowest) < 0:
        return f"a score of {min(lowest):.1e}"
    return f"{len(empty)} of {len(alive)} layers are empty, {empty[0]} among them" if empty else ""
