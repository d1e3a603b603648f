"""The stream: megabatches of images on the device, with replay, splits and augmentation, all drawn by place (see seeds).

Knows nothing of networks. The whole data set lies on the device as uint8, padded once; a batch is a gather.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import plugins, seeds
from .config import InputError, RunConfig
from .datasets.base import data_root
from .plan import part_sizes, split_sizes

EVALUATION_BATCH = 512  # larger batches are no faster on the machines measured, and cost memory


@dataclass(frozen=True, eq=False)
class Data:
    """A data set on a device: images uint8 [N, H + 2p, W + 2p, C] (p = crop padding, train only), labels int64 [N]."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    padding: int
    mean: Tensor  # [C], of the training images, in 0..255
    std: Tensor
    classes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return (self.test_x.shape[3], self.test_x.shape[1], self.test_x.shape[2])


_loaded: weakref.WeakValueDictionary[tuple, Data] = weakref.WeakValueDictionary()
_loading = threading.Lock()


def load_data(config: RunConfig, device: torch.device) -> Data:
    """The data set of a run on its device; runs that are alive together share one copy."""
    fields = (config.dataset, config.image_size, config.limit_train, config.limit_test, config.crop_padding)
    key = (*fields, str(device), str(data_root().resolve()))
    with _loading:
        data = _loaded.get(key)
        if data is None:
            data = _loaded[key] = _load(config, device)
    return data


def _load(config: RunConfig, device: torch.device) -> Data:
    images = plugins.load("datasets", config.dataset).load(config)
    train_x, train_y = _limited(images.train_x, images.train_y, config.limit_train, "limit_train")
    test_x, test_y = _limited(images.test_x, images.test_y, config.limit_test, "limit_test")
    mean, std = _moments(train_x)
    p = config.crop_padding
    shape = (len(train_x), train_x.shape[2] + 2 * p, train_x.shape[3] + 2 * p, train_x.shape[1])
    padded = np.zeros(shape, dtype=np.uint8)
    padded[:, p : shape[1] - p, p : shape[2] - p] = train_x.transpose(0, 2, 3, 1)
    return Data(
        train_x=torch.from_numpy(padded).to(device),
        train_y=torch.from_numpy(train_y).to(device),
        test_x=torch.from_numpy(np.ascontiguousarray(test_x.transpose(0, 2, 3, 1))).to(device),
        test_y=torch.from_numpy(test_y).to(device),
        padding=p,
        mean=mean.to(device),
        std=std.to(device),
        classes=images.classes,
        notes=images.notes,
    )


