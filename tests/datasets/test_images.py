"""images:PATH: what is read, how sizes and colours are made alike, and that hostile or broken input ends in one clear line."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hostile_images import (
    FOLDER_REMEDY,
    IMAGES,
    ZIPS,
    Files,
    encoded,
    folder_of,
    large,
    linked_circle,
    linked_class,
    linked_nowhere,
    linked_out,
    piped,
    plain,
    two_classes,
    zip_of,
)
from PIL import Image

from appcore.config import RunConfig
from appcore.datasets import images
from appcore.engine.data import _read
from appcore.errors import InputError
from appcore.untrusted.member import SPLITS


def config(path: Path | str, **fields: object) -> RunConfig:
    return RunConfig(dataset=f"images:{path}", **fields)


def refusal(path: Path | str, **fields: object) -> str:
    """The one line with which `path` is refused, by describe or else by load, quickly."""
    with pytest.raises(InputError) as caught:
        images.describe(config(path, **fields))
        images.load(config(path, **fields))
    message = caught.value.message
    assert caught.value.field == "dataset"
    assert message.startswith("dataset: images:")
    assert message.isprintable() and len(message) < 400
    return message


# What is read


def both(tmp_path: Path, files: Files) -> list[Path]:
    return [folder_of(tmp_path / "folder", files), zip_of(tmp_path / "images.zip", files)]


def test_folder_and_zip_give_the_same_arrays_by_class_then_name(tmp_path: Path) -> None:
    files = two_classes()
    files["train/cat/a.png"] = plain((1, 2, 3))
    for path in both(tmp_path, files):
        description, loaded = images.describe(config(path)), images.load(config(path))
        assert (description.train_images, description.test_images, description.shape) == (4, 2, (3, 8, 8))
        assert description.classes == loaded.classes == ("cat", "dog")
        assert description.notes == loaded.notes == ()
        assert loaded.train_y.tolist() == [0, 0, 1, 1] and loaded.test_y.tolist() == [0, 1]
        assert loaded.train_x[:, :, 0, 0].tolist() == [[1, 2, 3], [255, 0, 0], [0, 0, 255], [0, 0, 255]]
        assert loaded.train_x.dtype == np.uint8 and loaded.train_y.dtype == np.int64


def test_a_single_folder_around_train_and_test_and_desktop_litter_do_not_matter(tmp_path: Path) -> None:
    litter = {"__MACOSX/cats/._a.png": b"x", "cats/.DS_Store": b"x", "cats/train/cat/Thumbs.db": b"x", "cats/train/.hidden/a.png": b"x"}
    files = {f"cats/{name}": content for name, content in two_classes().items()} | litter
    for path in both(tmp_path, files):
        assert images.describe(config(path)).train_images == 4
        assert images.load(config(path)).train_x.shape == (4, 3, 8, 8)


def test_what_lies_beside_is_left_out_and_named(tmp_path: Path) -> None:
    for path in both(tmp_path, two_classes() | {"val/cat/a.png": plain(), "README.txt": b"hello", "train/labels.csv": b"x"}):
        assert images.describe(config(path)).notes == ("Not used: README.txt, train/labels.csv, val.",)


def test_native_order_is_explained(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "images.zip")
    assert "by class" in images.describe(config(path, order="native")).notes[0]
    assert images.describe(config(path)).notes == ()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP"])
def test_formats(tmp_path: Path, kind: str) -> None:
    files = two_classes() | {"train/cat/a.png": encoded(Image.new("RGB", (8, 8), (200, 40, 40)), kind)}
    pixel = images.load(config(zip_of(tmp_path / "images.zip", files))).train_x[0, :, 4, 4].astype(int)
    assert np.abs(pixel - (200, 40, 40)).max() < 12


def test_links_within_the_folder_are_followed(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "folder", two_classes())
    (path / "train" / "cat" / "c.png").symlink_to(path / "train" / "cat" / "a.png")
    assert images.load(config(path)).train_x.shape[0] == 5


# Size


def corners(size: tuple[int, int]) -> bytes:
    """Black, with a white middle third in the longer direction."""
    width, height = size
    image = Image.new("L", size)
    image.paste(255, (width // 3, 0, 2 * width // 3, height) if width > height else (0, height // 3, width, 2 * height // 3))
    return encoded(image.convert("RGB"))


def test_one_size_up_to_64_stays_as_stored(tmp_path: Path) -> None:
    files = {name: plain(size=(64, 20)) for name in two_classes()}
    description = images.describe(config(zip_of(tmp_path / "images.zip", files)))
    assert description.shape == (3, 20, 64) and description.notes == ()


def test_one_larger_size_becomes_64(tmp_path: Path) -> None:
    description = images.describe(config(zip_of(tmp_path / "images.zip", {name: plain(size=(90, 70)) for name in two_classes()})))
    assert description.shape == (3, 64, 64)
    assert description.notes == ("Images of 90 x 70 are brought to 64 x 64 pixels: shorter side scaled, centre kept.",)


def test_mixed_sizes_take_the_median_of_the_shorter_sides(tmp_path: Path) -> None:
    sizes = [(10, 30), (12, 12), (12, 14), (20, 16), (40, 40), (50, 8)]  # shorter sides 8 10 12 12 16 40
    files = {name: plain(size=size) for name, size in zip(two_classes(), sizes)}
    path = zip_of(tmp_path / "images.zip", files)
    description = images.describe(config(path))
    assert description.shape == (3, 12, 12) and "mixed sizes" in description.notes[0]
    assert images.load(config(path)).train_x.shape == (4, 3, 12, 12)


def test_image_size_always_applies(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "images.zip")
    assert images.describe(config(path, image_size=5)).shape == (3, 5, 5)
    assert images.load(config(path, image_size=5)).test_x.shape == (2, 3, 5, 5)
    assert images.load(config(path, image_size=16)).test_x.shape == (2, 3, 16, 16)


@pytest.mark.parametrize("size", [(30, 10), (10, 30), (300, 100)])
def test_the_centre_is_kept(tmp_path: Path, size: tuple[int, int]) -> None:
    loaded = images.load(config(zip_of(tmp_path / "images.zip", two_classes() | {"train/cat/a.png": corners(size)}), image_size=10))
    assert loaded.train_x[0].min() > 200  # of three thirds only the white one is left


def test_large_jpegs_are_scaled_like_small_ones(tmp_path: Path) -> None:
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 800).astype(np.uint8), (800, 1))).convert("RGB")
    files = two_classes() | {"train/cat/a.jpg": encoded(ramp, "JPEG", quality=95), "train/cat/b.png": encoded(ramp)}
    del files["train/cat/a.png"]
    loaded = images.load(config(zip_of(tmp_path / "images.zip", files), image_size=32))
    assert np.abs(loaded.train_x[0].astype(int) - loaded.train_x[1]).max() <= 6


# Colour


def test_grey_files_give_one_channel_and_one_coloured_file_gives_three(tmp_path: Path) -> None:
    grey = {name: plain(100, mode="L") for name in two_classes()}
    sixteen = encoded(Image.fromarray(np.full((8, 8), 150 * 256 + 255, dtype=np.uint16)))
    grey |= {"train/cat/a.png": sixteen, "train/cat/b.png": plain(1, mode="1"), "train/dog/a.png": plain((0, 0), mode="LA")}
    loaded = images.load(config(zip_of(tmp_path / "grey.zip", grey)))
    assert loaded.train_x.shape == (4, 1, 8, 8)
    assert loaded.train_x[:, 0, 0, 0].tolist() == [150, 255, 255, 100]
    mixed = images.load(config(zip_of(tmp_path / "mixed.zip", grey | {"test/dog/a.png": plain("blue")})))
    assert mixed.train_x.shape == (4, 3, 8, 8) and mixed.train_x[3, :, 0, 0].tolist() == [100, 100, 100]


@pytest.mark.parametrize(
    ("content", "pixel"),
    [
        (plain((255, 0, 0, 0), mode="RGBA"), (255, 255, 255)),
        (plain((0, 0, 0, 128), mode="RGBA"), (127, 127, 127)),
        (encoded(Image.new("RGB", (8, 8), "red").quantize(), "PNG", transparency=0), (255, 255, 255)),
        (encoded(Image.new("RGB", (8, 8), (9, 8, 7)).quantize()), (9, 8, 7)),
        (encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), (254, 0, 0)),
    ],
    ids=["clear", "half clear", "clear palette", "palette", "cmyk"],
)
def test_colour_modes_become_rgb_on_white(tmp_path: Path, content: bytes, pixel: tuple[int, int, int]) -> None:
    loaded = images.load(config(zip_of(tmp_path / "images.zip", two_classes() | {"train/cat/a.png": content})))
    assert np.abs(loaded.train_x[0, :, 4, 4].astype(int) - pixel).max() <= 1


def test_the_first_frame_of_an_animation_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("lime", "red")]
    files = two_classes() | {"train/cat/a.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])}
    del files["train/cat/a.png"]
    assert images.load(config(zip_of(tmp_path / "images.zip", files))).train_x[0, :, 0, 0].tolist() == [0, 255, 0]


# A second look


def test_a_changed_file_is_seen_at_once_and_an_unchanged_one_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in both(tmp_path, two_classes()):
        assert images.describe(config(path)).train_images == 4
        with monkeypatch.context() as patch:
            patch.setattr(images, "picture", None)
            assert images.describe(config(path, image_size=5)).shape == (3, 5, 5)
    bigger = two_classes() | {"train/cat/c.png": plain(size=(9, 9))}
    for path in both(tmp_path, bigger):
        assert images.describe(config(path)).train_images == 5


def test_more_memory_than_there_is_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_of(tmp_path / "images.zip")
    monkeypatch.setattr(images.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1000})())
    assert "set a smaller image_size" in refusal(path)


# Bad layouts, as folder and as zip: (files, problem, remedy)
one_class = {name: content for name, content in two_classes().items() if "cat" in name}
LAYOUTS: dict[str, tuple[Files, str, str]] = {
    "no train": ({"test/cat/a.png": plain()}, "no train/ folder", FOLDER_REMEDY),
    "no test": ({"train/cat/a.png": plain()}, "no test/ folder", FOLDER_REMEDY),
    "neither": ({"cat/a.png": plain(), "dog/a.png": plain()}, "holds cat, dog but no train/ folder", FOLDER_REMEDY),
    "one class": (one_class, "only one class (cat)", "give at least two"),
    "missing in test": (one_class | {"train/dog/a.png": plain()}, "dog is in train/ but not in test/", "both need the same classes"),
    "extra in test": (two_classes() | {"test/eel/a.png": plain()}, "class eel is in test/ but not in train/", "both need the same"),
    "empty class": (two_classes() | {"train/eel/": b""}, "train/eel holds no images", "remove the folder"),
    "no classes": ({"train/": b"", "test/cat/a.png": plain()}, "train/ has no class", FOLDER_REMEDY),
    "loose image": (two_classes() | {"train/a.png": plain()}, "train/a.png lies outside a class folder", FOLDER_REMEDY),
    "too deep": (two_classes() | {"train/cat/more/a.png": plain()}, "train/cat/more is a folder inside a class", FOLDER_REMEDY),
    "other format": (two_classes() | {"train/cat/a.xcf": plain()}, "train/cat/a.xcf is none of .png", "convert it or remove it"),
    "text as image": (two_classes() | {"train/cat/a.png": b"hello"}, "train/cat/a.png cannot be read as an image (not a PNG", "replace it"),
    "empty image": (two_classes() | {"test/dog/a.png": b""}, "test/dog/a.png cannot be read as an image (not a PNG", "remove it"),
    "control characters": (two_classes() | {"train/d\nog/a.png": plain()}, "d?og", "rename it"),
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("case", LAYOUTS)
def test_bad_layouts(tmp_path: Path, case: str, kind: str) -> None:
    files, problem, remedy = LAYOUTS[case]
    message = refusal(folder_of(tmp_path / "images", files) if kind == "folder" else zip_of(tmp_path / "images", files))
    assert problem in message and remedy in message


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest undoes the module's own filter
@pytest.mark.parametrize("case", IMAGES)
def test_broken_images_are_named(tmp_path: Path, case: str) -> None:
    message = refusal(zip_of(tmp_path / "images.zip", two_classes() | {"train/dog/broken.png": IMAGES[case]}))
    assert "train/dog/broken.png cannot be read as an image (" in message and "replace it or remove it" in message


@pytest.mark.parametrize("case", ZIPS)
def test_hostile_zips(tmp_path: Path, case: str) -> None:
    make, problem, remedy = ZIPS[case]
    path = make(tmp_path / "images.zip")
    message = refusal(path)
    assert problem in message and remedy in message
    assert sorted(tmp_path.iterdir()) == [path]  # nothing unpacked


def test_many_small_bombs(tmp_path: Path) -> None:
    def change(archive: zipfile.ZipFile) -> None:
        for info in archive.filelist:
            info.file_size = 2**20

    files = two_classes() | {f"train/cat/{number}.bmp": b"x" for number in range(300)}
    message = refusal(zip_of(tmp_path / "images.zip", files, change))
    assert "as in a zip bomb" in message and "use another zip" in message


def test_any_damage_to_a_zip_is_either_harmless_or_one_line(tmp_path: Path) -> None:
    original = zip_of(tmp_path / "original.zip").read_bytes()
    dice = random.Random(0)
    for number in range(150):
        damaged = bytearray(original)
        for _ in range(dice.choice((1, 3, 10))):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        path = tmp_path / f"{number}.zip"
        path.write_bytes(damaged)
        try:
            images.load(config(path))
        except InputError as error:
            assert error.message.isprintable() and error.field == "dataset"


@pytest.mark.parametrize(
    ("harm", "problem", "remedy"),
    [
        (linked_out, "c.png is a link out of the folder", "put the files themselves there"),
        (linked_class, "eel is a link out of the folder", "put the files themselves there"),
        (linked_nowhere, "c.png is a link to nothing", "remove it"),
        (linked_circle, "c.png is a link to nothing", "remove it"),
        (piped, "train/cat/c.png is neither a file nor a folder", "remove it"),
        (large, "train/cat/c.png has 41,943,040 bytes", "shrink it"),
    ],
)
def test_hostile_folders(tmp_path: Path, harm: Callable[[Path], None], problem: str, remedy: str) -> None:
    path = folder_of(tmp_path / "folder", two_classes())
    harm(path)
    message = refusal(path)
    assert problem in message and remedy in message


@pytest.mark.parametrize("path", ["missing", "missing/../../x", "line\nbreak", "~nobody/x", "x" * 5000, "/dev/null", "/dev/zero"])
def test_paths_that_are_nothing(tmp_path: Path, path: str) -> None:
    message = refusal(path if path.startswith(("/", "~")) else f"{tmp_path}/{path}")
    assert any(remedy in message for remedy in ("give the path of", "check the path"))


def test_an_empty_folder_and_a_wrong_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert f"is empty; {FOLDER_REMEDY}" in refusal(tmp_path / "empty")
    assert f"no train/ folder; {FOLDER_REMEDY}" in refusal("/")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_files_without_permission(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "images.zip")
    path.chmod(0)
    assert "check the path and its permissions" in refusal(path)


def test_a_file_system_error_while_reading_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder_of(tmp_path / "folder", two_classes())
    (path / "train" / "cat" / "a.png").chmod(0o644)

    def deny(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied", str(path / "train" / "cat" / "a.png"))

    monkeypatch.setattr("appcore.untrusted.folder.Folder.read", deny)
    message = refusal(path)
    assert "a.png cannot be read (Permission denied)" in message and "check the path and its permissions" in message


@pytest.mark.thorough
def test_memory_stays_low_whatever_is_refused(tmp_path: Path) -> None:
    cases = [ZIPS[case][0](tmp_path / f"{case}.zip") for case in ("bomb", "long list", "many entries", "large member")]
    for case in ("48 million pixels", "60 million pixels", "150 million pixels", "4 billion pixels", "huge webp canvas"):
        cases.append(zip_of(tmp_path / f"{case}.zip", two_classes() | {"train/cat/c.png": IMAGES[case]}))
    program = """
