"""Selection of masks: which weights may be pruned, and which are kept: by rank, with the exact count.

Selection is by rank: among equal scores the earlier weight in network order is kept, so the count is exact whatever the ties. Groups of
weights (`granularity`) are ranked by the sum of their scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from ..quotas import FLOPS, WEIGHT, Costs, quotas
from . import groups
from .reads import Asking, Question, read

_IN_LAYERS = ("layer", "erk")  # scopes by which scores are compared within each layer
_SORTED, _SAMPLED = 100_000, 1000  # entries of which the sorting takes little, and those by which a middle is estimated
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def prunable_names(model: nn.Module, which: str = "auto", exempt: Iterable[str] = ()) -> list[str]:
    """Names of the weights that may be pruned, in network order.

    conv: convolutions; hidden: convolutions and linear layers but the last one; all: every convolution and linear layer;
    auto: convolutions, or every layer where there are no two of them (a transformer has one, that cuts the image in patches).
    `exempt` spares layers by name ("fc", "fc.weight") or pattern ("layer1.*"). InputError when an entry matches no layer, or when
    nothing is left.
    """
    order = [name for name, _ in model.named_parameters()]
    convolutions = [f"{name}.weight".lstrip(".") for name, module in model.named_modules() if isinstance(module, CONVOLUTIONS)]
    linears = [f"{name}.weight".lstrip(".") for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    chosen = {
        "auto": convolutions if len(convolutions) > 1 or not linears else convolutions + linears,
        "conv": convolutions,
        "hidden": convolutions + linears[:-1],
        "all": convolutions + linears,
    }[which]
    if not chosen:
        raise InputError(f"prunable: {which!r} leaves nothing to prune in this network; choose auto or all", "prunable")
    known = {*convolutions, *linears}
    unspared = set(chosen) - _matching(exempt, [name for name in order if name in known])
    left = [name for name in order if name in unspared]
    if not left:
        raise InputError(
            f"exempt: {', '.join(exempt)} spares every layer that prunable={which} would prune ({', '.join(_short(chosen))}); exempt fewer",
            "exempt",
        )
    return left


def _matching(patterns: Iterable[str], layers: list[str]) -> set[str]:
    """The layers that the patterns name, with or without ".weight"."""
    found = set()
    for pattern in patterns:
        matched = {name for name in layers if fnmatchcase(name, pattern) or fnmatchcase(name.removesuffix(".weight"), pattern)}
        if not matched:
            raise InputError(
                f"exempt: {pattern!r} matches no convolution or linear layer of this network ({', '.join(_short(layers))}); "
                "a pattern such as layer1.* is possible",
                "exempt",
            )
        found |= matched
    return found


def _short(names: list[str]) -> list[str]:
    """Layer names for a message of one line."""
    plain = [name.removesuffix(".weight") for name in names]
    return plain if len(plain) <= 12 else [*plain[:8], "...", *plain[-3:]]


def full_masks(model: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """Masks that keep everything."""
    parameters = dict(model.named_parameters())
    return full({name: parameters[name] for name in names})


def full(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Masks of these shapes that keep everything."""
    return {name: torch.ones_like(tensor, dtype=torch.bool, memory_format=torch.preserve_format) for name, tensor in tensors.items()}


def keep_count(masks: dict[str, Tensor], density: float) -> int:
    """round(density * n), n counting all weights, kept or not."""
    return round(density * sum(mask.numel() for mask in masks.values()))


