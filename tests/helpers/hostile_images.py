"""Image folders and zips for tests: sound ones, and ones as a stranger may make them."""

from __future__ import annotations

import os
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from deep_images import png, tiff
from PIL import Image

Files = dict[str, bytes]
FOLDER_REMEDY = "lay it out as train/CLASS"


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def plain(colour: object = "red", size: tuple[int, int] = (8, 8), mode: str = "RGB") -> bytes:
    return encoded(Image.new(mode, size, colour))


def two_classes(**more: bytes) -> Files:
    """cat red, dog blue; two training images and one test image of each."""
    files = {}
    for name, colour in (("cat", "red"), ("dog", "blue")):
        files |= {f"train/{name}/b.png": plain(colour), f"train/{name}/a.png": plain(colour), f"test/{name}/a.png": plain(colour)}
    return files | more


def folder_of(path: Path, files: Files) -> Path:
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            target.mkdir(exist_ok=True)
        else:
            target.write_bytes(content)
    return path


def zip_of(path: Path, files: Files | None = None, change: Callable[[zipfile.ZipFile], None] | None = None, **entry: object) -> Path:
    """A deflated zip; `entry` sets attributes of the first entry in the list of contents, `change` may do more."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns about duplicates
        for name, content in (two_classes() if files is None else files).items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
        if change:
            change(archive)
        for name, value in entry.items():
            setattr(archive.filelist[0], name, value)
    return path


# Broken images: (content, problem)
def forged_png(width: int, height: int) -> bytes:
    """A small file that claims to be large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
webp_canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xfe\x3f\0" * 2 + b"ANIM" + struct.pack("<I", 6) + bytes(6)
IMAGES = {
    "truncated png": encoded(noise)[:4000],
    "truncated jpeg": encoded(noise, "JPEG")[:900],
    "truncated bmp": encoded(noise, "BMP")[:4000],
    "truncated gif": encoded(noise, "GIF")[:2000],
    "truncated webp": encoded(noise, "WEBP")[:500],
    "truncated tiff": encoded(noise, "TIFF")[:4000],
    **{
        f"tiff packed by {kind}": encoded(noise, "TIFF", compression=kind)
        for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
    },
    "truncated deep png": png(np.arange(4096).reshape(64, 64) * 16, 16)[:2000],
    "truncated deep colour png": png(np.arange(12288).reshape(64, 64, 3) * 5, 16)[:5000],
    "truncated deep tiff": tiff(np.arange(12288, dtype=np.uint16).reshape(64, 64, 3))[:9000],
    "damaged png": encoded(noise)[:200] + bytes(50) + encoded(noise)[250:],
    "48 million pixels": forged_png(8_000, 6_000),
    "60 million pixels": forged_png(10_000, 6_000),
    "150 million pixels": forged_png(15_000, 10_000),
    "4 billion pixels": forged_png(65_000, 65_000),
    "huge webp canvas": b"RIFF" + struct.pack("<I", len(webp_canvas) + 4) + b"WEBP" + webp_canvas,
}


