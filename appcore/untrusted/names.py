"""Names in folders and zips: litter is recognised, and harmless spellings are unified, before a name is judged."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from unicodedata import normalize

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075  # the extra field of a zip's entry that holds its name in UTF-8
# What desktops, file servers, editors, browsers and notebooks leave behind, beside everything hidden. Names in small letters.
_LITTER = {
    *("__macosx", "icon\r", "icon\uf00d", "network trash folder", "temporary items"),  # macOS
    *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini"),  # Windows
    *("$recycle.bin", "recycler", "system volume information"),
    *("lost+found", "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot"),  # Linux, file servers
    "__pycache__",
}
_EDITOR_LITTER = re.compile(r".*~|~\$.*|#.*#|.*\.(?:bak|swp|swo)", re.IGNORECASE | re.DOTALL)
# Files alone, since a class may have such a name. ~WRL: Microsoft Office; name:stream: streams of NTFS as files; _original: exiftool.
_FILE_LITTER = re.compile(
    r".*\.(?:orig|rej|sw[a-n]|kate-swp|tmp|temp|part|partial|crdownload|ipynb)|~wrl\d+.*|.*\.[a-z]{3,4}_original"
    r"|.*:(?:zone\.identifier|encryptable|afp_\w+|com\.\w[\w.]*)",
    re.IGNORECASE | re.DOTALL,
)


def is_litter(part: str, *, is_folder: bool = False) -> bool:
    """Whether a file or folder of this name is hidden, or made by a desktop, file server, editor, browser or notebook for itself."""
    if part.startswith(".") or part.lower() in _LITTER or _EDITOR_LITTER.fullmatch(part):
        return True
    return not is_folder and _FILE_LITTER.fullmatch(part) is not None


def unified(name: str) -> str:
    """A name with composed letters (NFC): macOS takes "é" apart where others do not, and both are one name to whoever reads it."""
    return normalize("NFC", name)


def entry_name(info: zipfile.ZipInfo) -> str:
    """The path of a zip's entry in its plain spelling: decoded as its packer meant it, NFC, "/" between parts, no empty part and no ".".

    What is left of it, an absolute path or "..", is for the caller to judge. A folder ends with "/"; "" is the top itself.
    """
    name = unified(_decoded(info)).replace("\\", "/")  # backslashes: .NET and PowerShell
    parts = [part for part in name.split("/") if part not in ("", ".")]
    is_folder = bool(parts) and name.endswith(("/", "/."))
    return "/" * name.startswith("/") + "/".join(parts) + "/" * is_folder


def _decoded(info: zipfile.ZipInfo) -> str:
    """Names without the UTF-8 flag are code page 437 by the standard; many packers write UTF-8 all the same, or add an extra field."""
    if info.flag_bits & _UTF8_FLAG:
        return info.orig_filename
    try:
        raw = info.orig_filename.encode("cp437")  # as zipfile decoded it
        return _unicode_path(info.extra, raw) or raw.decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _unicode_path(extra: bytes, raw: bytes) -> str:
    """The name in the extra field, where there is one for these bytes; else empty."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and body[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
            return body[5:].decode("utf-8")
    return ""
