"""The first event of a run (what is known before the first step) and its last (the totals)."""

from __future__ import annotations

import platform

import torch

from ..events import Finished, Layer, Started
from . import compute, digests, memory
from .shown import network_graph
from .state import RunState


def started(state: RunState) -> Started:
    """The Started event: sizes, hashes and versions, known before the first step."""
    data, shapes = state.stream.data, dict(state.model.named_parameters())
    return Started(
        hashes={"init": state.init_hash, **state.stream.hashes(), "data": data.digest},
        device=torch.cuda.get_device_name(state.device) if state.device.type == "cuda" else f"cpu ({platform.machine()})",
        precision=state.precision,
        layers=tuple(Layer(name, tuple(shapes[name].shape), state.flops.layers[name]) for name in state.masks),
        parameters=sum(parameter.numel() for parameter in state.model.parameters()),
        train_images=len(data.train_x),
        test_images=len(data.test_x),
        image_shape=data.shape,
        classes=len(data.classes),
        forward_flops=state.flops.forward,
        training_flops=state.flops.training,
        notes=(*data.notes, *state.notes),
        graph=network_graph.graph(state.config.arch, data.shape, len(data.classes)),
    )


def finished(state: RunState) -> Finished:
    """The Finished event: totals of the whole run."""
    return Finished(
        seconds=state.seconds,
        images_per_second=state.samples_seen / state.seconds if state.seconds else 0.0,
        cer=state.cer,
        cumulative_parameters=state.cumulative_parameters,
        train_flops_dense=state.flops_dense,
        train_flops_sparse=state.flops_sparse,
        **compute.totals(state),
        peak_memory_bytes=memory.peak_memory_bytes(state.device),
        weights_hash=digests.digest(state.model.state_dict()),
        phase_seconds=dict(state.phase_seconds),
    )
