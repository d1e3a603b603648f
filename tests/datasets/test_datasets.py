"""Every data set keeps the contract; digits are pinned; torchvision's file formats are read from small files of each kind."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_imagenet import imagenet

from appcore import plugins
from appcore.config import RunConfig
from appcore.datasets import base, digits, torchvision_names, torchvision_sets
from appcore.errors import InputError
from appcore.testing.plugin_suites import DatasetSuite
from appcore.untrusted import refusals

TORCHVISION = tuple(torchvision_sets.CHOICES)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", fail)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The data folder of this test, which conftest put into APPCORE_DATA; made by whoever writes there."""
    return tmp_path / "data"


# The contract


def config_of(choice: plugins.Choice, folder: Path) -> RunConfig:
    if choice.name == "restricted-imagenet":
        imagenet(Path(os.environ["APPCORE_DATA"]), train=1)
        return RunConfig(dataset=choice.name, image_size=8)
    if choice.name != "images:":
        return RunConfig(dataset=choice.name)
    for number, name in enumerate(("train/cat/a.png", "train/dog/a.png", "test/cat/a.png", "test/dog/a.png")):
        (folder / name).parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (50 * number, 0, 0)).save(folder / name)
    return RunConfig(dataset=f"images:{folder}")


class TestDatasets(DatasetSuite):
    """Every data set, where its files are here."""

    def settings(self, name: str, folder: Path) -> RunConfig:
        return config_of(plugins.choices("datasets")[name], folder)

    def test_its_images_are_as_described(self, name: str, tmp_path: Path) -> None:
        try:
            super().test_its_images_are_as_described(name, tmp_path)
        except InputError as error:
            assert name in TORCHVISION, error


def test_the_recipe_fills_only_what_was_left_out() -> None:
    assert RunConfig(dataset="digits").epochs == digits.RECIPE["digits"]["epochs"]
    assert RunConfig(dataset="digits", epochs=3).epochs == 3
    assert RunConfig(dataset="mnist").flip is False and RunConfig(dataset="cifar10").flip is True


def test_describing_loads_neither_torch_nor_scikit_learn() -> None:
    program = (
        "import sys; from appcore.config import RunConfig; from appcore import plugins\n"
        "for name in ('digits', 'mnist', 'cifar100'):\n"
        "    config = RunConfig(dataset=name); plugins.load('datasets', name).describe(config)\n"
        "import appcore.datasets.images\n"
        "assert not {'torch', 'torchvision', 'sklearn'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_messages_stay_printable_and_short() -> None:
    error = refusals.refuse("images:" + "x" * 1000 + "\x1b[31m\n", "is bad; mend it")
    assert error.field == "dataset" and error.message.isprintable() and len(error.message) < 200
    assert error.message.startswith("dataset: images:xxx") and error.message.endswith(": is bad; mend it")


def test_images_refuse_nonsense() -> None:
    x, y = np.zeros((2, 1, 4, 4), dtype=np.uint8), np.array([0, 1])
    base.Images(x, y, x, y, ("a", "b"))
    for bad in ((x / 255, y, x, y), (x, y, x[:, :, :2], y), (x, y[:1], x, y), (x, y + 1, x, y), (x, y.astype(np.int32), x, y)):
        with pytest.raises(AssertionError):
            base.Images(*bad, ("a", "b"))


# Digits


def test_digits_are_the_same_for_ever_and_for_every_seed() -> None:
    images = digits.load(RunConfig(dataset="digits"))
    assert np.bincount(images.train_y).tolist() == [142, 146, 141, 147, 144, 146, 145, 143, 139, 144]
    assert np.bincount(images.test_y).tolist() == [36, 36, 36, 36, 37, 36, 36, 36, 35, 36]
    assert images.train_x.max() == 255 and images.train_x.min() == 0
    arrays = (images.train_x, images.train_y, images.test_x, images.test_y)
    assert hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16] == "27cd224f424d0982"
    other = digits.load(RunConfig(dataset="digits", seed=7))
    assert np.array_equal(other.test_x, images.test_x)


