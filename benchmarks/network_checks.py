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
from unittest.mock import patch

import numpy as np
import psutil
import torch
from PIL import Image
from torch import Tensor, nn

from appcore import paths
from appcore.config import RunConfig, build
from appcore.engine import estimate, flops, network_check, weights
from appcore.errors import InputError
from appcore.masks import selection
from appcore.models import base
from appcore.planning.plan import plan
from appcore.pruners import synflow
from appcore.pruners.base import ScoringTask
from appcore.runner import driver
from appcore.storage import checkpoint
from appcore.storage.store import Store
from appcore.transfer import model_formats, onnx_file

CLASSES = [f"shade {step}" for step in range(8)]
SETTINGS = {"megabatches": 2, "epochs": 1, "batch_size": 8, "lr": 0.01, "crop_padding": 0, "prunable": "all"}
SETTINGS |= {"device": "cpu", "precision": "fp32"}
ONNX_AWAY = 2e-3  # in parts of the largest logit, at least of 1
REFERENCE_FLOPS = 1.2e10  # more would take onnx's own reference minutes
NOT_RUN = "written and well formed, not run: onnx's reference would take minutes"
DIVERGED = "losses"
CHECKS = {  # column: what it means
    "trains": "every parameter gets a gradient, and the losses are finite",
    "density": "exactly round(density x n) weights are kept at both prune points, and as many are left in the file",
    "best": "the weights carried on are those of the best epoch, bit for bit",
    "resume": "stopped after the first megabatch and resumed, the run ends with the same weights, bit for bit",
    "safetensors": "dense weights, state for torch.nn.utils.prune and masks, read into fresh networks: the same outputs, bit for bit",
    "ONNX": f"the file's outputs for 1, 2 and 5 images are the network's, to {ONNX_AWAY:g}",
    "SynFlow": "scores of the fresh network, every layer prunable: none is negative, and no layer's are all 0",
}


def pictures(folder: Path, side: int) -> Path:
    """Noise of eight shades, an image of each to train on and one to test, as a folder of images."""
    draw = np.random.default_rng(0)
    for split in ("train", "test"):
        for step, label in enumerate(CLASSES):
            (folder / split / label).mkdir(parents=True)
            pixels = draw.integers(28 * step, 28 * step + 60, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / split / label / "0.png")
    return folder


def smallest_side(arch: str, least: int = 32) -> int:
    """The smallest side in use somewhere that the network takes, from `least` pixels on; InputError where there is none."""
    for side in (side for side in network_check.SIDES if side >= least):
        try:
            base.skeleton(arch, (3, side, side), len(CLASSES))
            return side
        except InputError as error:
            problem = error
    raise problem


def measure(name: str, folder: Path) -> dict[str, Any]:
    """All checks of one network: empty texts where they hold, else what was wrong; `refused` where it was not run at all.

    At its smallest images; where its losses are not finite there, at images of twice the side or more, and `diverges` says at which first.
    """
    row = _at(32, name, folder / "smallest")
    if not row.get("checks", {}).get("trains", "").startswith(DIVERGED):
        return row
    return _at(2 * row["side"], name, folder / "larger") | {"diverges": row["side"]}


def _at(least: int, name: str, folder: Path) -> dict[str, Any]:
    start, arch = time.process_time(), f"torchvision:{name}"
    try:
        side = smallest_side(arch, least)
        config = build({**SETTINGS, "arch": arch, "dataset": f"images:{pictures(folder / 'images', side)}", "image_size": side})
        parameters = sum(parameter.numel() for parameter in base.skeleton(arch, (3, side, side), len(CLASSES)).parameters())
        need, free = estimate.memory_bytes(config), psutil.virtual_memory().available
    except InputError as error:
        return {"refused": error.message}
    row: dict[str, Any] = {"side": side, "parameters": parameters}
    if need > free:
        return row | {"refused": f"it needs about {need / 1e9:.0f} GB of memory, and {free / 1e9:.0f} GB were free", "bytes": need}
    store = Store(folder / "runs.db")
    run_id = store.create_run(config, launcher="thread", plan_length=len(plan(config)))
    # The checkpoint of the first megabatch is kept, by slow networks and at the end too, to resume from.
    with patch.object(driver, "CHECKPOINT_SECONDS", math.inf), patch.object(checkpoint, "keep_last"):
        for _ in driver.steps(store, run_id):
            pass
    if store.get(run_id)["status"] != "done":
        return row | {"checks": {"trains": store.get(run_id)["error"]}}
    ends = store.megabatches(run_id)
    row["alive"] = float(ends["density_alive"].iloc[-1] / ends["density_mask"].iloc[-1])
    row["checks"] = _checks(store, run_id, config, folder)
    row["checks"]["resume"] = _said(lambda: resumes(store, run_id, config))
    return row | {"seconds": time.process_time() - start, "bytes": _peak()}


