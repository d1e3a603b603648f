"""The criteria as a library: pruning and asking about any network, outside any run."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from .. import plugins, seeds
from ..config import build
from ..engine import flops
from ..engine.prune_point import Cut, rounds
from ..errors import InputError
from ..masks import selection
from ..masks.alive import alive_masks
from ..masks.shrink import shrunk
from ..pruners.base import ScoringTask
from ..quotas import FLOPS, Costs, by_layer, fitted

Images = Iterable[tuple[Tensor, Tensor]] | tuple[Tensor, Tensor] | None


def prune(
    network: nn.Module,
    images: Images = None,
    *,
    density: float | Mapping[str, float],
    pruner: str = "magnitude",
    scope: str = "global",
    granularity: str = "weight",
    prunable: str = "auto",
    exempt: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    masks: Mapping[str, Tensor] | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Set the weights that a criterion ranks lowest to exactly 0, in place, and return the masks by weight name (bool, True = kept).

    Exactly round(density * n) weights are kept of the n that may be pruned, or as near as whole groups come. A `density` for each layer,
    such as {"conv1": 0.5, "fc": 0.1}, keeps that share of each (above 0), and layers that it leaves out stay as they are. Nothing keeps
    the others at 0 in later training: call `appcore.prune(network, density=..., masks=masks)` again, or hand each mask to
    `torch.nn.utils.prune.custom_from_mask`.

    - `images`: a loader or list of batches (x float [B, C, H, W], y int64 [B]), all of which are scored, or one such batch, as
      the network takes them (normalised). None for criteria that need none (magnitude, LAMP, random).
    - `pruner`, `options`: a criterion of this package or of a plug-in, as in a run: snip, magnitude, grasp, synflow, ...
    - `scope`: "global" ranks over all layers, "layer" and "erk" within each. "flops" ranks over all layers, and `density` is then the share
      of the network's FLOPs that is left: as many weights are kept as cost no more, counted as multiply-adds of convolutions and matrix
      products for `images` of this size.
    - `granularity`: "weight", or what is removed as one, by the sum of its scores: "kernel", "filter" (an output with all its inputs),
      "channel" (an input), a block of outputs x inputs such as "4x4"; "2:4" leaves at most 2 of every 4 inputs, and no more than
      `density`. Of linear layers a filter is a neuron: prunable="hidden" keeps all classes. Only filters save time, after
      `shrink`.
    - `prunable`, `exempt`: which layers, as in a run: "auto" is convolutions, or every layer where there are no two of them; "all", "conv",
      "hidden"; patterns of names that are spared.
    - `masks`: what is pruned already; it stays pruned.
    - `seed`: of criteria that draw lots.

    As in a run, BatchNorm scores with the statistics of the batch, and dropout is off. The network's mode, gradients and statistics stay
    as they are. InputError for whatever a caller can mend.
    """
    scored = _Question(network, images, pruner, scope, granularity, prunable, exempt, options, masks, seed)
    cut = scored.cut(scored.goal(density))
    selection.apply(network, cut.masks)
    return cut.masks


def shrink(network: nn.Module, example: Tensor) -> nn.Module:
    """A really smaller copy of a network, without the channels that pruned filters left constant or unread; in evaluation mode.

    `example`: images [B, C, H, W] as the network takes them, on its device; the copy is for any number of images of this size. In
    evaluation mode both answer alike, which is checked on these and on random images (to 1e-5 of the largest output). What BatchNorm
    makes of a filter of zeros goes into the next layer. Zeros that are no whole filters stay: prune with granularity="filter" first.

    Works for any network that torch.fx can trace. Channels that meet an operation which is not known here stay, such as those of residual
    streams with padded shortcuts, and those of grouped convolutions. InputError with the reason where nothing can be removed.
    """
    return shrunk(network, example)