def _limited(x: np.ndarray, y: np.ndarray, limit: int, purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """A random subset, the same for every seed, in native order."""
    if not limit or limit >= len(x):
        return x, y
    chosen = torch.randperm(len(x), generator=seeds.generator(0, purpose))[:limit].sort().values.numpy()
    return x[chosen], y[chosen]


def _moments(x: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel, exactly, from histograms of the 256 values."""
    value = np.arange(256, dtype=np.float64)
    mean, std = [], []
    for channel in range(x.shape[1]):
        # A histogram needs no float copy of the images.
        share = np.bincount(x[:, channel].reshape(-1), minlength=256) / x[:, channel].size
        mean.append(float(share @ value))
        std.append(max(float(np.sqrt(share @ (value - mean[-1]) ** 2)), 1.0))
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)


class Stream:
    """T megabatches after one seeded permutation, each split once into train and validation images."""

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
        for t, part in enumerate(order.split(part_sizes(total, config.megabatches))):
            shuffled = part[torch.randperm(len(part), generator=seeds.generator(config.seed, "split", t))]
            kept = split_sizes(len(part), config.val_fraction)[0]
            self.train.append(shuffled[:kept])
            self.val.append(shuffled[kept:])
        # One priority per image: the replay buffer holds the lowest ones seen so far. That is a uniform sample which changes
        # like a reservoir, with no state to save.
        self._priority = torch.rand(total, generator=seeds.generator(config.seed, "buffer"))

    def train_indices(self, megabatch: int) -> Tensor:
        """Training images of the replay-inclusive megabatch."""
        return self._with_replay(self.train, megabatch, split_sizes(self.config.buffer_size, self.config.val_fraction)[0])

    def val_indices(self, megabatch: int) -> Tensor:
        """Validation images, under the same replay rule; never trained on."""
        return self._with_replay(self.val, megabatch, split_sizes(self.config.buffer_size, self.config.val_fraction)[1])

    def _with_replay(self, parts: list[Tensor], megabatch: int, held: int) -> Tensor:
        now = parts[megabatch]
        if self.config.replay == "none" or megabatch == 0:
            return now
        if self.config.replay == "one":
            return torch.cat([parts[megabatch - 1], now])
        past = torch.cat(parts[:megabatch])
        if self.config.replay == "buffer":
            past = past[self._priority[past].argsort(stable=True)[:held]]
        return torch.cat([past, now])

    def scoring_indices(self, megabatch: int) -> Tensor:
        """pi_t: score_fraction x |M_t| images drawn from the replay-inclusive megabatch's training images."""
        pool = self.train_indices(megabatch)
        part = len(self.train[megabatch]) + len(self.val[megabatch])
        wanted = min(len(pool), max(2, round(self.config.score_fraction * part)))
        return pool[torch.randperm(len(pool), generator=seeds.generator(self.config.seed, "scoring", megabatch))[:wanted]]

    def scoring_batches(self, megabatch: int) -> list[tuple[Tensor, Tensor]]:
        """The scoring set in batches, not augmented."""
        indices = self.scoring_indices(megabatch)
        return [self.clean_batch(indices[a:b]) for a, b in batches(len(indices), self.config.score_batch_size)]

    def epoch(self, megabatch: int, epoch: int) -> Epoch:
        """Order and augmentation of one epoch."""
        pool = self.train_indices(megabatch)
        place = (self.config.seed, megabatch, epoch)
        order = pool[torch.randperm(len(pool), generator=seeds.generator(place[0], "order", *place[1:]))]
        draw = seeds.generator(place[0], "augment", *place[1:])
        p = self.data.padding
        offsets = torch.randint(0, 2 * p + 1, (len(order), 2), generator=draw)
        flips = torch.rand(len(order), generator=draw) < 0.5 if self.config.flip else torch.zeros(len(order), dtype=torch.bool)
        return Epoch(self.data, order, offsets, flips)

    def clean_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Training-set images as they are: for scoring and validation."""
        indices = indices.to(self.data.train_x.device)
        p, (_, height, width) = self.data.padding, self.data.shape
        x = self.data.train_x[indices, p : p + height, p : p + width]
        return normalised(x, self.data), self.data.train_y[indices]

    def validation(self, megabatch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Clean batches of the validation images."""
        indices = self.val_indices(megabatch)
        return (self.clean_batch(indices[a : a + EVALUATION_BATCH]) for a in range(0, len(indices), EVALUATION_BATCH))

    def test(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Clean batches of the test images."""
        for a in range(0, len(self.data.test_x), EVALUATION_BATCH):
            yield normalised(self.data.test_x[a : a + EVALUATION_BATCH], self.data), self.data.test_y[a : a + EVALUATION_BATCH]

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

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Augmented batches (x [B, C, H, W] float, y [B])."""
        device = self.data.train_x.device
        order, offsets, flips = self.order.to(device), self.offsets.to(device), self.flips.to(device)
        _, height, width = self.data.shape
        rows = torch.arange(height, device=device)
        columns = torch.arange(width, device=device)
        for a, b in batches(len(order), size):
            row = offsets[a:b, :1] + rows  # [B, H]
            column = offsets[a:b, 1:] + torch.where(flips[a:b, None], columns.flip(0), columns)  # [B, W]
            x = self.data.train_x[order[a:b, None, None], row[:, :, None], column[:, None, :]]  # [B, H, W, C]
            yield normalised(x, self.data), self.data.train_y[order[a:b]]

    def chain(self, before: str) -> str:
        """SHA-256 of `before` and everything drawn for this epoch: two runs with equal chains have seen the same images."""
        found = hashlib.sha256(before.encode())
        for drawn in (self.order, self.offsets, self.flips):
            found.update(drawn.numpy().tobytes())
        return found.hexdigest()


def normalised(x: Tensor, data: Data) -> Tensor:
    """uint8 [B, H, W, C] to float32 [B, C, H, W] in channels-last memory, zero mean and unit variance per channel."""
    return ((x.float() - data.mean) / data.std).permute(0, 3, 1, 2)


def batches(total: int, size: int) -> list[tuple[int, int]]:
    """(start, stop) of batches; a lone last image joins the batch before it, since BatchNorm cannot train on one image."""
    bounds = [(a, min(a + size, total)) for a in range(0, total, size)]
    if len(bounds) > 1 and total - bounds[-1][0] == 1:
        bounds[-2:] = [(bounds[-2][0], total)]
    return bounds


def pick_device(wanted: str) -> torch.device:
    """auto, cpu or cuda as a device; InputError when there is none of that kind."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("device: 'cuda' is not available on this machine; choose cpu or auto", "device")
    return torch.device(wanted)
