"""Orientation, depth and transparency of single files, with the right value of every pixel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from deep_images import png, tiff
from hostile_images import encoded, folder_of, plain, zip_of
from PIL import Image
from small_imagenet import imagenet

from appcore.config import RunConfig
from appcore.datasets import base, images, restricted_imagenet
from appcore.errors import InputError

DRAW = np.random.default_rng(0)


def set_of(path: Path, files: dict[str, bytes]) -> RunConfig:
    """Two classes, each with the files, whose names tell how they end, as training and test images."""
    names = {f"{split}/{label}/{name}": content for split in ("train", "test") for label in "ab" for name, content in files.items()}
    return RunConfig(dataset=f"images:{folder_of(path, names)}")


def loaded(path: Path, files: dict[str, bytes], **settings: object) -> np.ndarray:
    """The pixels of the files, by name: [N, C, H, W]."""
    found = images.load(set_of(path, files).model_copy(update=settings))
    assert np.array_equal(found.train_x, found.test_x)
    return found.train_x[: len(files)]


# ---- orientation

# The file's first row and first column lie on these sides of the picture; see the tag Orientation in the TIFF and EXIF standards.
STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,  # top, left
    2: lambda upright: upright[:, ::-1],  # top, right
    3: lambda upright: upright[::-1, ::-1],  # bottom, right
    4: lambda upright: upright[::-1],  # bottom, left
    5: lambda upright: upright.swapaxes(0, 1),  # left, top
    6: lambda upright: upright[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda upright: upright[::-1].swapaxes(0, 1),  # left, bottom
}
UPRIGHT = DRAW.integers(0, 256, (8, 12, 3)).astype(np.uint8)


def marked(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def turned(kind: str, orientation: int, upright: np.ndarray = UPRIGHT, **options: object) -> bytes:
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    if kind == "TIFF":
        return encoded(stored, kind, tiffinfo={0x0112: orientation}, **options)
    return encoded(stored, kind, exif=marked(orientation), **options)


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})])
def test_every_orientation_is_obeyed(tmp_path: Path, kind: str, options: dict) -> None:
    files = {f"{orientation}.{kind.lower()}": turned(kind, orientation, **options) for orientation in STORED}
    config = set_of(tmp_path, files)
    assert images.describe(config).shape == (3, 8, 12) and images.describe(config).notes == ()  # one size, once all are upright
    assert (loaded(tmp_path, files) == UPRIGHT.transpose(2, 0, 1)).all()


def test_jpegs_are_turned_before_they_are_scaled_and_cut(tmp_path: Path) -> None:
    """Large enough that they are decoded at a part of their size; a white band on top would be cut off if it lay at a side."""
    upright = np.zeros((960, 640, 3), np.uint8)
    upright[:480, :320] = (255, 0, 0)
    upright[480:, 320:] = (0, 0, 255)
    files = {f"{orientation}.jpg": turned("JPEG", orientation, upright, quality=95) for orientation in STORED}
    found = loaded(tmp_path, files, image_size=30).astype(int)
    assert np.abs(found[1:] - found[0]).max() <= 24 and np.abs(found[1:] - found[0]).mean() < 1
    corners = found[0][:, [3, 3, 26, 26], [3, 26, 3, 26]].T
    assert np.abs(corners - [(254, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 254)]).max() <= 3


def test_orientation_in_a_zip_and_as_xmp_and_behind_the_pixels(tmp_path: Path) -> None:
    stored = np.ascontiguousarray(STORED[8](UPRIGHT))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    files = {
        "late.png": png(stored, 8, late=marked(8).tobytes().removeprefix(b"Exif\0\0")),
        "xmp.webp": encoded(Image.fromarray(stored), "WEBP", lossless=True, xmp=xmp),
    }
    names = {f"{split}/{label}/{name}": content for split in ("train", "test") for label in "ab" for name, content in files.items()}
    path = zip_of(
        tmp_path / "turned.zip",
        names | {f"{split}/{label}/z.png": encoded(Image.fromarray(UPRIGHT)) for split in ("train", "test") for label in "ab"},
    )
    found = images.load(RunConfig(dataset=f"images:{path}", image_size=8))
    assert (found.train_x == found.train_x[0]).all()


def test_a_size_is_that_of_the_upright_picture_wherever_it_says_how_it_was_held(tmp_path: Path) -> None:
    large = DRAW.integers(0, 256, (240, 160, 3)).astype(np.uint8)  # a file of more bytes than are read at once
    for name, pixels in (("small", np.ascontiguousarray(STORED[6](UPRIGHT))), ("large", large)):
        content = png(pixels, 8, late=marked(6).tobytes().removeprefix(b"Exif\0\0"))
        assert (len(content) > 2**16) == (name == "large")
        upright = encoded(Image.fromarray(np.ascontiguousarray(pixels.swapaxes(0, 1)[:, ::-1])))
        assert np.array_equal(loaded(tmp_path / name, {"a.png": content}), loaded(tmp_path / f"{name}, upright", {"a.png": upright}))


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_is_none_turns_nothing(tmp_path: Path, orientation: int) -> None:
    files = {"a.png": encoded(Image.fromarray(UPRIGHT), exif=marked(orientation))}
    assert (loaded(tmp_path, files)[0] == UPRIGHT.transpose(2, 0, 1)).all()


def test_a_damaged_exif_block_is_no_reason_to_refuse_a_picture(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = marked(6).tobytes()
    blocks = [b"Exif\0\0", b"Exif\0\0MM", b"Exif\0\0" + b"\xff" * 40, whole[:-3], whole[:14] + b"\xff\xff" + whole[16:]]
    files = {f"{number}.png": encoded(Image.fromarray(UPRIGHT[:, :8]), exif=block) for number, block in enumerate(blocks)}
    assert loaded(tmp_path, files).shape == (5, 3, 8, 8)
    assert capfd.readouterr() == ("", "")


def test_restricted_imagenet_is_turned_too(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "data", train=1)
    upright = np.zeros((60, 40, 3), np.uint8)
    upright[:30] = 255
    (root / "train/n01530575/n01530575_0.JPEG").write_bytes(turned("JPEG", 6, upright, quality=95))
    found = restricted_imagenet.load(RunConfig(dataset="restricted-imagenet", image_size=8)).train_x[0]
    assert found[:, :2].min() > 230 and found[:, -2:].max() < 25


# ---- depth

VALUES = DRAW.integers(0, 256, (8, 8, 3))
VALUES[0, 0], VALUES[0, 1] = 0, 255
GREY = VALUES[..., 0]
RGB = VALUES.transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.png", png(GREY, 16), GREY[None]),
        ("a.png", png(GREY, 16, interlaced=True), GREY[None]),
        ("a.tif", tiff(GREY.astype(np.uint16)), GREY[None]),
        ("a.tif", tiff(GREY.astype(np.uint16), big_endian=True), GREY[None]),
        ("a.tif", tiff(GREY.astype(np.int16)), GREY[None]),
        ("a.tif", tiff(GREY.astype(np.int32)), GREY[None]),
        ("a.tif", tiff(GREY.astype(np.uint32) * 0x01010101), GREY[None]),
        *(("a.tif", tiff(GREY.astype(kind), white_is_zero=True), 255 - GREY[None]) for kind in (np.uint16, np.float32)),
        ("a.tif", tiff(GREY.astype(np.float32) / 255), GREY[None]),
        ("a.tif", tiff(GREY.astype(np.float32) * 1e6 - 1e8), GREY[None]),
        ("a.png", png(VALUES, 16), RGB),
        ("a.png", png(VALUES, 16, interlaced=True), RGB),
        ("a.tif", tiff(VALUES.astype(np.uint16)), RGB),
        ("a.tif", tiff(VALUES.astype(np.uint16), big_endian=True), RGB),
        ("a.png", png(np.dstack([GREY, np.full_like(GREY, 65_535)]), 16), GREY[None]),
        ("a.png", png(np.dstack([VALUES, np.full_like(GREY, 65_535)]), 16), RGB),
        ("a.tif", tiff(np.dstack([VALUES, np.full_like(GREY, 65_535)]).astype(np.uint16), extra=2), RGB),
        ("a.tif", tiff(np.dstack([VALUES, GREY]).astype(np.uint16), extra=0), RGB),
        ("a.png", png(GREY * 257, 16), GREY[None]),
        ("a.png", png(30_000 + 4 * GREY, 16), GREY[None]),
        ("a.png", png(30_000 + 4 * VALUES, 16), RGB),
    ],
)
def test_values_of_more_than_8_bits_are_spread_by_the_sets_own_range(
    tmp_path: Path, name: str, content: bytes, expected: np.ndarray
) -> None:
    assert np.array_equal(loaded(tmp_path, {name: content})[0], expected)
    config = set_of(tmp_path, {name: content})
    assert "from the smallest to the largest of the training images become 0 to 255" in images.describe(config).notes[0]
    assert "Images of more than 8 bits are brought to 8: their values " in images.load(config).notes[0]


def test_one_range_holds_for_the_whole_set_and_is_said(tmp_path: Path) -> None:
    dark, light = (np.full((8, 8), value) for value in (100, 1100))
    light[0, 0] = 700
    files = {"dark.png": png(dark, 16), "light.png": png(light, 16), "usual.png": plain(100, mode="L")}
    found = loaded(tmp_path, files)
    assert found[:, 0, 5, 5].tolist() == [0, 255, 100] and found[1, 0, 0, 0] == 153
    assert images.load(set_of(tmp_path, files)).notes == (
        "Images of more than 8 bits are brought to 8: their values 100 to 1100 become 0 to 255.",
    )


def test_the_range_is_that_of_the_training_images_whichever_a_run_uses(tmp_path: Path) -> None:
    files = {f"train/{label}/{n}.png": png(np.full((4, 4), 200 * n), 16) for label in "ab" for n in range(6)}
    files |= {f"test/{label}/{n}.png": png(np.full((4, 4), 600 * n), 16) for label in "ab" for n in range(3)}
    config = RunConfig(dataset=f"images:{zip_of(tmp_path / 'deep.zip', files)}")
    whole, part = images.load(config), images.load(config, keep=(np.array([3, 4]), np.array([1])))
    assert whole.train_x[:6, 0, 0, 0].tolist() == [51 * n for n in range(6)]
    assert whole.test_x[:3, 0, 0, 0].tolist() == [0, 153, 255]  # 1200 is cut off
    assert np.array_equal(part.train_x, whole.train_x[3:5]) and np.array_equal(part.test_x, whole.test_x[1:2]) and part.notes == whole.notes


def test_a_set_of_one_value_and_what_is_no_number(tmp_path: Path) -> None:
    assert (loaded(tmp_path / "flat", {"a.png": png(np.full((4, 4), 38_655), 16)}) == 150).all()  # nothing to spread: the full range
    holes = np.array([[0.0, 1.0], [np.nan, 0.6], [np.inf, -np.inf]], np.float32)
    assert loaded(tmp_path / "holes", {"a.tif": tiff(holes)})[0, 0].tolist() == [[0, 255], [0, 153], [255, 0]]
    assert (loaded(tmp_path / "none", {"a.tif": tiff(np.full((4, 4), np.nan, np.float32))}) == 0).all()


def test_deep_images_are_scaled_and_turned_as_others(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 4095, 40).astype(int), (40, 1))
    files = {"deep.png": png(ramp, 16), "usual.png": png(np.rint(ramp / 4095 * 255).astype(int), 8)}
    found = loaded(tmp_path, files, image_size=10).astype(int)
    assert np.abs(found[0] - found[1]).max() <= 1


# ---- transparency


HALF = np.full((6, 6), 1)
HALF[:, :3] = 0


@pytest.mark.parametrize(
    ("content", "opaque"),
    [
        *((png(HALF * (2**depth - 1), depth, transparent=[0]), 255) for depth in (1, 2, 4, 8)),
        *((png((1 - HALF) * (2**depth - 1), depth, transparent=[2**depth - 1]), 0) for depth in (1, 2, 4, 8)),
        *((png(HALF * value, 16, transparent=[0]), 117) for value in (30_000,)),
        (png((1 - HALF) * 300 + 7, 16, transparent=[307]), 0),
        (png(np.dstack([HALF * 90] * 3), 8, transparent=[0, 0, 0]), 90),
        (png(np.dstack([HALF * 30_000] * 3), 16, transparent=[0, 0, 0]), 117),
        (png(np.dstack([np.full_like(HALF, 90), HALF * 255]), 8), 90),
        (png(np.dstack([np.full_like(HALF, 30_000), HALF * 65_535]), 16), 117),
        (png(np.dstack([*[np.full_like(HALF, 90)] * 3, HALF * 255]), 8), 90),
        (png(np.dstack([*[np.full_like(HALF, 30_000)] * 3, HALF * 65_535]), 16), 117),
        *((png(HALF, depth, palette=bytes([9, 9, 9, 90, 90, 90]), transparent=[0]), 90) for depth in (1, 2, 4, 8)),
        (png(HALF, 8, palette=bytes([9, 9, 9, 90, 90, 90]), transparent=[0, 255]), 90),
        (tiff(np.dstack([np.full_like(HALF, 90), HALF * 255]).astype(np.uint8), extra=2), 90),
        (tiff(np.dstack([HALF * 90, HALF * 255]).astype(np.uint8), extra=1), 90),
        (tiff(np.dstack([*[np.full_like(HALF, 90)] * 3, HALF * 255]).astype(np.uint8), extra=2), 90),
        (tiff(np.dstack([*[np.full_like(HALF, 30_000)] * 3, HALF * 65_535]).astype(np.uint16), extra=2), 117),
        (encoded(Image.fromarray(np.dstack([*[np.full_like(HALF, 90)] * 3, HALF * 255]).astype(np.uint8)), "WEBP", lossless=True), 90),
        (encoded(Image.fromarray((HALF * 90).astype(np.uint8)), "GIF", transparency=0), 90),
    ],
)  # fmt: skip
def test_what_is_transparent_is_white_at_every_depth(tmp_path: Path, content: bytes, opaque: int) -> None:
    suffix = {b"II": "tif", b"\x89P": "png", b"RI": "webp", b"GI": "gif"}[content[:2]]
    found = loaded(tmp_path, {f"a.{suffix}": content})[0]
    assert (found[:, :, :3] == 255).all() and (found[:, :, 3:] == opaque).all()


def test_half_transparency_is_mixed_with_white_at_both_depths(tmp_path: Path) -> None:
    shades = [(np.full((4, 4), value), np.full((4, 4), alpha), depth) for value, alpha, depth in ((0, 128, 8), (0, 32_896, 16))]
    black = png(np.array([[0, 65_535]] * 2), 16)  # so that the range is the whole one
    for number, (value, alpha, depth) in enumerate(shades):
        for channels in (1, 3):
            files = {"a.png": png(np.dstack([*[value] * channels, alpha]), depth), "b.png": black}
            assert np.abs(loaded(tmp_path / f"{number}{channels}", files, image_size=4)[0].astype(int) - 127).max() <= 1


def test_a_transparent_part_does_not_count_for_the_range(tmp_path: Path) -> None:
    ramp = 1000 + 100 * np.arange(36).reshape(6, 6)
    ramp[:, :3] = 0
    found = loaded(tmp_path, {"a.png": png(ramp, 16, transparent=[0])})[0, 0]
    assert (found[:, :3] == 255).all() and found[0, 3] == 0 and found[5, 5] == 255


# ---- size counts by use


def test_memory_is_refused_for_what_a_run_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 + 10 images of 3 x 8 x 8 bytes; each is held as decoded and padded by 4 pixels, or twice."""
    files = {f"{split}/{label}/{n}.png": plain() for split, count in (("train", 20), ("test", 5)) for label in "ab" for n in range(count)}
    path = zip_of(tmp_path / "images.zip", files)
    each, test = 3 * (8 * 8 + 16 * 16), 2 * 3 * 8 * 8
    for settings, needed in [
        ({}, 40 * each + 10 * test),
        ({"limit_train": 6}, 6 * each + 10 * test),
        ({"limit_train": 6, "limit_test": 3}, 6 * each + 3 * test),
        ({"shots": 2, "limit_test": 3}, 4 * each + 3 * test),
        ({"limit_train": 1000}, 40 * each + 10 * test),
    ]:
        config = RunConfig(dataset=f"images:{path}", **settings)
        for free, is_enough in ((needed, True), (needed - 1, False)):
            monkeypatch.setattr(images.psutil, "virtual_memory", lambda free=free: type("Memory", (), {"available": free})())
            if is_enough:
                assert images.describe(config).train_images == 40
                continue
            with pytest.raises(InputError, match="use fewer images"):
                images.describe(config)


def test_a_large_set_of_which_little_is_used_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = base.Description(25_000, 5_000, (3, 512, 512), ("a", "b"))
    with pytest.raises(InputError, match="25,000 \\+ 5,000 images of this size take"):
        base.check_memory(RunConfig(), found, 8 * 2**30, "use fewer")
    few = RunConfig(limit_train=8, limit_test=4)
    base.check_memory(few, found, 32 * 2**20, "use fewer")
    assert base.used(few, found) == (8, 4) and base.used(RunConfig(shots=3), found) == (6, 5_000)
