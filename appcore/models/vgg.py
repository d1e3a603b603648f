"""torchvision's VGG features with BatchNorm, and the single linear layer usual on CIFAR in place of the three for ImageNet.

Poolings round up, so that images below 32 pixels keep at least one pixel; on multiples of 32 that changes nothing.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

CHOICES = {"vgg11_bn": "VGG-11 (BatchNorm)", "vgg16_bn": "VGG-16 (BatchNorm)", "vgg19_bn": "VGG-19 (BatchNorm)"}


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """vgg16_bn has 14,728,266 parameters on CIFAR-10."""
    from torchvision import models  # here, so that other architectures do not wait for this import

    features = getattr(models, name)(weights=None, init_weights=False).features
    features[0] = nn.Conv2d(shape[0], 64, 3, padding=1)
    for module in features:
        if isinstance(module, nn.MaxPool2d):
            module.ceil_mode = True
    tail = OrderedDict(avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), classifier=nn.Linear(512, classes))
    return nn.Sequential(OrderedDict(features=features) | tail)
