"""A baseline: training written the way pruning papers usually publish it. Our own code, made from a description; no run uses it.

What makes the style: images decoded and augmented one by one as PIL images in two loader processes, batches copied from there, torch's
pruning hooks that recompute every weight as `weight_orig * weight_mask` in each forward, fp32 in the default memory format, and two
numbers read from the device after every step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

LOADER_PROCESSES = 2


class Pictures(Dataset):
    """uint8 images [N, H, W, C] that are handed out one by one as torchvision's data sets do."""

    def __init__(self, x: np.ndarray, y: np.ndarray, mean: list[float], std: list[float]):
        self.x, self.y = x, y
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(x.shape[1:3], padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(mean, std),
            ]
        )

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.x[index])), int(self.y[index])


def epochs(
    model: nn.Module, masks: dict[str, Tensor], pictures: Pictures, batch_size: int, device: torch.device
) -> Iterator[tuple[int, float]]:
    """Train without end; yields (images, seconds) of each epoch, the start of the loader processes included as it is in such code."""
    model = model.to(device, memory_format=torch.contiguous_format)
    for name, mask in masks.items():
        module, _, weight = name.rpartition(".")
        prune.custom_from_mask(model.get_submodule(module), weight, mask.to(device))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    loader = DataLoader(pictures, batch_size, shuffle=True, num_workers=LOADER_PROCESSES, pin_memory=device.type == "cuda")
    while True:
        start, images, loss_sum, correct = time.perf_counter(), 0, 0.0, 0
        model.train()
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            logits = model(x)
            loss = cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            images += len(y)
        yield images, time.perf_counter() - start
