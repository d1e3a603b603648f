"""A small convolutional network: two convolutions with BatchNorm, an average over the image, and one linear layer.

An example of a network. Names of layers become names of weights (`conv1.weight`), in charts and in files, so they are given by hand.
Values are not drawn here: the package fills every parameter, keyed by seed and name, so that runs with one seed begin with equal weights.
"""

from collections import OrderedDict

from torch import nn

CHOICES = {"tiny-conv": "Tiny convolutional network"}


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network for images of `shape` (channels, height, width); it must give one number for each class."""
    layers = OrderedDict(conv1=nn.Conv2d(shape[0], 16, 3, padding=1, bias=False), norm1=nn.BatchNorm2d(16), relu1=nn.ReLU())
    layers |= OrderedDict(conv2=nn.Conv2d(16, 32, 3, padding=1, bias=False), norm2=nn.BatchNorm2d(32), relu2=nn.ReLU())
    # Modules, not functions: the count of alive weights walks the network module by module.
    layers |= OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(32, classes))
    return nn.Sequential(layers)
