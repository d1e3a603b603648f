"""A baseline: training written the way pruning papers usually publish it. Our own code, made from a description; no run uses it.

What makes the style: images decoded and augmented one by one as PIL images in two loader processes, batches copied from there, torch's
pruning hooks that recompute every weight as `weight_orig * weight_mask` in each forward, fp32 in the default memory format, and two
numbers read from the device after every step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sized
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune
from torch.utils.data import ConcatDataset, DataLoader, Dataset
from torchvision import transforms

LOADER_PROCESSES = 2


class Pictures(Dataset):
    """uint8 images [N, H, W, C] that are handed out one by one as torchvision's data sets do."""

    def __init__(self, x: np.ndarray, y: np.ndarray, mean: list[float], std: list[float], is_augmented: bool = True):
        self.x, self.y, self.moments = x, y, (mean, std)
        chance = [transforms.RandomCrop(x.shape[1:3], padding=4), transforms.RandomHorizontalFlip()] if is_augmented else []
        self.transform = transforms.Compose([*chance, transforms.ToTensor(), transforms.Normalize(mean, std)])

    def part(self, chosen: slice, is_augmented: bool) -> Pictures:
        """Some of the images."""
        return Pictures(self.x[chosen], self.y[chosen], *self.moments, is_augmented)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.x[index])), int(self.y[index])


def epochs(
    model: nn.Module, masks: dict[str, Tensor], pictures: Pictures, batch_size: int, device: torch.device
) -> Iterator[tuple[int, float]]:
    """Train without end; yields (images, seconds) of each epoch, the start of the loader processes included as it is in such code."""
    model = model.to(device, memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's stubs leave this pair out
    _hook(model, {name: mask.to(device) for name, mask in masks.items()})
    optimizer, loader = _optimizer(model), _loader(pictures, batch_size, device)
    while True:
        start = time.perf_counter()
        images = _train(model, optimizer, loader, device)
        yield images, time.perf_counter() - start


def whole_run(
    model: nn.Module,
    prunable: list[str],
    train: Pictures,
    test: Pictures,
    densities: list[float],
    epochs: int,
    batch_size: int,
    device: torch.device,
    folder: Path,
) -> int:
    """An APP run with full replay: SNIP over each new part, `epochs` of training and validation on all parts so far, test, checkpoint.

    A tenth of each part validates. Returns the number of training images seen.
    """
    model, seen = model.to(device), 0
    size = len(train) // len(densities)
    for part, density in enumerate(densities):
        so_far = range(0, (part + 1) * size, size)
        fit: ConcatDataset = ConcatDataset([train.part(slice(begin, begin + size - size // 10), True) for begin in so_far])
        val: ConcatDataset = ConcatDataset([train.part(slice(begin + size - size // 10, begin + size), False) for begin in so_far])
        _prune(
            model,
            prunable,
            _loader(train.part(slice(part * size, part * size + size - size // 10), True), batch_size, device),
            density,
            device,
        )
        optimizer, best = _optimizer(model), -1.0
        for _ in range(epochs):
            seen += _train(model, optimizer, _loader(fit, batch_size, device), device)
            accuracy = _evaluate(model, _loader(val, batch_size, device), device)
            if accuracy > best:
                best = accuracy
                torch.save(model.state_dict(), folder / "best.pt")
        model.load_state_dict(torch.load(folder / "best.pt", weights_only=True))
        _evaluate(model, _loader(test, batch_size, device), device)
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, folder / f"part-{part}.pt")
    return seen


def _prune(model: nn.Module, prunable: list[str], loader: DataLoader, density: float, device: torch.device) -> None:
    """SNIP: |gradient * weight| summed over batches; the largest are kept among those that are left."""
    parameters = dict(model.named_parameters())
    found = {name: parameters[name if name in parameters else f"{name}_orig"] for name in prunable}
    scores = {name: torch.zeros_like(weight) for name, weight in found.items()}
    for x, y in loader:
        loss = cross_entropy(model(x.to(device)), y.to(device))
        for name, gradient in zip(found, torch.autograd.grad(loss, list(found.values())), strict=True):
            scores[name] += (gradient * found[name]).abs().detach()
    everything = torch.cat([score.flatten() for score in scores.values()])
    threshold = torch.kthvalue(everything, max(1, round((1 - density) * len(everything)))).values
    for name in prunable:
        module, _, weight = name.rpartition(".")
        if prune.is_pruned(model.get_submodule(module)):
            prune.remove(model.get_submodule(module), weight)
    _hook(model, {name: (score > threshold).float() for name, score in scores.items()})


def _hook(model: nn.Module, masks: dict[str, Tensor]) -> None:
    for name, mask in masks.items():
        module, _, weight = name.rpartition(".")
        prune.custom_from_mask(model.get_submodule(module), weight, mask)


def _optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)


def _loader(pictures: Dataset, batch_size: int, device: torch.device) -> DataLoader:
    return DataLoader(pictures, batch_size, shuffle=True, num_workers=LOADER_PROCESSES, pin_memory=device.type == "cuda")


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader, device: torch.device) -> int:
    """One epoch; how many images it had."""
    images, loss_sum, correct = 0, 0.0, 0
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
    return images


@torch.no_grad()
def _evaluate(model: nn.Module, loader: DataLoader, device: torch.device) -> float:
    model.eval()
    right = [(model(x.to(device)).argmax(1).cpu() == y).sum().item() for x, y in loader]
    assert isinstance(loader.dataset, Sized)
    return sum(right) / len(loader.dataset)
