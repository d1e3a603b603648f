"""Two networks small enough to check by loops, in float64, and a stand-in for a run's state around them."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from appcore.config import RunConfig
from appcore.engine import compute
from appcore.engine.flops import Flops
from appcore.masks import selection
from appcore.pruners.base import ScoringTask

CLASSES = 3
Batch = tuple[Tensor, Tensor]


def mlp() -> nn.Module:
    """6-5-4-3 with ReLU; the first hidden unit is dead: no image wakes it."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, CLASSES)).double()
    _fill(model)
    with torch.no_grad():
        model.get_parameter("1.bias")[0] = -100.0
    return model


def conv() -> nn.Module:
    """Two convolutions with BatchNorm, whose statistics and parameters are those of some training."""
    model = nn.Sequential(
        *(nn.Conv2d(2, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES)),
    ).double()
    _fill(model)
    return model


def _fill(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator, dtype=torch.float64))
                if name.endswith("running_var"):
                    tensor.abs_().add_(0.5)


def names(model: nn.Module) -> list[str]:
    return [name for name, parameter in model.named_parameters() if parameter.dim() > 1]


def batches(model: nn.Module, sizes: tuple[int, ...] = (6, 6, 5)) -> list[Batch]:
    generator = torch.Generator().manual_seed(7)
    shape = (1, 2, 3) if isinstance(model[0], nn.Flatten) else (2, 4, 4)
    return [
        (
            torch.randn(size, *shape, generator=generator, dtype=torch.float64),
            torch.randint(0, CLASSES, (size,), generator=generator),
        )
        for size in sizes
    ]


def some_masks(model: nn.Module, density: float = 0.7) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(11)
    return {name: torch.rand(model.get_parameter(name).shape, generator=generator) < density for name in names(model)}


def full_masks(model: nn.Module) -> dict[str, Tensor]:
    return {name: torch.ones_like(model.get_parameter(name), dtype=torch.bool) for name in names(model)}


@torch.no_grad()
def cut(model: nn.Module, masks: dict[str, Tensor]) -> nn.Module:
    """The network with pruned weights at 0, in place."""
    for name, mask in masks.items():
        model.get_parameter(name).mul_(mask)
    return model


def task(model: nn.Module, masks: dict[str, Tensor], **values) -> ScoringTask:
    """What a pruner sees, in the mode in which `prune_point` gives it a network."""
    values = {"batches": batches(model), "generator": torch.Generator().manual_seed(0), **values}
    return ScoringTask(model=model.train(), names=names(model), masks=masks, **values)


def state(model: nn.Module, masks: dict[str, Tensor], **settings) -> SimpleNamespace:
    """As much of a RunState as choosing a mask reads."""
    stream = SimpleNamespace(scoring_batches=lambda megabatch: batches(model))
    free = Flops(0, 1, dict.fromkeys(masks, 0), dict.fromkeys(masks, 0), 0)  # what it costs is counted elsewhere
    values = {"model": cut(model, masks), "masks": masks, "stream": stream, "dtype": torch.float32, "flops": free}
    values |= {"kept_by_layer": lambda: selection.count(masks), "shares": lambda: compute.shares(masks)}
    return SimpleNamespace(config=RunConfig(**settings), goal=lambda density: density, costs=lambda: None, **values)


def mlp_gradients(model: nn.Module, weights: dict[str, np.ndarray], data: list[Batch]) -> dict[str, np.ndarray]:
    """dL/dw of the mlp summed over batches, by backpropagation written out image by image."""
    layers = names(model)
    biases = [model.get_parameter(name.replace("weight", "bias")).detach().numpy() for name in layers]
    total = {name: np.zeros_like(weights[name]) for name in layers}
    for x, y in data:
        for image, label in zip(x.flatten(1).numpy(), y.tolist(), strict=True):
            inputs, outputs = [image], []
            for depth, name in enumerate(layers):
                outputs.append(weights[name] @ inputs[-1] + biases[depth])
                inputs.append(np.maximum(outputs[-1], 0.0))
            delta = np.exp(outputs[-1] - outputs[-1].max())
            delta = delta / delta.sum()
            delta[label] -= 1.0
            for depth in reversed(range(len(layers))):
                total[layers[depth]] += np.outer(delta, inputs[depth]) / len(y)
                if depth:
                    delta = (weights[layers[depth]].T @ delta) * (outputs[depth - 1] > 0)
    return total


def mlp_forward(model: nn.Module, weights: tuple[Tensor, ...], x: Tensor) -> Tensor:
    biases = [model.get_parameter(f"{layer}.bias").detach() for layer in (1, 3, 5)]
    x = linear(x.flatten(1), weights[0], biases[0]).relu()
    return linear(linear(x, weights[1], biases[1]).relu(), weights[2], biases[2])


def first_of_each_class(data: list, count: int) -> list:
    """The images GraSP scores with, in pieces of at most the batch size, by counting."""
    seen, images = dict.fromkeys(range(CLASSES), 0), []
    for x, y in data:
        for image, label in zip(x, y.tolist(), strict=True):
            if seen[label] < count:
                seen[label] += 1
                images.append((image, label))
    pieces = -(-len(images) // max(len(y) for _, y in data))
    parts = np.array_split(np.arange(len(images)), pieces)
    return [(torch.stack([images[i][0] for i in part]), torch.tensor([images[i][1] for i in part])) for part in parts]


def lamp_by_loops(weight: np.ndarray) -> np.ndarray:
    flat = weight.reshape(-1)
    scores = [w * w / sum(v * v for v in flat if abs(v) >= abs(w)) if w else 0.0 for w in flat]
    return np.array(scores).reshape(weight.shape)


def kept_by_sorting(scores: list[np.ndarray], keep: int, eligible: list[np.ndarray], quotas: list[int] | None = None) -> list[np.ndarray]:
    """Masks of the highest eligible scores, the earlier first among equals, over all layers or by quota."""
    entries = [(-float(score), layer, place) for layer, part in enumerate(scores) for place, score in enumerate(part.reshape(-1))]
    entries = sorted(entry for entry in entries if eligible[entry[1]].reshape(-1)[entry[2]])
    kept = [np.zeros(part.size, dtype=bool) for part in scores]
    for layer, part in enumerate(kept):
        chosen = entries[:keep] if quotas is None else [entry for entry in entries if entry[1] == layer][: quotas[layer]]
        part[[place for _, of, place in chosen if of == layer]] = True
    return [part.reshape(score.shape) for part, score in zip(kept, scores, strict=True)]


def quotas_by_fractions(weights: list[int], keep: int, caps: list[int]) -> list[int]:
    """Shares of `keep` in proportion to `weights`, what is over a cap handed on; rounded by largest remainder."""
    keep = min(keep, sum(caps))
    shares = [Fraction(cap) for cap in caps]
    free = set(range(len(caps)))
    while free:
        left = keep - sum(caps[i] for i in range(len(caps)) if i not in free)
        shares = [Fraction(left * weights[i], sum(weights[j] for j in free)) if i in free else Fraction(caps[i]) for i in range(len(caps))]
        full = {i for i in free if shares[i] > caps[i]}
        if not full:
            break
        free -= full
    taken = [share.numerator // share.denominator for share in shares]
    for i in sorted(range(len(caps)), key=lambda i: taken[i] - shares[i])[: keep - sum(taken)]:
        taken[i] += 1
    return taken
