"""Named starting points: settings for RunConfig with the source that they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """`settings` go to RunConfig; fields left out follow the data set's recipe."""

    title: str
    source: str
    settings: dict[str, Any] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    "quick": Preset("Digits in half a minute", "scikit-learn digits, ResNet-20, full replay; made for a first look", {}),
    "app-cifar10": Preset(
        "APP on CIFAR-10, short sequence",
        "Recipe of the released code of arXiv 2204.01640: T = 8, 50 epochs, SGD 0.1",
        {"dataset": "cifar10", "arch": "resnet20", "megabatches": 8, "epochs": 50},
    ),
    "app-cifar10-long": Preset(
        "APP on CIFAR-10, long sequence",
        "arXiv 2204.01640: T = 100; full replay costs 50.5 times the images of none",
        {"dataset": "cifar10", "arch": "resnet20", "megabatches": 100, "epochs": 50},
    ),
}
