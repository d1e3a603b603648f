"""From an image file to an array: which files are accepted, and how size and colour are unified."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any, Protocol, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, WebPImagePlugin

from ..errors import InputError
from ..untrusted.member import Member
from ..untrusted.refusals import refuse, shown

FORMATS = ("JPEG", "PNG", "BMP", "GIF", WebPImagePlugin.WebPImageFile.format)  # named by its class: Pillow does not register it by default
MAX_PIXELS = 50_000_000
_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"}
_WHOLE_BYTES = 2**16  # up to this size reading a whole file is faster than reading its header in pieces
_FREE_READS, _BYTES_PER_READ = 10_000, 1_000  # encoders write parts of some kilobytes, and each takes three reads

# Pillow warns on stderr from 89 million pixels on; here more than MAX_PIXELS is refused, in one line.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class Tree(Protocol):
    """The source that members are read from: a folder, a zip, or a data set's own files."""

    dataset: str

    def open(self, member: Member) -> IO[bytes]: ...
    def read(self, member: Member) -> bytes: ...


class _Counted:
    """A file of which only so many pieces are read: a decoder takes each part by itself, and there may be a million remarks."""

    def __init__(self, file: IO[bytes], most: int):
        self._file, self._left = file, most

    def read(self, size: int = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ValueError("more parts than an image needs")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def picture(tree: Tree, member: Member, *, whole: bool) -> Iterator[Image.Image]:
    """The image of a member, its header read (`whole`: about to be decoded); errors inside the block name the file in one line."""
    try:
        with BytesIO(tree.read(member)) if whole or member.size <= _WHOLE_BYTES else tree.open(member) as file:
            image = Image.open(cast(IO[bytes], _Counted(file, _FREE_READS + member.size // _BYTES_PER_READ)), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except InputError:
        raise
    except Exception as error:  # decoders raise any kind of exception for broken files
        if isinstance(error, OSError) and error.errno:
            raise  # errors of the file system, not of the decoder
        problem = f"{shown(member.name)} cannot be read as an image ({_reason(error)})"
        raise refuse(tree.dataset, f"{problem}; replace it or remove it") from error


def _reason(error: Exception) -> str:
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {MAX_PIXELS:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return "not a PNG, JPEG, BMP, GIF or WebP file"
    return shown(error) or type(error).__name__


def is_grey(image: Image.Image) -> bool:
    """Whether the file stores brightness only; judged from its header."""
    return image.mode in _GREY


def to_array(image: Image.Image, shape: tuple[int, int, int], border: float = 0.0) -> np.ndarray:
    """uint8 [C, H, W]: the shorter side scaled and the centre cut out where the size differs, transparency on white.

    `border` is the share of each side that is cut off before, as when 224 pixels are taken from 256 (1/16).
    """
    channels, height, width = shape
    if image.size != (width, height):
        image.draft(image.mode, (2 * width, 2 * height))  # large JPEG files decode at a fraction of their size, never under twice ours
    image = _eight_bits(image)
    if image.size != (width, height) or border:
        image = ImageOps.fit(image, (width, height), method=Image.Resampling.BILINEAR, bleed=border)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    mode = "L" if channels == 1 else "RGB"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Mode L, RGB or, where there is transparency, RGBA: the modes that can be scaled."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).clip(0, 65_535) >> 8).astype(np.uint8))  # 16 bits; Pillow would cut off at 255
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB"} else image.convert("L" if is_grey(image) else "RGB")