import resource, sys
from appcore.config import InputError, RunConfig
from appcore.datasets import images
from appcore.untrusted.member import SPLITS
from appcore.engine.data import _read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        images.load(RunConfig(dataset=f"images:{path}"))
    except InputError:
        continue
    raise SystemExit(f"{path} was not refused")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program, *map(str, cases)], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no remark of Pillow's beside the one line
    assert int(done.stdout) < 256  # MiB


# The real thing


@pytest.mark.thorough
def test_real_cifar_images(cifar_small: Path) -> None:
    loaded = images.load(config(cifar_small))
    assert loaded.train_x.shape == (5000, 3, 32, 32) and loaded.test_x.shape == (1000, 3, 32, 32)
    assert loaded.classes[0] == "airplane" and loaded.classes[9] == "truck"
    assert np.bincount(loaded.train_y).tolist() == [500] * 10
    assert 100 < loaded.train_x.mean() < 140


def test_only_what_a_run_uses_is_decoded(tmp_path: Path) -> None:
    for path in both(tmp_path, two_classes() | {"train/dog/c.png": plain()[:-30]}):
        train, test = images.labels(config(path))
        assert (train.tolist(), test.tolist()) == ([0, 0, 1, 1, 1], [0, 1])
        few = images.load(config(path), keep=(np.array([1, 2]), slice(None)))
        assert few.train_y.tolist() == [0, 1] and few.test_y.tolist() == [0, 1]
        assert few.train_x[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]
        with pytest.raises(InputError, match=r"train/dog/c\.png cannot be read"):
            images.load(config(path))


def test_a_part_is_the_same_images_and_the_whole_asks_for_no_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder_of(
        tmp_path, {f"{split}/{name}/{shade}.png": plain((shade, 0, 0)) for split in SPLITS for name in "ab" for shade in range(9)}
    )
    few = config(path, limit_train=7, limit_test=5, crop_padding=0)
    part = _read(few)[0]
    monkeypatch.setattr(images, "labels", None)  # nobody may call it
    everything, (train, test) = _read(config(path))
    assert (len(everything.train_x), train, test) == (18, slice(None), slice(None))
    monkeypatch.delattr(images, "labels")  # without it everything is decoded and then chosen from
    whole, (train, test) = _read(few)
    assert np.array_equal(part.train_x, whole.train_x[train]) and np.array_equal(part.test_y, whole.test_y[test])
    assert (len(part.train_x), len(part.test_x)) == (7, 5)
