"""A network's weights and buffers as tensors by name, and back into a network: the only place that calls load_state_dict.

A state dict carries the version of each module beside its tensors (`_metadata`), by which the module knows how to read them: MNASNet
refuses a plain dict, others take one for their oldest version. Checkpoints and model files hold tensors alone, so the versions are those
of the network that they go into, which is built by the same code.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn


def taken(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every weight and buffer."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def put_back(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give every weight and buffer its value, in place; RuntimeError where names or shapes differ."""
    state: OrderedDict[str, Tensor] = OrderedDict(tensors)
    state._metadata = model.state_dict()._metadata  # type: ignore[attr-defined]
    model.load_state_dict(state)
