"""The data sets that torchvision reads: downloaded once into the data folder, checked, and used offline from then on.

Files lie where torchvision puts them, so a folder that torchvision filled before can be named as APPCORE_DATA.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import urllib.request
from contextlib import redirect_stdout, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..config import RunConfig
from ..files import UnreadableError
from ..untrusted.refusals import refuse, shown
from .base import Description, Images, data_root
from .torchvision_names import CLASSES, COUNTS, FILES, MEGABYTES, PER_CLASS, SHAPES

CHOICES = {
    "mnist": "MNIST, 28 x 28 grey",
    "fashion-mnist": "Fashion-MNIST, 28 x 28 grey",
    "svhn": "SVHN, house numbers, 32 x 32",
    "cifar10": "CIFAR-10, 32 x 32",
    "cifar100": "CIFAR-100, 32 x 32",
}
RECIPE = {
    "mnist": {"epochs": 5, "crop_padding": 2, "flip": False},
    "fashion-mnist": {"epochs": 10, "crop_padding": 2, "flip": True},
    "svhn": {"epochs": 10, "crop_padding": 2, "flip": False},
    "cifar10": {"megabatches": 8, "epochs": 50, "crop_padding": 4, "flip": True},
    "cifar100": {"megabatches": 8, "epochs": 50, "crop_padding": 4, "flip": True},
}

_one_download = threading.Lock()  # sys.stdout, which belongs to the whole process, is redirected meanwhile


def describe(config: RunConfig) -> Description:
    """Counts, shape and classes as published; no file is needed."""
    name = config.dataset
    notes = () if not _missing(name) else (f"Not on this machine yet: {MEGABYTES[name]} MB are downloaded to {data_root()} at the start.",)
    if reason := _unreadable(name):
        notes = (f"It cannot be used here: {reason}.",)
    return Description(*COUNTS[name], SHAPES[name], CLASSES[name], notes, PER_CLASS[name])


def load(config: RunConfig) -> Images:
    """The images from the data folder, after one download where they are missing."""
    name = config.dataset
    if reason := _unreadable(name):
        raise refuse(name, reason)
    if _missing(name):
        _download(name)
    try:
        (train_x, train_y), (test_x, test_y) = (_read(name, train) for train in (True, False))
    except Exception as error:  # files with other content raise any kind of exception
        if isinstance(error, OSError) and error.errno:  # of the file system, which says nothing of what the files hold
            raise refuse(name, UnreadableError(error.filename or data_root(), error).message) from error
        raise _damaged(name, shown(error) or type(error).__name__) from error
    for x, y, count in ((train_x, train_y, COUNTS[name][0]), (test_x, test_y, COUNTS[name][1])):
        if x.shape != (count, *SHAPES[name]) or y.shape != (count,) or y.min() < 0 or y.max() >= len(CLASSES[name]):
            raise _damaged(name, f"they hold {len(x):,} images of {x.shape[1:]} and {len(y):,} labels")
    return Images(train_x, train_y, test_x, test_y, CLASSES[name])


def _unreadable(name: str) -> str:
    """Why the files of a data set cannot be read in this environment; empty where they can."""
    is_here = name != "svhn" or find_spec("scipy") is not None
    return "" if is_here else "torchvision reads its files with SciPy, which is not installed: pip install scipy"


def _missing(name: str) -> list[str]:
    try:
        return [file for file in FILES[name] if not (data_root() / file).is_file()]
    except OSError as error:  # a folder that may not be entered
        raise refuse(name, UnreadableError(error.filename or data_root(), error).message) from error


def _damaged(name: str, reason: str) -> Exception:
    where = (data_root() / FILES[name][0]).parent.absolute()
    return refuse(name, f"the files in {shown(where)} are damaged or of another kind ({reason}); delete them to have them downloaded again")


def _class(name: str) -> Any:
    from torchvision import datasets

    if name not in {"mnist", "fashion-mnist"}:
        return {"svhn": datasets.SVHN, "cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    base = datasets.MNIST if name == "mnist" else datasets.FashionMNIST
    # torchvision would prefer processed/training.pt, a pickle without a checksum; the folder is named after the class.
    return type(base.__name__, (base,), {"_check_legacy_exist": lambda self: False})


def _open(name: str, root: Path, train: bool, download: bool) -> Any:
    split = {"split": "train" if train else "test"} if name == "svhn" else {"train": train}
    return _class(name)(root, download=download, **split)


def _read(name: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [N, C, H, W] and int64 [N]; CIFAR and SVHN files are compared with torchvision's checksums before they are parsed."""
    data = _open(name, data_root(), train, download=False)
    x = np.asarray(data.data)
    if name in {"mnist", "fashion-mnist"}:
        x = x[:, None]
    elif name != "svhn":
        x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x), np.asarray(data.labels if name == "svhn" else data.targets, dtype=np.int64)


def _download(name: str) -> None:
    """Fetch into a temporary folder beside the others, then move the files into place: all or nothing, and stdout stays clean."""
    root = data_root()
    with _one_download:
        if not _missing(name):  # another thread was first
            return
        with redirect_stdout(sys.stderr):
            try:
                _check_network(name)
                new_folders = [folder for folder in (root, *root.parents) if not folder.exists()]
                root.mkdir(parents=True, exist_ok=True)
                try:
                    _fetch(name, root)
                finally:
                    with suppress(OSError):
                        for folder in new_folders:
                            folder.rmdir()  # only if nothing came
            except Exception as error:
                raise _unavailable(name, error) from error


def _check_network(name: str) -> None:
    """Fail within seconds where there is no network; a plain download may wait for minutes."""
    kind = _class(name)
    if name == "svhn":
        urls = [kind.split_list["train"][0]]
    else:
        urls = [f"{mirror}{kind.resources[0][0]}" for mirror in kind.mirrors] if hasattr(kind, "mirrors") else [kind.url]
    for position, url in enumerate(urls, 1):
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=5).close()
            return
        except OSError:
            if position == len(urls):
                raise


def _fetch(name: str, root: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix=".download-", dir=root))
    try:
        for train in (True, False):
            _open(name, folder, train, download=True)
        for file in FILES[name]:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).replace(root / file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unavailable(name: str, error: Exception) -> Exception:
    folder = (data_root() / FILES[name][0]).parent.absolute()
    files = ", ".join(Path(file).name for file in FILES[name])
    reason = shown(getattr(error, "reason", None) or error, 80) or type(error).__name__
    return refuse(
        name,
        f"not on this machine and the download failed ({reason}); put {files} into {shown(folder)} or set APPCORE_DATA, "
        "or choose digits or images:PATH, which need no network",
    )
