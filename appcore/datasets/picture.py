"""From an image file to an array: which files are accepted, and how orientation, depth, transparency, size and colour are unified."""

from __future__ import annotations

import logging
import re
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any, Protocol, cast

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError, WebPImagePlugin

from ..errors import InputError
from ..untrusted.member import Member
from ..untrusted.refusals import refuse, shown

WEBP = WebPImagePlugin.WebPImageFile.format  # named by its class: Pillow does not register it by default
FORMATS = ("JPEG", "PNG", "BMP", "GIF", WEBP, "TIFF")
MAX_PIXELS = 50_000_000
Range = tuple[float, float]  # the values of deep images that become 0 and 255
FULL_RANGE: Range = (0.0, 65_535.0)
_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}
_WIDE = re.compile(r"((?:RGBA?|RGBX);16)([BLN])|LA;16B")  # two bytes for each of several channels, of which Pillow keeps the higher one
_TRANSPARENT_STEPS = {"L;2": 85, "L;4": 17}  # from a grey of 2 or 4 bits, in which a PNG names the transparent one, to 8 bits
_WHOLE_BYTES = 2**16  # up to this size reading a whole file is faster than reading its header in pieces
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PNG, _REMARKS = b"\x89PNG\r\n\x1a\n", (b"eXIf", b"iTXt", b"tEXt", b"zTXt")
_WHITE_IS_ZERO, _UNSIGNED = 0, (1,)  # of a TIFF: values of the tags PhotometricInterpretation and SampleFormat
_FREE_READS, _BYTES_PER_READ = 10_000, 1_000  # encoders write parts of some kilobytes, and each takes three reads

