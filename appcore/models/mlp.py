"""LeNet-300-100: the fully connected network of most pruning papers (LeCun et al. 1998), with ReLU as in SNIP (arXiv 1810.02340)."""

from __future__ import annotations

from collections import OrderedDict
from math import prod

from torch import nn

CHOICES = {"mlp": "MLP (LeNet-300-100)"}


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Flatten, 300, 100, classes: 266,610 parameters on 28 x 28 images with 10 classes."""
    layers = OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(prod(shape), 300), relu1=nn.ReLU())
    layers |= OrderedDict(fc2=nn.Linear(300, 100), relu2=nn.ReLU(), fc3=nn.Linear(100, classes))
    return nn.Sequential(layers)