def keep_top(
    scores: dict[str, Tensor],
    density: float | Mapping[str, float],
    scope: str = "global",
    eligible: dict[str, Tensor] | None = None,
    granularity: str = WEIGHT,
    costs: Costs | None = None,
) -> dict[str, Tensor]:
    """Masks that keep exactly round(density * n) weights of the highest scores (n counts all, eligible or not).

    A density for each tensor keeps that share of each, whatever the scope. Scope flops needs `costs`, and takes `density` for the share of
    all FLOPs that is left: as many of the highest scores are kept as cost no more (InputError where all else costs more).

    `eligible` (bool masks) excludes weights that must not return; when fewer are left than asked for, all of them are kept.
    Raises ValueError for scores that are not finite.

    Groups (`granularity` kernel, filter, channel, "4x4") are kept whole, but for what is not eligible: those of the highest sums of
    scores, as many as come nearest to that number of weights, over the whole network or, by the other scopes, in each layer. "2:4" keeps
    at most the best 2 of every 4 inputs, and of those exactly round(density * n), or all.
    """
    sizes, caps = {name: score.numel() for name, score in scores.items()}, _choosable(scores, eligible)
    if granularity != WEIGHT:
        eligible = full(scores) if eligible is None else {name: eligible[name] for name in scores}
        if not groups.is_bound(granularity):
            return _keep_groups(scores, density, scope, eligible, granularity, caps, costs)
        eligible = {name: groups.bounded(score, granularity, eligible[name]) for name, score in scores.items()}
        caps = count(eligible)
    if caps == sizes:
        eligible = None  # all are eligible, which is faster
    if isinstance(density, Mapping) or scope in _IN_LAYERS:
        return _each(scores, _shares(scores, density, scope, caps), eligible)
    if scope == FLOPS:
        costs, budget = _budget(scores, density, costs)
        return _affordable(scores, full(scores) if eligible is None else {name: eligible[name] for name in scores}, costs, budget)
    keep = min(keep_count(scores, density), sum(caps.values()))
    parts = _top(_flat(scores), keep, None if eligible is None else _flat({name: eligible[name] for name in scores}))
    return {name: part.view(scores[name].shape) for name, part in zip(scores, parts.split(list(sizes.values())), strict=True)}


def _shares(scores: dict[str, Tensor], density: float | Mapping[str, float], scope: str, caps: dict[str, int]) -> dict[str, int]:
    """How many weights each layer keeps, where that is fixed before scores are compared."""
    if isinstance(density, Mapping):
        return {name: min(round(density[name] * score.numel()), caps[name]) for name, score in scores.items()}
    keep = min(keep_count(scores, density), sum(caps.values()))
    return quotas({name: tuple(score.shape) for name, score in scores.items()}, keep, scope, caps)


def _budget(scores: dict[str, Tensor], share: float, costs: Costs | None) -> tuple[Costs, int]:
    """The costs, and what the ranked weights may cost together."""
    if costs is None:
        raise ValueError("scope flops needs the costs of weights")
    return costs, costs.budget(share, {name: score.numel() for name, score in scores.items()})


def _affordable(scores: dict[str, Tensor], sizes: dict[str, Tensor], costs: Costs, budget: int) -> dict[str, Tensor]:
    """Bool masks of the entries of the highest scores, as many as cost no more than the budget together.

    An entry is a weight or a group, of as many weights as `sizes` says; those without any are not kept. Ties go to the earlier entry.
    """
    flat, counts = _flat(scores), _flat(sizes)
    prices = _flat({name: size.long() * costs.each[name] for name, size in sizes.items()})
    chosen = (_affordable_on_cpu if flat.is_cpu else _affordable_on_device)(flat, counts > 0, prices, budget)
    parts = chosen.split([part.numel() for part in scores.values()])
    return {name: part.view(scores[name].shape) for name, part in zip(scores, parts, strict=True)}


def _affordable_on_device(flat: Tensor, eligible: Tensor, prices: Tensor, budget: int) -> Tensor:
    """By sorting, without reading a number from the device."""
    order = torch.where(eligible, flat, -torch.inf).sort(descending=True, stable=True).indices
    is_paid = prices[order].cumsum(0) <= budget  # nothing costs less than 0, so these are the first ones
    return torch.zeros_like(eligible).scatter_(0, order, is_paid) & eligible


