"""Zips as packers of other systems write them: names in any encoding, with any separator, with or without the flags that belong to them."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

UTF8_FLAG = 0x800


class _Entry(zipfile.ZipInfo):
    """An entry with the raw bytes of its name and its flags."""

    __slots__ = ("flags", "raw")

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.raw, self.flags


def packed(path: Path, files: Mapping[bytes, bytes], *, flags: int = 0, unicode_paths: Mapping[bytes, str] | None = None) -> Path:
    """A zip of {raw name: content}; `unicode_paths`: names that are added as Info-ZIP's extra field."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, (raw, content) in enumerate(files.items()):
            entry = _Entry(str(number))
            entry.raw, entry.flags = raw, flags
            if unicode_paths and raw in unicode_paths:
                body = struct.pack("<BL", 1, zlib.crc32(raw)) + unicode_paths[raw].encode()
                entry.extra = struct.pack("<HH", 0x7075, len(body)) + body
            archive.writestr(entry, content)
    return path
