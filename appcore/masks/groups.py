"""Groups of weights that are kept or removed together: kernels, filters, channels, blocks; and N of every M.

A weight tensor is a matrix of kernels, [outputs, inputs, *kernel]; of a linear layer a kernel is one weight. Every group is a rectangle
of whole kernels, so a rule is its height and width. N:M is not a group but a bound on what a mask may keep.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..quotas import N_OF_M, block


def is_bound(granularity: str) -> bool:
    """Whether this is N:M, which bounds what single weights are kept."""
    return re.fullmatch(N_OF_M, granularity) is not None


def bounded(scores: Tensor, granularity: str, eligible: Tensor) -> Tensor:
    """Bool mask [outputs, inputs, *kernel] of the N eligible weights of the highest scores in every M along the inputs, the direction in
    which a multiplication sums up (Zhou et al., arXiv 2102.04010; Mishra et al., 2104.08378). Among equal scores the earlier input is kept.

    Each place of a kernel has groups of its own. Where the inputs are no multiple of M, the last group has fewer, as if zeros followed.
    """
    most, size = map(int, granularity.split(":"))
    inputs = scores.shape[1]
    rows = torch.where(eligible, scores, -torch.inf).movedim(1, -1)
    padded = pad(rows, (0, -inputs % size), value=-torch.inf)
    grouped = padded.unflatten(-1, (-1, size))
    places = grouped.sort(dim=-1, descending=True, stable=True).indices[..., :most]
    found = torch.zeros_like(grouped, dtype=torch.bool).scatter_(-1, places, True)
    return found.flatten(-2)[..., :inputs].movedim(-1, 1) & eligible


def sums(values: Tensor, granularity: str) -> Tensor:
    """The sum over each group of a weight's values, or the number of True in a mask: float64 [groups down, groups across]."""
    height, width = block(granularity, tuple(values.shape))
    matrix = values.detach().double().flatten(2).sum(2) if values.dim() > 2 else values.detach().double()
    rows, columns = matrix.shape
    padded = pad(matrix, (0, -columns % width, 0, -rows % height))
    return padded.unflatten(1, (-1, width)).unflatten(0, (-1, height)).sum((1, 3))


def spread(groups: Tensor, granularity: str, shape: tuple[int, ...]) -> Tensor:
    """Each weight's group: [groups down, groups across] to a weight's shape."""
    height, width = block(granularity, shape)
    whole = groups.repeat_interleave(height, 0)[: shape[0]].repeat_interleave(width, 1)[:, : shape[1]]
    return whole.reshape(*whole.shape, *[1] * (len(shape) - 2)).expand(shape)


def nearest(scores: Tensor, sizes: Tensor, keep: int) -> Tensor:
    """Bool mask of the groups of the highest scores whose sizes sum as near to `keep` as whole groups come; fewer where two are as near.

    All are flat. Among equal scores the earlier group is kept; groups without a weight are not.
    """
    order = torch.where(sizes > 0, scores, -torch.inf).sort(descending=True, stable=True).indices
    reached = sizes[order].cumsum(0)
    away = torch.cat([reached.new_tensor([0]), reached]).sub(keep).abs()
    count = (away == away.min()).long().argmax()  # the first of the nearest
    found = torch.zeros_like(sizes, dtype=torch.bool)
    found[order] = torch.arange(len(order), device=order.device) < count
    return found & (sizes > 0)