# Pillow warns on stderr from 89 million pixels on; here more than MAX_PIXELS is refused, in one line. A damaged EXIF block is worth none.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its remarks on a file that is refused anyway go to stderr


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
def picture(tree: Tree, member: Member, *, whole: bool) -> Iterator[ImageFile.ImageFile]:
    """The image of a member, its header read (`whole`: about to be decoded); errors inside the block name the file in one line."""
    try:
        with BytesIO(tree.read(member)) if whole or member.size <= _WHOLE_BYTES else tree.open(member) as file:
            image = Image.open(cast(IO[bytes], _Counted(file, _FREE_READS + member.size // _BYTES_PER_READ)), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            if image.format == "TIFF" and any(tile[0] != "raw" for tile in image.tile):
                # Left to libtiff, which writes what it thinks of a damaged file to the standard error of the process.
                raise ValueError("a TIFF with compression; save it without, or as PNG")
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
        return "not a PNG, JPEG, BMP, GIF, WebP or TIFF file"
    return shown(error) or type(error).__name__


# ---- what the header tells


def is_grey(image: ImageFile.ImageFile) -> bool:
    """Whether the file stores brightness only."""
    return image.mode in _GREY or _layout(image) == "LA;16B"


def is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether the file stores more than 8 bits for each channel. To be asked before the image is decoded."""
    return image.mode[0] in "IF" or _WIDE.fullmatch(_layout(image)) is not None


def upright_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """(width, height) as it is to be looked at."""
    width, height = image.size
    return (height, width) if _orientation(image) >= 5 else (width, height)


def _layout(image: ImageFile.ImageFile) -> str:
    """Pillow's name for the order of channels and bits in the file (raw mode); empty where there is none, as after decoding."""
    arguments: Any = image.tile[0][3] if image.tile else ""
    return str(arguments[0] if isinstance(arguments, (tuple, list)) and arguments else arguments)


def _orientation(image: ImageFile.ImageFile) -> int:
    """How the camera was held, 1 (upright) to 8, by EXIF or XMP."""
    if image.format == "TIFF":
        return 1  # Pillow turns these itself
    if image.format == "PNG" and image.tile and _has_remarks_at_the_end(image):
        file: Any = image.fp
        place = file.tell()
        file.seek(0)
        image = Image.open(file, formats=FORMATS)
        image.load()
        file.seek(place)
    try:
        # Not the image's own method: that of PNG decodes the whole file to see whether EXIF follows. After decoding it is there anyway.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # a damaged block, which says nothing about the picture
        return 1
    return orientation if orientation in _TURNS else 1


def _has_remarks_at_the_end(image: ImageFile.ImageFile) -> bool:
    """Whether anything that may say how the camera was held stands behind the pixels of a PNG, told by the heads of its chunks."""
    file: Any = image.fp
    place, has_pixels = file.tell(), False
    file.seek(len(_PNG))
    try:
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if has_pixels and kind in _REMARKS:
                return True
            if kind == b"IEND":
                break
            has_pixels |= kind == b"IDAT"
            file.seek(length + 4, 1)
        return False
    finally:
        file.seek(place)


# ---- the pixels


def to_array(image: ImageFile.ImageFile, shape: tuple[int, int, int], border: float = 0.0, values: Range = FULL_RANGE) -> np.ndarray:
    """uint8 [C, H, W]: upright, the shorter side scaled and the centre cut out where the size differs, transparency on white.

    `border` is the share of each side that is cut off before, as when 224 pixels are taken from 256 (1/16). `values` of images with more
    than 8 bits become 0 and 255.
    """
    channels, height, width = shape
    if image.size != (width, height):
        side = 2 * max(width, height)
        image.draft(image.mode, (side, side))  # large JPEG files decode at a fraction of their size, never under twice ours
    upright = _eight_bits(image, values)
    if (orientation := _orientation(image)) in _TURNS:
        upright = upright.transpose(_TURNS[orientation])
    if upright.size != (width, height) or border:
        upright = ImageOps.fit(upright, (width, height), method=Image.Resampling.BILINEAR, bleed=border)
    if upright.mode == "RGBA":
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    mode = "L" if channels == 1 else "RGB"
    pixels = np.asarray(upright if upright.mode == mode else upright.convert(mode))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def extent(image: ImageFile.ImageFile) -> Range | None:
    """Smallest and largest value of a deep image where it is not transparent; None for other images, and where there is no such value."""
    if not is_deep(image):
        return None
    samples, opacity = _samples(image)
    seen = samples if opacity is None else samples[opacity > 0]
    if seen.dtype.kind == "f":
        seen = seen[np.isfinite(seen)]
    return (float(seen.min()), float(seen.max())) if seen.size else None


def _eight_bits(image: ImageFile.ImageFile, values: Range) -> Image.Image:
    """The image, decoded, as L, RGB or, where there is transparency, RGBA: the modes that can be scaled."""
    if is_deep(image):
        samples, opacity = _samples(image)
        flat = Image.fromarray(_spread(samples, values))
        if opacity is None:
            return flat
        flat = flat.convert("RGBA")
        flat.putalpha(Image.fromarray(opacity))
        return flat
    step = _TRANSPARENT_STEPS.get(_layout(image), 1)
    image.load()
    if image.has_transparency_data:
        named = image.info.get("transparency")
        if step > 1 and isinstance(named, int) and named <= 255 // step:
            image.info["transparency"] = named * step
        return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    return image if image.mode in {"L", "RGB"} else image.convert("L" if is_grey(image) else "RGB")


def _samples(image: ImageFile.ImageFile) -> tuple[np.ndarray, np.ndarray | None]:
    """All bits of a deep image, [H, W] or [H, W, 3], and its opacity, uint8 [H, W]; None where all is opaque."""
    layout, opacity = _layout(image), None
    if layout == "LA;16B":
        image.tile = _relabelled(image, "RGBA")  # each of the four bytes of a pixel is taken for a channel of its own
        parts = np.asarray(image).astype(np.uint16)
        samples, opacity = parts[..., 0] << 8 | parts[..., 1], parts[..., 2].astype(np.uint8)
    elif wide := _WIDE.fullmatch(layout):
        file: Any = image.fp
        file.seek(0)
        low = Image.open(file, formats=FORMATS)
        low.tile = _relabelled(low, wide[1] + _other_order(wide[2]))  # the same file with its bytes named in the other order
        high_bytes, low_bytes = np.asarray(image), np.asarray(low)
        samples = high_bytes[..., :3].astype(np.uint16) << 8 | low_bytes[..., :3]
        opacity = high_bytes[..., 3] if high_bytes.shape[2] == 4 else None
    else:
        samples = np.asarray(image)
        if image.format == "TIFF":
            samples = _as_tagged(samples, cast(Any, image).tag_v2)
    named = image.info.get("transparency")
    if named is not None:
        is_clear = samples == named if samples.ndim == 2 else (samples == np.array(named)).all(axis=2)
        opacity = np.where(is_clear, 0, 255).astype(np.uint8)
    return samples, opacity


def _as_tagged(samples: np.ndarray, tags: Any) -> np.ndarray:
    """What Pillow leaves out in a deep TIFF: values without a sign, and white as the lowest one."""
    if samples.dtype == np.int32 and tags.get(ExifTags.Base.SampleFormat, _UNSIGNED) == _UNSIGNED:
        samples = samples.view(np.uint32)
    if tags.get(ExifTags.Base.PhotometricInterpretation) != _WHITE_IS_ZERO:
        return samples
    return -samples if samples.dtype.kind == "f" else ~samples


def _relabelled(image: ImageFile.ImageFile, layout: str) -> list[Any]:
    """The image's tiles, to be decoded as if they had this order of channels and bits."""
    tiles: list[Any] = []
    for tile in image.tile:
        arguments = (layout, *tile[3][1:]) if isinstance(tile[3], (tuple, list)) else layout
        tiles.append(type(tile)(*tile[:3], arguments))
    return tiles


def _other_order(order: str) -> str:
    return {"B": "L", "L": "B"}.get(order, "B" if sys.byteorder == "little" else "L")


def _spread(samples: np.ndarray, values: Range) -> np.ndarray:
    """uint8 of the same shape: `values` become 0 and 255, what lies outside is cut off, what is no number is 0."""
    low, high = values
    step = 255.0 / (high - low)
    if samples.dtype.itemsize == 2:  # a table takes a fraction of the memory
        return np.rint((np.arange(65_536) - low) * step).clip(0, 255).astype(np.uint8)[samples]
    return np.rint(np.nan_to_num((samples.astype(np.float64) - low) * step).clip(0, 255)).astype(np.uint8)
