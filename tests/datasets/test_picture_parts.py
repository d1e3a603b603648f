"""Images that are made of very many parts: refused after little work, and large honest ones are read."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path

import numpy
import pytest
from hostile_images import plain, two_classes, zip_of
from PIL import Image

from appcore.config import build
from appcore.datasets import images
from appcore.errors import InputError

COUNT = 50_000


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(parts: bytes, *, after: bool = False) -> bytes:
    """A PNG with parts before or after its pixels."""
    whole = plain()
    at = whole.rindex(struct.pack(">I", 0) + b"IEND") if after else 33
    return whole[:at] + parts + whole[at:]


def jpeg(marker: bytes) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG")
    return stream.getvalue()[:2] + marker * COUNT + stream.getvalue()[2:]


def gif() -> bytes:
    stream = io.BytesIO()
    Image.new("P", (8, 8)).save(stream, "GIF")
    data = stream.getvalue()
    at = data.index(b"\x2c") if b"\x2c" in data else 13
    return data[:at] + b"\x21\xfe\x01a\x00" * COUNT + data[at:]


MANY = {
    "text": png(chunk(b"tEXt", b"key\0" + b"x" * 40) * COUNT),
    "packed text": png(chunk(b"zTXt", b"key\0\0" + zlib.compress(b"x")) * COUNT),
    "international text": png(chunk(b"iTXt", b"key\0\0\0\0\0x") * COUNT),
    "private chunks": png(chunk(b"prVt") * COUNT),
    "text after the pixels": png(chunk(b"tEXt", b"key\0x") * COUNT, after=True),
    "empty pixels": png(chunk(b"IDAT") * COUNT),
    "comments of a JPEG": jpeg(b"\xff\xfe\x00\x03x"),
    "application data of a JPEG": jpeg(b"\xff\xe5\x00\x03x"),
    "comments of a GIF": gif(),
}


@pytest.mark.parametrize("name", MANY)
def test_fifty_thousand_parts_take_no_longer_than_ten(name: str, tmp_path: Path) -> None:
    path = tmp_path / "images"  # a zip of it would be refused before: it shrinks like a bomb
    for file, content in (two_classes() | {"train/dog/many.png": MANY[name]}).items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_bytes(content)
    begun = time.process_time()
    try:
        images.load(build({"dataset": f"images:{path}", "arch": "mlp"}))
    except InputError as error:
        assert "many.png cannot be read as an image" in error.message
    reads = time.process_time() - begun
    print(f"{name}: {reads:.2f} s")


@pytest.mark.slow
def test_large_honest_images_are_read(tmp_path: Path) -> None:
    noise = numpy.random.default_rng(0).integers(0, 256, (1500, 2000, 3), dtype=numpy.uint8)
    files = {}
    for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP"):
        stream = io.BytesIO()
        Image.fromarray(noise).save(stream, kind)
        files |= {f"{split}/{label}/{kind}.{kind.lower()}": stream.getvalue() for split in ("train", "test") for label in ("a", "b")}
    path = zip_of(tmp_path / "images.zip", files)
    loaded = images.load(build({"dataset": f"images:{path}", "arch": "mlp"}))
    assert len(loaded.train_x) == 10
