"""The small ResNets for CIFAR (He et al., arXiv 1512.03385, section 4.2): 16, 32 and 64 channels, n = 3, 5, 7 or 9 blocks each.

Shortcuts are the paper's option A, without parameters: every other pixel, and zero channels, half of them on either side.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

CHOICES = {
    "resnet20": "ResNet-20 (CIFAR)",
    "resnet32": "ResNet-32 (CIFAR)",
    "resnet44": "ResNet-44 (CIFAR)",
    "resnet56": "ResNet-56 (CIFAR)",
}


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """resnet20 has 269,722 parameters on CIFAR-10, resnet56 has 853,018."""
    return SmallResNet(blocks=(int(name.removeprefix("resnet")) - 2) // 6, channels=shape[0], classes=classes)


class Shortcut(nn.Module):
    """Option A: takes every other pixel and pads with zero channels."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.padding = (outputs - inputs) // 2
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        # Windows of one pixel pick x[:, :, ::stride, ::stride], but their gradient keeps channels_last: a slice's does not, and a tenth
        # of a training step was spent in layers that read two layouts at once.
        return pad(avg_pool2d(x, 1, self.stride), (0, 0, 0, 0, self.padding, self.padding))


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if stride == 1 and inputs == outputs else Shortcut(inputs, outputs, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.shortcut(x))


class SmallResNet(nn.Module):
    def __init__(self, blocks: int, channels: int, classes: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(16, 32, blocks, stride=2)
        self.layer3 = _stage(32, 64, blocks, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.flatten(self.avgpool(x)))


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = Block(inputs, outputs, stride)
    return nn.Sequential(first, *(Block(outputs, outputs, 1) for _ in range(blocks - 1)))
