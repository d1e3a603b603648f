"""The stream: megabatches of images on the device, with replay, splits and augmentation; each draw is keyed by its place (see seeds).

Knows nothing of networks. The whole data set lies on the device as uint8, padded once; a batch is a gather.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import seeds
from ..config import RunConfig
from ..planning import class_stream
from ..planning.stream_sizes import CLEAN_TRAIN_IMAGES, batches, budgeted, budgeted_validation, part_sizes, remembered, split_sizes
from .data import Data, load_data, pick_device

__all__ = ["Data", "Epoch", "Stream", "batches", "evaluation_batch", "load_data", "normalised", "pick_device"]


def evaluation_batch(device: torch.device) -> int:
    """Images of an evaluation batch. On CPUs so many that a layer's activations stay near the caches: 512 took 1.3 times (bf16) to
    2 times (fp32) as long for ResNet-20 on 32x32 pixels, and 5 to 14 % less where images are tiny. On GPUs nothing was measured yet."""
    return 128 if device.type == "cpu" else 512


class Stream:
    """T megabatches after one seeded permutation, or of some classes each; each split once into train and validation images."""

    def __init__(self, config: RunConfig, data: Data):
        self.config = config
        self.data = data
        total = len(data.train_x)
        if config.order == "shuffled":
            order = torch.randperm(total, generator=seeds.generator(config.seed, "stream"))
        else:
            order = torch.arange(total)
        self.train: list[Tensor] = []  # image indices (CPU, int64) per megabatch, without replay
        self.val: list[Tensor] = []
        self.classes = class_stream.parts(config, data.classes)  # that each megabatch brings; empty: all
        for t, part in enumerate(self._parts(order)):
            shuffled = part[torch.randperm(len(part), generator=seeds.generator(config.seed, "split", t))]
            kept = split_sizes(len(part), config.val_fraction)[0]
            self.train.append(shuffled[:kept])
            self.val.append(shuffled[kept:])
        # One priority per image: the replay buffer holds the lowest ones seen so far. That is a uniform sample which changes
        # like a reservoir, with no state to save.
        self._priority = torch.rand(total, generator=seeds.generator(config.seed, "buffer"))

    def _parts(self, order: Tensor) -> Sequence[Tensor]:
        """The images that each megabatch brings, in the order of the stream."""
        if not self.classes:
            return order.split(part_sizes(len(order), self.config.megabatches))
        labels = self.data.train_y.cpu()[order]
        return [order[torch.isin(labels, torch.tensor(classes))] for classes in self.classes]

    def train_indices(self, megabatch: int) -> Tensor:
        """Training images of the replay-inclusive megabatch."""
        return self._with_replay(self.train, megabatch, split_sizes(self.config.buffer_size, self.config.val_fraction)[0])

    def val_indices(self, megabatch: int) -> Tensor:
        """Validation images, under the same replay rule and in the same proportion under a budget; never trained on."""
        found = self._with_replay(self.val, megabatch, split_sizes(self.config.buffer_size, self.config.val_fraction)[1])
        wanted = budgeted_validation(self.config, len(found))
        if wanted < len(found):
            found = found[torch.randperm(len(found), generator=seeds.generator(self.config.seed, "validation", megabatch))[:wanted]]
        return found

    def _with_replay(self, parts: list[Tensor], megabatch: int, held: int) -> Tensor:
        now = parts[megabatch]
        if self.config.replay == "none" or megabatch == 0:
            return now
        if self.config.replay == "one":
            return torch.cat([parts[megabatch - 1], now])
        if self.config.replay == "fraction":  # parts lie in random order: their first images are a random, and nested, choice
            past = [parts[t][: remembered(len(parts[t]), megabatch - t, self.config.replay_fraction)] for t in range(megabatch)]
            return torch.cat([*past, now])
        everything = torch.cat(parts[:megabatch])
        if self.config.replay == "buffer":
            everything = everything[self._priority[everything].argsort(stable=True)[:held]]
        return torch.cat([everything, now])

    def scoring_indices(self, megabatch: int) -> Tensor:
        """pi_t: score_fraction x |M_t| images drawn from the replay-inclusive megabatch's training images."""
        pool = self.train_indices(megabatch)
        part = len(self.train[megabatch]) + len(self.val[megabatch])
        wanted = min(len(pool), max(2, round(self.config.score_fraction * part)))
        return pool[torch.randperm(len(pool), generator=seeds.generator(self.config.seed, "scoring", megabatch))[:wanted]]

    def scoring_batches(self, megabatch: int) -> list[tuple[Tensor, Tensor]]:
        """The scoring set in batches, not augmented."""
        indices = self.scoring_indices(megabatch).to(self.data.train_x.device)
        return [self.clean_batch(indices[a:b]) for a, b in batches(len(indices), self.config.score_batch_size)]

    def epoch(self, megabatch: int, epoch: int) -> Epoch:
        """Order and augmentation of one epoch."""
        pool = self.train_indices(megabatch)
        place = (self.config.seed, megabatch, epoch)
        order = pool[torch.randperm(len(pool), generator=seeds.generator(place[0], "order", *place[1:]))]
        order = order[: budgeted(self.config, len(pool))]
        draw = seeds.generator(place[0], "augment", *place[1:])
        p = self.data.padding
        offsets = torch.randint(0, 2 * p + 1, (len(order), 2), generator=draw)
        flips = torch.rand(len(order), generator=draw) < 0.5 if self.config.flip else torch.zeros(len(order), dtype=torch.bool)
        return Epoch(self.data, order, offsets, flips)

    def clean_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Training-set images without augmentation: for scoring and validation."""
        indices = indices.to(self.data.train_x.device)
        p, (_, height, width) = self.data.padding, self.data.shape
        x = self.data.train_x[indices, p : p + height, p : p + width]
        return normalised(x, self.data), self.data.train_y[indices]

    def clean_train_indices(self, megabatch: int) -> Tensor:
        """Those training images of a megabatch, replay included, that clean train accuracy is of: of many a random choice."""
        indices = self.train_indices(megabatch)
        if len(indices) > CLEAN_TRAIN_IMAGES:
            draw = seeds.generator(self.config.seed, "clean-train", megabatch)
            indices = indices[torch.randperm(len(indices), generator=draw)[:CLEAN_TRAIN_IMAGES]]
        return indices

    def validation(self, megabatch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Clean batches of the validation images."""
        return self.clean(self.val_indices(megabatch))

    def clean(self, indices: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Training-set images in batches for evaluation, without augmentation."""
        size, indices = evaluation_batch(self.data.train_x.device), indices.to(self.data.train_x.device)
        return (self.clean_batch(indices[a : a + size]) for a in range(0, len(indices), size))

    def test(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Clean batches of the test images."""
        size = evaluation_batch(self.data.test_x.device)
        for a in range(0, len(self.data.test_x), size):
            yield normalised(self.data.test_x[a : a + size], self.data), self.data.test_y[a : a + size]

    def hashes(self) -> dict[str, str]:
        """SHA-256 of the stream's order (permutation, splits, first epoch of each megabatch) and of all scoring sets."""
        order, scoring = hashlib.sha256(), hashlib.sha256()
        for t in range(self.config.megabatches):
            for indices in (self.train[t], self.val[t], self.epoch(t, 0).order):
                order.update(indices.numpy().tobytes())
            scoring.update(self.scoring_indices(t).numpy().tobytes())
        return {"order": order.hexdigest(), "scoring": scoring.hexdigest()}


@dataclass(frozen=True, eq=False)
class Epoch:
    """One pass over a megabatch: image order [n], crop offsets [n, 2] and flips [n], drawn on the CPU for every device."""

    data: Data
    order: Tensor
    offsets: Tensor
    flips: Tensor

    def batches(self, size: int, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Augmented batches (x [B, C, H, W] float, y [B]), after the first `skip`."""
        device = self.data.train_x.device
        order, offsets, flips = self.order.to(device), self.offsets.to(device), self.flips.to(device)
        _, height, width = self.data.shape
        rows = torch.arange(height, device=device)
        columns = torch.arange(width, device=device)
        for a, b in batches(len(order), size)[skip:]:
            row = offsets[a:b, :1] + rows  # [B, H]
            column = offsets[a:b, 1:] + torch.where(flips[a:b, None], columns.flip(0), columns)  # [B, W]
            x = self.data.train_x[order[a:b, None, None], row[:, :, None], column[:, None, :]]  # [B, H, W, C]
            yield normalised(x, self.data), self.data.train_y[order[a:b]]

    def chain(self, before: str) -> str:
        """SHA-256 of `before` and everything drawn for this epoch: two runs with equal chains have seen the same images in order."""
        found = hashlib.sha256(before.encode())
        for drawn in (self.order, self.offsets, self.flips):
            found.update(drawn.numpy().tobytes())
        return found.hexdigest()


def normalised(x: Tensor, data: Data) -> Tensor:
    """uint8 [B, H, W, C] to float32 [B, C, H, W] in channels-last memory, zero mean and unit variance per channel."""
    return ((x.float() - data.mean) / data.std).permute(0, 3, 1, 2)
