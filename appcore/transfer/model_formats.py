"""A run's network as files for other programs: plain weights, torch.nn.utils.prune state, masks alone, ONNX, and ONNX of the network
without its idle channels. Never a pickle.

All are made from the newest intact checkpoint and named after its cursor, so that a file is never taken for a later state. torch is
imported only when a file is made, since pages only ask which files exist.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from .. import files, installation, paths
from ..config import RunConfig, build
from ..errors import InputError
from ..storage import checkpoint

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMATS = {  # descriptions for users
    "dense": "Dense weights, zeros baked in",
    "prune": "State for torch.nn.utils.prune",
    "masks": "Masks alone",
    "onnx": "ONNX",
    "shrunk": "Shrunk, ONNX",
}
SHRUNK = "shrunk"
_IN_ONNX = ("onnx", SHRUNK)
_LEAVES_IDLE = ("filter", "channel")  # granularities that remove whole channels
ONNX_REASON = f"ONNX needs the package onnx, which is not installed: {installation.INSTALL}"


@dataclass(frozen=True)
class Network:
    """A network from a checkpoint: weights with pruned ones exactly 0 (`state`), masks by weight name, and what it is built from."""

    config: RunConfig
    shape: tuple[int, int, int]
    classes: int
    cursor: int
    state: dict[str, Tensor]
    masks: dict[str, Tensor]

    @property
    def density(self) -> float:
        """Fraction kept by the masks."""
        return sum(int(mask.sum()) for mask in self.masks.values()) / sum(mask.numel() for mask in self.masks.values())

    def model(self) -> nn.Module:
        """The network on the CPU, for evaluation."""
        from ..engine.weights import put_back

        model = self.bare()
        put_back(model, self.state)
        return model.eval()

    def bare(self) -> nn.Module:
        """The same architecture with fresh values."""
        from ..models import base

        return base.create(self.config.arch, self.shape, self.classes, seed=0)


def offered(settings: Mapping[str, Any]) -> list[str]:
    """The formats for a run with these settings: a shrunk network only where pruning leaves whole channels idle."""
    return [what for what in FORMATS if what != SHRUNK or settings.get("granularity") in _LEAVES_IDLE]


def can_be_made(what: str) -> str:
    """Why a format cannot be made here, in one line; empty when it can."""
    return ONNX_REASON if what in _IN_ONNX and not _is_installed("onnx") else ""


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def newest_cursor(folder: Path) -> int | None:
    """Finished segments of the plan in the newest checkpoint of a run's folder; None without one. Reads file names only."""
    found = paths.manifests(folder)
    return int(found[0].stem.rpartition("-")[2]) if found else None


def made(folder: Path, cursor: int) -> dict[str, Path]:
    """The existing files of this state, by format."""
    return {what: path for what in FORMATS if (path := paths.model_file(folder, what, cursor)).exists()}


def load(row: Mapping[str, Any], folder: Path) -> Network:
    """The network of a run's newest intact checkpoint; InputError when there is none or the run has not begun."""
    from ..engine.threads import use_threads

    use_threads(1)  # the training thread may be running
    import safetensors.torch

    found = checkpoint.newest(folder)
    if found is None or not row["started"]:
        problems = "; ".join(checkpoint.problems(folder)) or "there is none here"
        raise InputError(f"run {row['run_id']} has no checkpoint that can be read ({problems}); resume or repeat it to write one", "run_id")
    body, data = found
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "masks": {}}
    for path, tensor in safetensors.torch.load(data).items():
        group, _, name = path.partition("/")
        if group in groups:
            groups[group][name] = tensor
    masks = {name: mask.bool() for name, mask in groups["masks"].items()}
    state = {name: tensor.masked_fill(~masks[name], 0) if name in masks else tensor for name, tensor in groups["model"].items()}
    started = row["started"]
    return Network(build(row["config"]), tuple(started["image_shape"]), int(started["classes"]), int(body["cursor"]), state, masks)


def write(network: Network, what: str, folder: Path, about: Mapping[str, Any]) -> Path:
    """Make one file of a network and delete files of earlier states in that format. `about`: plain facts for the file's own header."""
    if what not in FORMATS:
        raise InputError(f"format: unknown name {what!r}; choose one of {', '.join(FORMATS)}", "format")
    if reason := can_be_made(what):
        raise InputError(reason, "format")
    path = paths.model_file(folder, what, network.cursor)
    try:
        with tempfile.TemporaryDirectory() as private:  # the writers take paths; nobody else can put a link there
            made = Path(private) / path.name
            _WRITERS[what](network, made, header(network, about))
            files.commit(path, lambda file: file.writelines(files.chunks(made)), f"{files.REMEDY}, then make it again")
    except (OSError, MemoryError, safetensors.SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "not enough memory"
        raise InputError(
            f"format: {FORMATS[what]} could not be written ({reason}); free space or memory and try again", "format"
        ) from error
    for other in files.listed(path.parent):
        if other.match(f"{what}-*{path.suffix}") and other < path:
            with suppress(OSError):
                other.unlink()
    return path


def header(network: Network, about: Mapping[str, Any]) -> dict[str, str]:
    """The header of a file: enough to build the network that its tensors fit."""
    facts = {"arch": network.config.arch, "image_shape": list(network.shape), "classes": network.classes, "cursor": network.cursor}
    facts |= {"density": network.density, "fingerprint": network.config.fingerprint, **about}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}


def prune_state(network: Network) -> dict[str, Tensor]:
    """The state dict of the network after torch.nn.utils.prune: weight_orig and weight_mask in place of each pruned weight."""
    found: dict[str, Tensor] = {}
    for name, tensor in network.state.items():
        if name in network.masks:
            found[f"{name}_orig"] = tensor
            found[f"{name}_mask"] = network.masks[name].to(tensor.dtype)
        else:
            found[name] = tensor
    return found


def prepared(network: Network) -> nn.Module:
    """A fresh network with torch.nn.utils.prune.identity applied to its prunable layers, ready to load `prune_state`."""
    from torch.nn.utils import prune

    model = network.bare()
    for name in network.masks:
        owner, _, leaf = name.rpartition(".")
        prune.identity(model.get_submodule(owner), leaf)
    return model.eval()


def put_prune_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load `prune_state` into a prepared network. torch masks a weight when its layer is called; Swin reads weights without a call."""
    from torch.nn.utils import prune

    from ..engine.weights import put_back

    put_back(model, state)
    for module in model.modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, prune.BasePruningMethod):
                hook(module, None)


def _write_dense(network: Network, path: Path, about: dict[str, str]) -> None:
    _save(network.state, path, about)


def _write_prune(network: Network, path: Path, about: dict[str, str]) -> None:
    _save(prune_state(network), path, about)


def _write_masks(network: Network, path: Path, about: dict[str, str]) -> None:
    _save(network.masks, path, about)


def _save(tensors: Mapping[str, Tensor], path: Path, about: dict[str, str]) -> None:
    import safetensors.torch

    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata=about)


def _write_onnx(network: Network, path: Path, about: dict[str, str]) -> None:
    from . import onnx_file

    onnx_file.write(network.model(), network.shape, path, about)


def _write_shrunk(network: Network, path: Path, about: dict[str, str]) -> None:
    import torch

    from ..masks import shrink
    from . import onnx_file

    noise = torch.randn(2, *network.shape, generator=torch.Generator().manual_seed(0))
    onnx_file.write(shrink.shrunk(network.model(), noise), network.shape, path, about)


_WRITERS = {"dense": _write_dense, "prune": _write_prune, "masks": _write_masks, "onnx": _write_onnx, SHRUNK: _write_shrunk}
