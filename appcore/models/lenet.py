"""LeNet-5 in the Caffe variant (20 and 50 convolutions, 500 hidden units) that SNIP (arXiv 1810.02340) and its successors prune.

Deviations from Caffe's: a ReLU after each convolution, and padding of 2 around both when a side has fewer than 16 pixels.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

CHOICES = {"lenet5": "LeNet-5 (Caffe)"}


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """431,080 parameters on 28 x 28 grey images with 10 classes."""
    channels, height, width = shape
    padding = 2 if min(height, width) < 16 else 0
    hidden = 50 * _side(height, padding) * _side(width, padding)
    if hidden == 0:
        raise ValueError("two poolings leave nothing of a side below 4 pixels; choose mlp")
    layers = OrderedDict(conv1=nn.Conv2d(channels, 20, 5, padding=padding), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2))
    layers |= OrderedDict(conv2=nn.Conv2d(20, 50, 5, padding=padding), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2))
    layers |= OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(hidden, 500), relu3=nn.ReLU(), fc2=nn.Linear(500, classes))
    return nn.Sequential(layers)


def _side(pixels: int, padding: int) -> int:
    """The length of a side after both convolutions and poolings."""
    for _ in range(2):
        pixels = (pixels + 2 * padding - 4) // 2
    return pixels