def _checks(store: Store, run_id: str, config: RunConfig, folder: Path) -> dict[str, str]:
    place = paths.run_folder(store.folder, run_id)
    network, (tensors, *_) = model_formats.load(store.get(run_id), place), checkpoint.load(place)
    return {
        "trains": _said(lambda: trains(store, run_id, network, tensors or {})),
        "density": _said(lambda: is_exact(store, run_id, network)),
        "best": _said(lambda: is_best(tensors or {})),
        "safetensors": _said(lambda: reads_back(network, folder)),
        "ONNX": _said(lambda: runs_as_onnx(network, folder)),
        "SynFlow": _said(lambda: has_flow(network)),
    }


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


def trains(store: Store, run_id: str, network: model_formats.Network, tensors: dict[str, Tensor]) -> str:
    losses = [*store.epochs(run_id)["train_loss"], *store.megabatches(run_id)["test_loss"]]
    moved = {path.removeprefix("momentum/") for path in tensors if path.startswith("momentum/")}
    still = {name for name, _ in network.model().named_parameters()} - moved
    if still:
        return f"{len(still)} parameters get no gradient, {min(still)} among them"
    return "" if all(map(math.isfinite, losses)) else f"{DIVERGED} {losses}"


def is_exact(store: Store, run_id: str, network: model_formats.Network) -> str:
    total = sum(mask.numel() for mask in network.masks.values())
    for row in store.prunes(run_id).itertuples():
        kept = round(row.density_mask * total)
        if kept != round(row.density_requested * total) or row.density_effective > row.density_mask:
            return f"{kept} of {total} kept, asked for {row.density_requested}"
    kept = sum(int(mask.sum()) for mask in network.masks.values())
    left = sum(int(network.state[name].count_nonzero()) for name in network.masks)
    return "" if kept == round(0.8 ** RunConfig().tau * total) == left else f"{left} weights are left, {kept} are kept"


def is_best(tensors: dict[str, Tensor]) -> str:
    names = [path.removeprefix("model/") for path in tensors if path.startswith("model/")]
    other = [name for name in names if not torch.equal(tensors[f"model/{name}"], tensors[f"best-weights/{name}"])]
    return f"{other[0]} differs" if other else ""


def resumes(store: Store, run_id: str, config: RunConfig) -> str:
    """The run as a stop after the first megabatch would have left it, resumed from the checkpoint of that moment."""
    before, middle, folder = store.get(run_id), len(plan(config)) // 2, paths.run_folder(store.folder, run_id)
    for manifest in paths.manifests(folder):
        if manifest > paths.manifest(folder, middle):
            manifest.unlink()
    store.rewind(run_id, middle, status="stopped", saved=middle)
    for _ in driver.steps(store, run_id):
        pass
    row = store.get(run_id)
    if row["status"] != "done" or row["notes"] != before["notes"]:
        return f"{row['status']}: {row['error'] or row['notes']}"
    return "" if row["totals"]["weights_hash"] == before["totals"]["weights_hash"] else "it ends with other weights"


def _images(network: model_formats.Network, count: int) -> Tensor:
    return torch.randn(count, *network.shape, generator=torch.Generator().manual_seed(count))


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return model.eval()(images)


def reads_back(network: model_formats.Network, folder: Path) -> str:
    import safetensors.torch

    images = _images(network, 2)
    own = _logits(network.model(), images)
    for what, fresh, put in (
        ("dense", network.bare, weights.put_back),
        ("prune", lambda: model_formats.prepared(network), model_formats.put_prune_state),
    ):
        model = fresh()
        put(model, safetensors.torch.load_file(model_formats.write(network, what, folder, {})))
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


def has_flow(network: model_formats.Network) -> str:
    model = network.bare()
    masks = selection.full_masks(model, list(network.masks))
    task = ScoringTask(model, list(masks), [(_images(network, 2), torch.zeros(2, dtype=torch.int64))], masks, torch.Generator())
    for name, score in synflow.scores(task).items():
        low, high = map(float, score.aminmax())
        if not 0 <= low <= high < math.inf or high == 0:
            return f"scores of {name} lie between {low:.1e} and {high:.1e}"
    return ""
