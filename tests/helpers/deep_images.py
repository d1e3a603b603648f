"""Image files of every depth, byte by byte: Pillow writes neither colour of 16 bits nor grey of 2 or 4 bits with a transparent value."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))  # row, column, steps of each


def png(
    samples: np.ndarray, depth: int, *, transparent: Sequence[int] = (), palette: bytes = b"", interlaced: bool = False, late: bytes = b""
) -> bytes:
    """[H, W] grey (or indices into `palette`), [H, W, 2] with alpha, [H, W, 3] colour, [H, W, 4] with alpha. `transparent`: what tRNS
    names, a value for each channel, or the opacity of the first colours of the palette. `late`: EXIF behind the pixels."""
    samples = samples if samples.ndim == 3 else samples[..., None]
    height, width, channels = samples.shape
    kind = 3 if palette else {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    names = bytes(transparent) if palette else struct.pack(f">{len(transparent)}H", *transparent)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    rows = b"".join(b"\0" + _packed(row, depth) for row in (_passes(samples) if interlaced else samples))
    chunks = [(b"IHDR", header), (b"PLTE", palette), (b"tRNS", names), (b"IDAT", zlib.compress(rows)), (b"eXIf", late), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks if body or name == b"IEND")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _packed(row: np.ndarray, depth: int) -> bytes:
    """The samples of a row, [W, C], most significant bit first."""
    if depth >= 8:
        return row.astype(f">u{depth // 8}").tobytes()
    bits = np.unpackbits(row.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
    return np.packbits(bits.reshape(-1)).tobytes()


def _passes(samples: np.ndarray) -> Iterator[np.ndarray]:
    for row, column, rows, columns in _ADAM7:
        part = samples[row::rows, column::columns]
        if part.size:
            yield from part


def tiff(samples: np.ndarray, *, big_endian: bool = False, extra: int | None = None, white_is_zero: bool = False) -> bytes:
    """[H, W] or [H, W, C] of an integer or float type, in one strip. `extra`: what the last channel is (2: opacity)."""
    order = ">" if big_endian else "<"
    samples = samples if samples.ndim == 3 else samples[..., None]
    height, width, channels = samples.shape
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    colours = channels - (extra is not None)
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    tags: dict[int, list[int]] = {
        **{256: [width], 257: [height], 258: [8 * samples.dtype.itemsize] * channels, 259: [1]},
        **{262: [2 if colours == 3 else int(not white_is_zero)], 273: [8], 277: [channels], 278: [height], 279: [len(data)]},
        **({338: [extra]} if extra is not None else {}),
        339: [kind] * channels,
    }
    body = b"\0" * (len(data) % 2) + struct.pack(f"{order}H", len(tags))
    behind, start = b"", 8 + len(data) + len(body) + 12 * len(tags) + 4
    for tag, values in tags.items():
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            behind, packed = behind + packed, struct.pack(f"{order}I", start + len(behind))
        body += struct.pack(f"{order}HHI", tag, 4, len(values)) + packed
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(f"{order}I", 8 + len(data) + len(data) % 2)
    return head + data + body + b"\0\0\0\0" + behind
