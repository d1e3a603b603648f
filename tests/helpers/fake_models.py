"""A checkpoint for a made-up run: the real network with its initial weights, masked at random to the density that the run ended with."""

from __future__ import annotations

from typing import Any

import fake_runs
import torch

from appcore import paths
from appcore.masks import selection
from appcore.models import base
from appcore.storage import checkpoint
from appcore.storage.store import Store


def write(store: Store, **settings: Any) -> str:
    """A made-up run with a checkpoint at its cursor."""
    run_id = fake_runs.write(store, **settings)
    row = store.get(run_id)
    started, density = row["started"], float(store.megabatches(run_id)["density_mask"].iloc[-1])
    model = base.create(row["config"]["arch"], tuple(started["image_shape"]), started["classes"], seed=0)
    draw = torch.Generator().manual_seed(0)
    names = selection.prunable_names(model)
    scores = {name: torch.rand(model.get_parameter(name).shape, generator=draw) for name in names}
    found = selection.keep_top(scores, density)
    selection.apply(model, found)
    tensors = {f"model/{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    tensors |= {f"masks/{name}": mask.contiguous() for name, mask in found.items()}
    checkpoint.save(paths.run_folder(store.folder, run_id), row["cursor"], tensors, {}, fingerprint=row["fingerprint"])
    return run_id
