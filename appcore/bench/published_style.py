"""A baseline: training as code published with pruning papers usually does it. Our own code from a description; no run uses it.

What a whole run does, how often and on how many images, follows the published repository of arXiv 2204.01640 (commit 7840633): facts,
no code. benchmarks/README.md says how its time compares. What makes the style: images decoded and augmented one by one as PIL images in
two loader processes, batches copied from there, torch's pruning hooks that recompute every weight as `weight_orig * weight_mask` in each
forward, fp32 in the default memory format, and two numbers read from the device after every step.
"""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Iterator, Sized
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset
from torchvision import transforms

LOADER_PROCESSES = 2
SCORE_BATCH, TEST_BATCH = 100, 128


class Pictures(Dataset):
    """uint8 images [N, H, W, C] that are handed out one by one as torchvision's data sets do."""

    def __init__(self, x: np.ndarray, y: np.ndarray, mean: list[float], std: list[float], is_augmented: bool = True):
        self.x, self.y, self.moments = x, y, (mean, std)
        chance = [transforms.RandomCrop(x.shape[1:3], padding=4), transforms.RandomHorizontalFlip()] if is_augmented else []
        self.transform = transforms.Compose([*chance, transforms.ToTensor()])

    def part(self, chosen: slice, is_augmented: bool) -> Pictures:
        """Some of the images."""
        return Pictures(self.x[chosen], self.y[chosen], *self.moments, is_augmented)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.x[index])), int(self.y[index])


class Normalise(nn.Module):
    """The first layer of the network: images [N, C, H, W] minus mean, over standard deviation."""

    def __init__(self, mean: list[float], std: list[float]):
        super().__init__()
        self.register_buffer("moments", torch.tensor([mean, std])[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        mean, std = self.get_buffer("moments")
        return (x - mean) / std


def epochs(
    model: nn.Module, masks: dict[str, Tensor], pictures: Pictures, batch_size: int, device: torch.device
) -> Iterator[tuple[int, float]]:
    """Train without end; yields (images, seconds) of each epoch, the start of the loader processes included as it is in such code."""
    model = nn.Sequential(Normalise(*pictures.moments), model).to(device)
    _hook(model, {f"1.{name}": mask.to(device) for name, mask in masks.items()})
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
    """An APP run with full replay: SNIP on a fifth of a part, `epochs` of training and validation on all parts so far, checkpoints, test.

    A tenth of each part validates, augmented like the rest. A last test follows after the last part: one more than there are parts.
    Returns the number of training images seen.
    """
    net, seen = nn.Sequential(Normalise(*train.moments), model).to(device), 0
    names, size = [f"1.{name}" for name in prunable], len(train) // len(densities)
    fit_size, optimizer = int(0.9 * size), _optimizer(net)
    torch.save(net.state_dict(), folder / "start.pt")
    for part, density in enumerate(densities):
        so_far = range(0, (part + 1) * size, size)
        fit: ConcatDataset = ConcatDataset([train.part(slice(begin, begin + fit_size), True) for begin in so_far])
        val: ConcatDataset = ConcatDataset([train.part(slice(begin + fit_size, begin + size), True) for begin in so_far])
        _prune(net, names, _loader(Subset(fit, range(int(0.2 * size))), SCORE_BATCH, device, shuffle=False), density, device)
        torch.save({name: net.get_buffer(f"{name}_mask") for name in names}, folder / f"mask-{part}.pt")
        best = -1.0
        for _ in range(epochs):
            seen += _train(net, optimizer, _loader(fit, batch_size, device), device)
            accuracy = _evaluate(net, _loader(val, batch_size, device, shuffle=False), device)
            torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, folder / f"last-{part}.pt")
            if accuracy > best:
                best = accuracy
                shutil.copyfile(folder / f"last-{part}.pt", folder / f"best-{part}.pt")
        net.load_state_dict(torch.load(folder / f"best-{part}.pt", weights_only=True)["model"])
        _evaluate(net, _loader(test, TEST_BATCH, device, shuffle=False), device)
    _evaluate(net, _loader(test, batch_size, device, shuffle=False), device)
    return seen


def _prune(model: nn.Module, prunable: list[str], loader: DataLoader, density: float, device: torch.device) -> None:
    """SNIP: |gradient * weight|, the gradient summed over batches; the largest are kept, and torch multiplies the masks of several cuts."""
    network = copy.deepcopy(model).train()  # scored on a network of its own
    for x, y in loader:
        cross_entropy(network(x.to(device)), y.to(device)).backward()
    parameters = dict(network.named_parameters())
    found = {name: parameters[name if name in parameters else f"{name}_orig"] for name in prunable}
    scores = {name: (weight.grad * weight).abs().detach() for name, weight in found.items() if weight.grad is not None}
    everything = torch.cat([score.flatten() for score in scores.values()])
    threshold = torch.kthvalue(everything, max(1, round((1 - density) * len(everything)))).values
    _hook(model, {name: (score > threshold).float() for name, score in scores.items()})


def _hook(model: nn.Module, masks: dict[str, Tensor]) -> None:
    for name, mask in masks.items():
        module, _, weight = name.rpartition(".")
        prune.custom_from_mask(model.get_submodule(module), weight, mask)


def _optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)


def _loader(pictures: Dataset, batch_size: int, device: torch.device, shuffle: bool = True) -> DataLoader:
    return DataLoader(pictures, batch_size, shuffle=shuffle, num_workers=LOADER_PROCESSES, pin_memory=device.type == "cuda")


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
        correct += (logits.topk(1).indices[:, 0] == y).sum().item()
        images += len(y)
    return images


@torch.no_grad()
def _evaluate(model: nn.Module, loader: DataLoader, device: torch.device) -> float:
    model.eval()
    right, loss_sum = 0, 0.0
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        logits = model(x)
        loss_sum += cross_entropy(logits, y).item() * len(y)
        right += (logits.topk(1).indices[:, 0] == y).sum().item()
    assert isinstance(loader.dataset, Sized)
    return right / len(loader.dataset)