def what_if(
    network: nn.Module,
    images: Images = None,
    *,
    densities: Sequence[float | Mapping[str, float]],
    pruner: str = "magnitude",
    scope: str = "global",
    granularity: str = "weight",
    prunable: str = "auto",
    exempt: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    masks: Mapping[str, Tensor] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """What `prune` would keep of each layer at each of these densities; the network stays as it is. Arguments are those of `prune`.

    A row for each density and layer: `density` asked for (of the layer, where each has its own), `layer`, `total` weights, `kept`, and
    `alive`: kept ones on some path from input to output for images of this size (missing without images).
    """
    scored = _Question(network, images, pruner, scope, granularity, prunable, exempt, options, masks, seed)
    shape = scored.image_shape
    rows = []
    for goal in map(scored.goal, densities):
        cut = scored.cut(goal)
        asked = goal if isinstance(goal, Mapping) else dict.fromkeys(cut.masks, goal)
        kept = selection.count(cut.masks)
        alive = selection.count(alive_masks(network, cut.masks, shape)) if shape else dict.fromkeys(kept)
        rows += [[asked[name], name, mask.numel(), kept[name], alive[name]] for name, mask in cut.masks.items()]
    return pd.DataFrame(rows, columns=["density", "layer", "total", "kept", "alive"]).astype({"alive": "Int64"})


class _NoImages(list):
    """The batches of a caller who gave none: a criterion that looks at them says so, where zeros would pass for scores."""

    def _missing(self, *_: object) -> Any:
        raise InputError("images: this criterion needs some; give a loader, or one batch (x, y)", "images")

    __iter__ = __len__ = __getitem__ = _missing


class _Question:
    """What a criterion is asked about a network: the scores are computed once, where they do not hinge on the density."""

    def __init__(
        self,
        network: nn.Module,
        images: Images,
        pruner: str,
        scope: str,
        granularity: str,
        prunable: str,
        exempt: Sequence[str],
        options: Mapping[str, Any] | None,
        masks: Mapping[str, Tensor] | None,
        seed: int,
    ):
        config = build(
            {
                "pruner": pruner,
                "scope": scope,
                "granularity": granularity,
                "prunable": prunable,
                "exempt": list(exempt),
                "options": dict(options or {}),
            }
        )
        names = selection.prunable_names(network, prunable, exempt)
        device = network.get_parameter(names[0]).device
        self._network, self._config = network, config
        self._batches = _NoImages() if images is None else [*_batches(images, device)]
        self._masks = _fitting(network, names, masks)
        self._left = sum(selection.count(self._masks).values())
        self._seed = seed
        self._costs = self._counted() if scope == FLOPS else None
        self._cut: Cut | None = None

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the images; None without images, or where they are something else."""
        if isinstance(self._batches, _NoImages) or self._batches[0][0].dim() != 4:
            return None
        channels, height, width = self._batches[0][0].shape[1:]
        return channels, height, width

    def _counted(self) -> Costs:
        """What weights cost for one of the images."""
        if isinstance(self._batches, _NoImages):
            raise InputError("images: scope flops counts for images of one size; give a loader, or one batch (x, y)", "images")
        scratch = copy.deepcopy(self._network).eval()
        return flops.costs(scratch, self._batches[0][0][:1], {name: mask.numel() for name, mask in self._masks.items()})

    def goal(self, given: float | Mapping[str, float]) -> float | dict[str, float]:
        """A density, or one for each weight tensor. InputError for densities that cannot be, and for layers that are not there."""
        if not isinstance(given, Mapping):
            return _checked(given)
        if self._costs:
            raise InputError("density: scope flops chooses how much each layer keeps; give one number, or another scope", "density")
        try:
            return fitted(by_layer(given), list(self._masks), "density")
        except ValueError as error:
            raise error if isinstance(error, InputError) else InputError(f"density: {error}", "density") from None

    def cut(self, density: float | Mapping[str, float]) -> Cut:
        """The weights kept at a density."""
        if self._cut is not None and not hasattr(plugins.load("pruners", self._config.pruner), "ladder"):
            kept = selection.keep_top(self._cut.scores, density, self._config.scope, self._masks, self._config.granularity, self._costs)
            return Cut(self._masks, kept, self._cut.scores, self._masks)
        options = plugins.find("pruners", self._config.pruner).options
        task = ScoringTask(
            model=self._network,
            names=list(self._masks),
            batches=self._batches,
            masks=self._masks,
            generator=seeds.generator(self._seed, "pruner", 0),
            options={name: self._config.option("pruner", name) for name in options},
        )
        asked = rounds(
            task, self._config.pruner, density, self._config.scope, self._masks, self._left,
            granularity=self._config.granularity, costs=self._costs,
        )  # fmt: skip
        while True:
            try:
                next(asked)
            except StopIteration as done:
                self._cut = done.value
                return done.value
            except ValueError as error:
                raise error if isinstance(error, InputError) else InputError(str(error), "network") from error


def _checked(density: float) -> float:
    if not 0 <= density <= 1:
        raise InputError(f"density: {density} is no share of weights kept; give one from 0 to 1, such as 0.1 for 90 % sparsity", "density")
    return float(density)


def _batches(images: Any, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches, on the device of the network."""
    if isinstance(images, tuple) and len(images) == 2 and isinstance(images[0], Tensor):
        images = [images]
    found = False
    for batch in images:
        if not (isinstance(batch, (tuple, list)) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch)):
            raise InputError("images: a batch is a pair of tensors, x float [B, C, H, W] and y int64 [B]", "images")
        x, y = batch
        if not x.is_floating_point() or y.dtype != torch.int64 or len(x) != len(y) or not len(y):
            raise InputError(
                f"images: x is {x.dtype} of {len(x)} and y {y.dtype} of {len(y)}; a batch is x float [B, C, H, W] and y int64 [B]", "images"
            )
        found = True
        yield x.to(device), y.to(device)
    if not found:
        raise InputError("images: there is no batch; give at least one", "images")


def _fitting(network: nn.Module, names: Sequence[str], masks: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    """Masks of all names, on the devices of their weights; those that are not given keep everything."""
    found = selection.full_masks(network, list(names))
    for name, mask in (masks or {}).items():
        if name not in found:
            raise InputError(f"masks: {name!r} is no weight that may be pruned here; there are {', '.join(found)}", "masks")
        if mask.shape != found[name].shape or mask.dtype != torch.bool:
            raise InputError(f"masks: {name} is {mask.dtype} {tuple(mask.shape)}; it must be bool {tuple(found[name].shape)}", "masks")
        found[name] = mask.to(found[name].device)
    return found
