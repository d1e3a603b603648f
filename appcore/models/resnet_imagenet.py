"""torchvision's ResNets, with the stem that CIFAR-sized images need: 3x3 at stride 1 and no pooling when a side is below 96 pixels.

From 96 pixels on the stem is the original one: 7x7 at stride 2, then a pooling at stride 2. Either takes any number of channels.
"""

from __future__ import annotations

from torch import nn

CHOICES = {
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet50": "ResNet-50",
    "resnet101": "ResNet-101",
    "wide_resnet50_2": "Wide ResNet-50-2",
    "wide_resnet101_2": "Wide ResNet-101-2",
}


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """On CIFAR-10 resnet18 has 11,173,962 parameters and resnet50 23,520,842."""
    from torchvision import models  # here, so that other architectures do not wait for this import

    channels, height, width = shape
    model = getattr(models, name)(weights=None, num_classes=classes)
    if min(height, width) < 96:
        model.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        model.maxpool = nn.Identity()
    elif channels != 3:
        model.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return model