# torchvision's formats


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write(path: Path, content: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """All torchvision sets are expected to hold 20 + 10 images."""
    monkeypatch.setattr(torchvision_sets, "COUNTS", dict.fromkeys(TORCHVISION, (20, 10)))


def samples(count: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8), np.arange(count) % 10


def write_idx(root: Path, folder: str) -> None:
    for prefix, count in (("train", 20), ("t10k", 10)):
        x, y = samples(count, 28, 28)
        write(root / folder / "raw" / f"{prefix}-images-idx3-ubyte", idx(x))
        write(root / folder / "raw" / f"{prefix}-labels-idx1-ubyte", idx(y))


def write_cifar(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pickles as published, and their checksums in torchvision's lists."""
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    key = "labels" if name == "cifar10" else "fine_labels"
    folder = root / kind.base_folder
    for listing, count in (("train_list", 20), ("test_list", 10)):
        files = [file for file, _ in getattr(kind, listing)]
        x, y = samples(count, 3072)
        parts = zip(files, np.array_split(x, len(files)), np.array_split(y, len(files)))
        sums = [[file, write(folder / file, pickle.dumps({"data": part, key: labels.tolist()}))] for file, part, labels in parts]
        monkeypatch.setattr(kind, listing, sums)
    meta = {kind.meta["key"]: list(torchvision_names.CLASSES[name])}
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": write(folder / kind.meta["filename"], pickle.dumps(meta))})
    return folder


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat
    from torchvision import datasets

    root.mkdir(parents=True, exist_ok=True)
    listing = {}
    for split, count in (("train", 20), ("test", 10)):
        x, y = samples(count, 32, 32, 3)
        path = root / f"{split}_32x32.mat"
        savemat(path, {"X": x.transpose(1, 2, 3, 0), "y": np.where(y == 0, 10, y)[:, None].astype(np.uint8)})
        listing[split] = ["http://unused", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(datasets.SVHN, "split_list", listing)


def load(name: str) -> base.Images:
    return torchvision_sets.load(RunConfig(dataset=name))


def refusal(name: str) -> str:
    with pytest.raises(InputError) as caught:
        load(name)
    message = caught.value.message
    assert caught.value.field == "dataset" and message.startswith(f"dataset: {name}: ") and message.isprintable()
    return message


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_idx_files(small: None, root: Path, name: str, folder: str) -> None:
    write_idx(root, folder)
    images = load(name)
    x, y = samples(20, 28, 28)
    assert images.train_x.shape == (20, 1, 28, 28) and images.test_x.shape == (10, 1, 28, 28)
    assert np.array_equal(images.train_x[:, 0], x) and images.train_y.tolist() == y.tolist()


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_files(small: None, root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(root, name, monkeypatch)
    images = load(name)
    x, y = samples(20, 3072)
    assert np.array_equal(images.train_x, x.reshape(20, 3, 32, 32)) and images.train_y.tolist() == y.tolist()
    assert images.test_x.shape == (10, 3, 32, 32) and images.classes == torchvision_names.CLASSES[name]


def test_svhn_files(small: None, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(root, monkeypatch)
    images = load("svhn")
    x, y = samples(20, 32, 32, 3)
    assert np.array_equal(images.train_x, x.transpose(0, 3, 1, 2)) and images.train_y.tolist() == y.tolist()


def test_svhn_without_scipy_says_what_is_missing_before_anything_is_downloaded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_sets, "find_spec", lambda name: None)
    monkeypatch.setattr(torchvision_sets, "_download", lambda name: pytest.fail("downloaded"))
    assert "pip install scipy" in refusal("svhn")
    config = RunConfig(dataset="svhn")
    (note,) = torchvision_sets.describe(config).notes
    assert note.startswith("It cannot be used here") and "SciPy" in note


class Evil:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_pickle_with_another_checksum_is_never_unpickled(small: None, root: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    folder = write_cifar(root, "cifar10", monkeypatch)
    (folder / file).write_bytes(pickle.dumps(Evil(root / "trace")))
    message = refusal("cifar10")
    assert str(folder) in message and "damaged" in message and "delete them" in message
    assert not (root / "trace").exists()


def test_an_old_cache_of_torchvision_is_never_unpickled(small: None, root: Path) -> None:
    write_idx(root, "MNIST")
    for file in ("training.pt", "test.pt"):
        write(root / "MNIST" / "processed" / file, pickle.dumps(Evil(root / "trace")))
    assert load("mnist").train_x.shape == (20, 1, 28, 28)
    assert not (root / "trace").exists()


@pytest.mark.parametrize("content", [b"", b"hello" * 100, idx(np.zeros((20, 27, 28))), idx(np.zeros((19, 28, 28)))])
def test_damaged_idx_images(small: None, root: Path, content: bytes) -> None:
    write_idx(root, "MNIST")
    write(root / "MNIST" / "raw" / "train-images-idx3-ubyte", content)
    message = refusal("mnist")
    assert str(root / "MNIST" / "raw") in message and "delete them" in message


def test_labels_out_of_range(small: None, root: Path) -> None:
    write_idx(root, "MNIST")
    write(root / "MNIST" / "raw" / "train-labels-idx1-ubyte", idx(np.full(20, 10)))
    assert "delete them" in refusal("mnist")


# Downloads


@pytest.mark.parametrize("name", TORCHVISION)
def test_without_network_the_line_says_where_files_go_and_what_works_offline(
    name: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(name)
    assert "no network in tests" in message and "digits or images:PATH" in message and "APPCORE_DATA" in message
    first = root / torchvision_names.FILES[name][0]
    assert str(first.parent) in message
    assert all(Path(file).name in message for file in torchvision_names.FILES[name])
    assert not root.exists()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_description_says_that_files_are_missing(name: str, root: Path) -> None:
    assert "downloaded" in torchvision_sets.describe(RunConfig(dataset=name)).notes[0]
    for file in torchvision_names.FILES[name]:
        write(root / file, b"")
    assert torchvision_sets.describe(RunConfig(dataset=name)).notes == ()


def reachable(monkeypatch: pytest.MonkeyPatch, fetch: Callable[[Path], None]) -> None:
    """A network where torchvision's download is `fetch`, which gets the raw folder."""
    monkeypatch.setattr(torchvision_sets, "_check_network", lambda name: None)

    def download(url: str, download_root: str, **_: object) -> None:
        print("Downloading", url)
        fetch(Path(download_root))

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", download)


def test_a_download_moves_into_place_and_prints_nothing_on_stdout(
    small: None, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reachable(monkeypatch, lambda folder: write_idx(folder.parents[1], "MNIST"))
    assert load("mnist").train_x.shape == (20, 1, 28, 28)
    assert [path.name for path in root.iterdir()] == ["MNIST"]
    assert sorted(path.name for path in (root / "MNIST" / "raw").iterdir()) == sorted(torchvision_names._IDX)
    captured = capsys.readouterr()
    assert captured.out == "" and "Downloading" in captured.err


def test_a_broken_download_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(folder: Path) -> None:
        write(folder / "train-images-idx3-ubyte", b"half")
        raise OSError(28, "No space left on device")

    reachable(monkeypatch, fetch)
    assert "No space left on device" in refusal("mnist")
    assert not root.exists()


def test_a_broken_download_spares_what_was_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(folder: Path) -> None:
        raise RuntimeError("File not found or corrupted.")

    reachable(monkeypatch, fetch)
    write(root / "mine.txt", b"x")
    assert "download failed" in refusal("mnist")
    assert [path.name for path in root.iterdir()] == ["mine.txt"]
