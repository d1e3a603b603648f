"""Fully connected networks with ReLU: LeNet-300-100, that of most pruning papers (LeCun et al. 1998; ReLU as in SNIP, arXiv 1810.02340),
and others by their widths, as `mlp:32-32`."""

from __future__ import annotations

import re
from collections import OrderedDict
from itertools import pairwise
from math import prod

from torch import nn

from ..errors import InputError

CHOICES = {"mlp": "MLP (LeNet-300-100)", "mlp:": "MLP of your widths, e.g. 32-32"}
_WIDTHS = re.compile(r"[1-9]\d{0,3}(-[1-9]\d{0,3}){0,7}")


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Flatten, the hidden layers, classes: `mlp` has 266,610 parameters on 28 x 28 images with 10 classes."""
    wanted = name.partition(":")[2] or "300-100"
    if not _WIDTHS.fullmatch(wanted):
        raise InputError(f"arch: {name!r} names no widths; write one to eight of 1 to 9999 with hyphens, such as mlp:32-32", "arch")
    widths = [prod(shape), *map(int, wanted.split("-"))]
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    for number, (before, width) in enumerate(pairwise(widths), 1):
        layers |= {f"fc{number}": nn.Linear(before, width), f"relu{number}": nn.ReLU()}
    layers[f"fc{len(widths)}"] = nn.Linear(widths[-1], classes)
    return nn.Sequential(layers)