def _affordable_on_cpu(flat: Tensor, eligible: Tensor, prices: Tensor, budget: int) -> Tensor:
    """By halving what is left to decide until it is quickly sorted: torch takes seconds to sort ten million with their places."""
    flat, entries = _comparable(flat), None if bool(eligible.all()) else eligible
    values, costs = among(flat, entries).numpy(), among(prices, entries).numpy()
    kept = 0  # how many are above all that is left; they are paid
    while len(values) > _SORTED:
        sample = np.sort(values[:: len(values) // _SAMPLED])
        upper = values > sample[len(sample) // 2]
        if not upper.any():  # equal scores stay together
            upper = values == sample[-1]
            if upper.all():
                break
        price = int(np.compress(upper, costs).sum())
        if price <= budget:
            kept, budget, upper = kept + int(np.count_nonzero(upper)), budget - price, ~upper
        values, costs = np.compress(upper, values), np.compress(upper, costs)
    order = np.argsort(-values, kind="stable")
    paid = int(np.count_nonzero(np.cumsum(costs[order]) <= budget))
    if kept + paid == 0:
        return torch.zeros_like(eligible)
    return _from(flat, float(values[order[paid - 1]] if paid else values.max()), kept + paid, entries)


def _keep_groups(
    scores: dict[str, Tensor],
    density: float | Mapping[str, float],
    scope: str,
    eligible: dict[str, Tensor],
    granularity: str,
    caps: dict[str, int],
    costs: Costs | None,
) -> dict[str, Tensor]:
    sums = {name: groups.sums(score.masked_fill(~eligible[name], 0.0), granularity) for name, score in scores.items()}
    sizes = {name: groups.sums(mask, granularity).long() for name, mask in eligible.items()}
    if isinstance(density, Mapping) or scope in _IN_LAYERS:
        shares = _shares(scores, density, scope, caps)
        chosen = {
            name: groups.nearest(part.reshape(-1), sizes[name].reshape(-1), shares[name]).view(part.shape) for name, part in sums.items()
        }
    elif scope == FLOPS:
        chosen = _affordable(sums, sizes, *_budget(scores, density, costs))
    else:
        keep = min(keep_count(scores, density), sum(caps.values()))
        found = groups.nearest(_flat(sums), _flat(sizes), keep).split([part.numel() for part in sums.values()])
        chosen = {name: part.view(sums[name].shape) for name, part in zip(sums, found, strict=True)}
    return {name: groups.spread(part, granularity, tuple(scores[name].shape)) & eligible[name] for name, part in chosen.items()}


def ranked(scores: dict[str, Tensor], eligible: dict[str, Tensor], granularity: str) -> dict[str, Tensor]:
    """The number by which each weight was ranked: its score, or the sum of its group's."""
    if granularity == WEIGHT or groups.is_bound(granularity):
        return scores
    sums = {name: groups.sums(score.masked_fill(~eligible[name], 0.0), granularity) for name, score in scores.items()}
    return {name: groups.spread(part, granularity, tuple(scores[name].shape)) for name, part in sums.items()}


def keep_each(scores: dict[str, Tensor], kept: dict[str, int], eligible: dict[str, Tensor]) -> dict[str, Tensor]:
    """Masks that keep in each layer the named number of weights, eligible ones of the highest scores. ValueError as by `keep_top`."""
    _choosable(scores, eligible)
    return _each(scores, kept, eligible)


def _choosable(scores: dict[str, Tensor], eligible: dict[str, Tensor] | None) -> dict[str, int]:
    """How many weights of each layer can be chosen; ValueError for scores that are not finite."""
    # The extremes of a tensor with a NaN are NaN, and this is many times faster than isfinite.
    filled = [name for name, score in scores.items() if score.numel()]
    counts = [] if eligible is None else [eligible[name].count_nonzero() for name in scores]
    found = read([*(torch.stack(scores[name].aminmax()) for name in filled), *counts])
    for name, extremes in zip(filled, found, strict=False):
        if not all(map(math.isfinite, extremes)):
            raise ValueError(
                f"the scores of {name} are not finite, so weights cannot be ranked; the training has probably diverged (lower lr)"
            )
    left = (score.numel() for score in scores.values()) if eligible is None else found[len(filled) :]
    return dict(zip(scores, left, strict=True))


def _each(scores: dict[str, Tensor], kept: dict[str, int], eligible: dict[str, Tensor] | None) -> dict[str, Tensor]:
    return {
        name: _top(score.reshape(-1), kept[name], None if eligible is None else eligible[name].reshape(-1)).view(score.shape)
        for name, score in scores.items()
    }


def _flat(tensors: dict[str, Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors.values()])


def _top(flat: Tensor, keep: int, eligible: Tensor | None) -> Tensor:
    """Bool mask of the `keep` highest eligible entries of a flat tensor; among equal ones the first."""
    if keep <= 0:
        return torch.zeros_like(flat, dtype=torch.bool)
    flat = _comparable(flat)
    if not flat.is_cpu:
        return _top_on_device(flat, keep, eligible)
    return _from(flat, _nth_highest(flat, keep, eligible), keep, eligible)


def _comparable(flat: Tensor) -> Tensor:
    """Scores in a type that numpy has."""
    return flat.detach() if flat.dtype in (torch.float32, torch.float64) else flat.detach().float()


def _from(flat: Tensor, threshold: float, keep: int, eligible: Tensor | None) -> Tensor:
    """Bool mask of the eligible entries above a threshold and, up to `keep` in all, the first of those equal to it."""
    mask, ties = flat > threshold, flat == threshold
    if eligible is not None:
        mask &= eligible
        ties &= eligible
    missing = keep - int(mask.count_nonzero())
    mask[ties.nonzero()[:missing, 0]] = True
    return mask


def _top_on_device(flat: Tensor, keep: int, eligible: Tensor | None) -> Tensor:
    """The same without reading a number. By sorting: kthvalue on CUDA is about 20 times slower (pytorch issue 75599)."""
    candidates = flat if eligible is None else flat.masked_fill(~eligible, -math.inf)
    threshold = candidates.sort().values[-keep]
    above, ties = candidates > threshold, candidates == threshold
    return above | (ties & (ties.cumsum(0) <= keep - above.count_nonzero()))


def _nth_highest(flat: Tensor, n: int, eligible: Tensor | None) -> float:
    # numpy's vectorised sort is 5 to 30 times faster than torch's sort and kthvalue, and ties do not slow it down.
    candidates = flat.numpy().copy() if eligible is None else among(flat, eligible).numpy()
    candidates.sort()
    return float(candidates[-n])


def among(values: Tensor, eligible: Tensor | None) -> Tensor:
    """The entries of a tensor where a bool tensor of its shape is True, flat and in order; all of them for None."""
    if eligible is None:
        return values.reshape(-1)
    if not values.is_cpu or values.dtype == torch.bfloat16:  # a type that numpy lacks
        return values[eligible]
    # Ten times as fast as indexing by a bool tensor.
    return torch.from_numpy(np.compress(eligible.reshape(-1).numpy(), values.detach().reshape(-1).numpy()))


@torch.no_grad()
def apply(model: nn.Module, masks: dict[str, Tensor]) -> None:
    """Set pruned weights to exactly 0, in place."""
    parameters = dict(model.named_parameters())
    # masked_fill rather than a product: a product leaves NaN where a diverged weight was NaN.
    for name, mask in masks.items():
        parameters[name].masked_fill_(~mask, 0.0)


@Question
def count(masks: dict[str, Tensor]) -> Asking[dict[str, int]]:
    """Weights kept per layer."""
    found = yield [mask.count_nonzero() for mask in masks.values()]
    return dict(zip(masks, found, strict=True))


def density(masks: dict[str, Tensor]) -> float:
    """Fraction kept."""
    return sum(count(masks).values()) / sum(mask.numel() for mask in masks.values())


@Question
def effective_density(model: nn.Module, names: list[str]) -> Asking[float]:
    """Share of non-zero weights, counted in the tensors that forward uses."""
    weights = {name: model.get_parameter(name).detach() for name in names}
    found = yield from count.ask(weights)
    return sum(found.values()) / sum(weight.numel() for weight in weights.values())