# Hostile zips: (how to make one, problem, remedy)
def appended(name: str, content: bytes = b"x", **entry: object) -> Callable[[Path], Path]:
    """A good zip with one more entry, its attributes in the list of contents set to `entry`."""

    def change(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
        for key, value in entry.items():
            setattr(info, key, value)

    return lambda path: zip_of(path, change=change)


def overlapping(path: Path) -> Path:
    def change(archive: zipfile.ZipFile) -> None:
        archive.filelist[1].header_offset = archive.filelist[0].header_offset

    return zip_of(path, change=change)


def forged_contents(path: Path, size: int, entry: bytes = b"") -> Path:
    """A zip whose list of contents is `size` bytes long."""
    with path.open("wb") as file:
        file.write(entry * (size // max(len(entry), 1)))
        file.truncate(size)
        file.seek(size)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0))
    return path


def cut(path: Path) -> Path:
    content = zip_of(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def written(content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


def renamed(path: Path) -> Path:
    """The entry's own header names another file than the list of contents does."""
    content = zip_of(path).read_bytes()
    path.write_bytes(content.replace(b"train/cat/b.png", b"train/cat/z.png", 1))
    return path


LINK = (stat.S_IFLNK | 0o777) << 16
OUTSIDE = "could lie outside the archive"
ZIPS: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "empty file": (written(b""), "not a zip that can be read", "create it again or give a folder"),
    "text": (written(b"hello" * 100), "not a zip that can be read", "create it again or give a folder"),
    "cut in half": (cut, "not a zip that can be read", "create it again"),
    "no entries": (lambda path: zip_of(path, {}), "is empty", FOLDER_REMEDY),
    "dot dot": (appended("train/../../evil.png"), OUTSIDE, "make the zip from inside the folder"),
    "leading dot dot": (appended("../evil.png"), OUTSIDE, "make the zip from inside the folder"),
    "absolute": (appended("/etc/evil.png"), OUTSIDE, "make the zip from inside the folder"),
    "backslash dot dot": (appended("train\\..\\..\\evil.png"), OUTSIDE, "make the zip from inside the folder"),
    "backslash at the start": (appended("\\etc\\evil.png"), OUTSIDE, "make the zip from inside the folder"),
    "backslash drive": (appended("C:\\evil.png"), OUTSIDE, "make the zip from inside the folder"),
    "dots and dot dot": (appended("././train/./../../evil.png"), OUTSIDE, "make the zip from inside the folder"),
    "litter that climbs": (appended("__MACOSX/../../._evil.png"), OUTSIDE, "make the zip from inside the folder"),
    "many folders": (appended("a/" * 60 + "evil.png"), "more than 40 folders", "move it up"),
    "drive": (appended("C:/evil.png"), OUTSIDE, "make the zip from inside the folder"),
    "escape sequence": (appended("train/cat/\x1b[31mevil.png"), "control or broken characters", "rename it"),
    "reversed name": (appended("train/cat/\u202egnp.exe.png"), "control or broken characters", "rename it"),
    "link": (appended("train/cat/link.png", b"/etc/passwd", external_attr=LINK), "is a link or a device", "put the file itself there"),
    "pipe": (appended("train/cat/p.png", external_attr=stat.S_IFIFO << 16), "is a link or a device", "put the file itself there"),
    "encrypted": (appended("train/cat/c.png", flag_bits=1), "is encrypted", "without a password"),
    "lzma": (appended("train/cat/c.png", compress_type=zipfile.ZIP_LZMA), "packed in a way that is not read", "stored or deflated"),
    "nested": (appended("train/cat/more.zip", plain()), "is an archive in the archive", "unpack it or leave it out"),
    "nested at the top": (appended("more.tar.gz"), "is an archive in the archive", "unpack it or leave it out"),
    "twice": (appended("train/cat/a.png", plain()), "occurs twice", "create the zip again"),
    "twice in two spellings": (appended(".\\train//cat/./a.png", plain()), "occurs twice", "create the zip again"),
    "overlap": (overlapping, "overlaps another one", "create the zip again"),
    "beyond the end": (appended("train/cat/c.png", compress_size=2**30), "reaches into the list of contents", "create the zip again"),
    "bomb": (appended("train/cat/c.bmp", bytes(20 * 2**20)), "as in a zip bomb", "remove it"),
    "large member": (appended("train/cat/c.bmp", file_size=40 * 2**20), "unpacks to 41,943,040 bytes", "shrink it"),
    "long list": (lambda path: forged_contents(path, 100 * 2**20), "list of contents is too long", "create it again"),
    "many entries": (lambda path: forged_contents(path, 46 * 200_100, b"PK\1\2" + bytes(42)), "more than 200,000 entries", "give a folder"),
    "understated size": (appended("train/cat/c.png", plain(), file_size=20), "c.png cannot be read as an image", "replace it"),
    "two names": (renamed, "train/cat/b.png cannot be read as an image", "replace it or remove it"),
}


# Hostile paths and folders


def linked_out(path: Path) -> None:
    (path / "train" / "cat" / "c.png").symlink_to("/etc/passwd")


def linked_class(path: Path) -> None:
    (path / "train" / "eel").symlink_to("/etc")


def linked_nowhere(path: Path) -> None:
    (path / "train" / "cat" / "c.png").symlink_to(path / "missing.png")


def linked_circle(path: Path) -> None:
    (path / "train" / "cat" / "c.png").symlink_to(path / "train" / "cat" / "c.png")


def piped(path: Path) -> None:
    os.mkfifo(path / "train" / "cat" / "c.png")


def large(path: Path) -> None:
    with (path / "train" / "cat" / "c.png").open("wb") as file:
        file.truncate(40 * 2**20)
