"""Data sets on a device: read once, reduced to the images that a run uses, padded, and shared by all runs in memory."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .. import plugins, seeds
from ..config import RunConfig
from ..datasets.base import Images, data_root
from ..datasets.torchvision_names import FILES
from ..errors import InputError
from ..locks import Locks
from ..planning import class_stream
from .digests import digest_of_data

_Choice = np.ndarray | slice  # which images of an array
_ALL = slice(None)


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
    digest: str = ""  # of images, labels and class names as they were read

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return (self.test_x.shape[3], self.test_x.shape[1], self.test_x.shape[2])

    @cached_property
    def test_labels(self) -> list[int]:
        """The labels of the test images on the host, read once."""
        return self.test_y.tolist()


_loaded: weakref.WeakValueDictionary[tuple, Data] = weakref.WeakValueDictionary()
_loading = Locks()


def load_data(config: RunConfig, device: torch.device) -> Data:
    """The data set of a run on its device; all runs in memory that use the same images share one copy, unless its files were changed."""
    module = plugins.load("datasets", config.dataset)
    state = module.state(config) if hasattr(module, "state") else ""
    fields = (config.dataset, config.split, config.image_size, config.limit_train, config.limit_test, config.crop_padding, config.shots)
    seed = config.images_seed if config.is_subset else 0
    key = (*fields, bool(config.classes_per_megabatch), seed, str(device), str(data_root().resolve()), state)
    with _loading.of(key):
        data = _loaded.get(key)
        if data is None:
            data = _loaded[key] = _load(config, device)
    return data


def _load(config: RunConfig, device: torch.device) -> Data:
    images, (train, test) = _read(config)
    train_x, train_y = images.train_x[train], images.train_y[train]
    test_x, test_y = images.test_x[test], images.test_y[test]
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
        digest=digest_of_data((train_x, train_y, test_x, test_y), images.classes),
    )


def _read(config: RunConfig) -> tuple[Images, tuple[_Choice, _Choice]]:
    """The images and labels that a run uses; where a data set knows its labels beforehand, no other image is decoded."""
    module = plugins.load("datasets", config.dataset)
    if not (config.is_subset and hasattr(module, "labels")):  # labels go through the whole list of files once more
        images = module.load(config)
        return images, _chosen(config, images.train_y, images.test_y, images.classes)
    train_y, test_y = module.labels(config)
    keep = _chosen(config, train_y, test_y, module.describe(config).classes)
    return module.load(config, keep=keep), (_ALL, _ALL)


def _chosen(config: RunConfig, train_y: np.ndarray, test_y: np.ndarray, classes: tuple[str, ...]) -> tuple[_Choice, _Choice]:
    """Which training and test images a run uses, in the data set's own order: drawn by the seed alone, so the same for every method.

    Test images too: of one subset for all seeds the error would be in every mean and in no interval. Where classes arrive one after
    another, limit_train leaves each its share, so that a plan knows how many images a megabatch brings.
    """
    seed = config.images_seed
    if config.shots:
        train: _Choice = _few(train_y, config.shots, classes, seed)
    elif config.classes_per_megabatch and config.limit_train:
        per_class = np.bincount(train_y, minlength=len(classes)).tolist()
        train = _of_each(train_y, class_stream.drawn(config, per_class), "limit_train", seed)
    else:
        train = _limited(len(train_y), config.limit_train, "limit_train", seed)
    return train, _limited(len(test_y), config.limit_test, "limit_test", seed)


def _limited(total: int, limit: int, purpose: str, seed: int) -> _Choice:
    if not limit or limit >= total:
        return _ALL
    return torch.randperm(total, generator=seeds.generator(seed, purpose))[:limit].sort().values.numpy()


def _few(y: np.ndarray, shots: int, classes: tuple[str, ...], seed: int) -> np.ndarray:
    """`shots` random images of each class; InputError where a class has fewer."""
    counts = np.bincount(y, minlength=len(classes))
    if counts.min() < shots:
        name = classes[int(counts.argmin())]
        raise InputError(f"shots: {shots} per class, but class {name!r} has {counts.min()} training images; choose at most that", "shots")
    return _of_each(y, [shots] * len(classes), "shots", seed)


def _of_each(y: np.ndarray, wanted: Sequence[int], purpose: str, seed: int) -> np.ndarray:
    """So many random images of each class."""
    order = torch.randperm(len(y), generator=seeds.generator(seed, purpose)).numpy()
    return np.sort(np.concatenate([order[y[order] == label][:count] for label, count in enumerate(wanted)]))


def _moments(x: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel, exactly, from histograms of the 256 values.

    Of the whole stream, as published recipes have it: megabatches that have not come yet take part (docs/FIDELITY.md).
    """
    value = np.arange(256, dtype=np.float64)
    mean, std = [], []
    for channel in range(x.shape[1]):
        # A histogram needs no float copy of the images; in parts, because bincount makes eight bytes of each of theirs.
        parts = (x[start : start + 1000, channel] for start in range(0, len(x), 1000))
        share = sum(np.bincount(part.reshape(-1), minlength=256) for part in parts) / x[:, channel].size
        mean.append(float(share @ value))
        std.append(max(float(np.sqrt(share @ (value - mean[-1]) ** 2)), 1.0))
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)


def pick_device(wanted: str) -> torch.device:
    """The torch device for auto, cpu or cuda; InputError when this machine has none of that kind."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("device: 'cuda' is not available on this machine; choose cpu or auto", "device")
    return torch.device(wanted)


def digest_here(config: RunConfig) -> str | None:
    """The digest of the data that these settings mean now; None where this machine cannot read them. Nothing is downloaded."""
    if not all((data_root() / file).is_file() for file in FILES.get(config.dataset, ())):
        return None
    try:
        return load_data(config, torch.device("cpu")).digest
    except InputError:
        return None
