"""torch's optimizers, built from the settings, and what each remembers of a parameter, as named tensors for checkpoints and masks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..config import RunConfig
from . import no_compiler

_STEP = "step"  # AdamW's count of steps: a number on the CPU, not a tensor like the parameter
_MOMENTUM = "momentum_buffer"  # named by its parameter alone, as in checkpoints of versions that had SGD only


def create(config: RunConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a run over all parameters; eps of AdamW is torch's 1e-8."""
    parameters, decay = model.parameters(), config.weight_decay
    if config.optimizer == "adamw":
        no_compiler.spare(torch.optim.AdamW)
        return torch.optim.AdamW(parameters, lr=config.lr, betas=(config.momentum, config.beta2), weight_decay=decay)
    no_compiler.spare(torch.optim.SGD)
    is_nesterov = config.optimizer == "nesterov"
    return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, weight_decay=decay, nesterov=is_nesterov)


def remembered(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """What the optimizer remembers, by "parameter" (momentum) or "parameter/slot"; empty before the first step."""
    found = {}
    for name, parameter in model.named_parameters():
        for slot, value in optimizer.state.get(parameter, {}).items():
            if value is not None:
                found[name if slot == _MOMENTUM else f"{name}/{slot}"] = value
    return found


def remember(optimizer: torch.optim.Optimizer, model: nn.Module, values: dict[str, Tensor]) -> None:
    """Replace what the optimizer remembers; parameters that are not named lose theirs."""
    parameters = dict(model.named_parameters())
    for parameter in parameters.values():
        optimizer.state.pop(parameter, None)
    for path, value in values.items():
        name, _, slot = path.partition("/")
        if name not in parameters:
            continue
        if slot == _STEP:
            kept = value.detach().to("cpu", copy=True)
        else:
            # The parameter's own memory format, so that a resumed step runs the same code as an uninterrupted one.
            kept = torch.empty_like(parameters[name]).copy_(value).detach()
        optimizer.state[parameters[name]][slot or _MOMENTUM] = kept


def forget(remembered: dict[str, Tensor], gone: dict[str, Tensor]) -> None:
    """Set to 0 what the optimizer remembers of single weights, by masks [as the parameter] that are True for these."""
    for path, value in remembered.items():
        name, _, slot = path.partition("/")
        if name in gone and slot != _STEP:
            value.masked_fill_(gone[name], 0.0)
