"""A zip from an untrusted source, read entry by entry and never extracted. Knows nothing of images; bundles of runs use it too.

Whatever could lead outside, or exhaust memory or time, is refused from the list of contents before any content is read.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path
from typing import IO

from ..files import ABSENT, UnreadableError
from .member import MAX_MEMBER_BYTES, MAX_MEMBERS, Member
from .names import entry_name, is_litter
from .refusals import UNPRINTABLE, refuse, shown

MAX_DIRECTORY_BYTES = 32 * 2**20  # of the list of contents
MAX_RATIO = 200  # image files hardly shrink in a zip; a flat bitmap may, so files under FREE_BYTES are not checked
FREE_BYTES = 2**20
MAX_FOLDERS = 40  # in one name
NESTED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_DRIVE = re.compile(r"[A-Za-z]:")


class Capped(io.FileIO):
    """A file that refuses huge reads requested by a forged list of contents, before zipfile makes objects of it.

    `file` may be an open descriptor, which stays open. A disk that does not answer is an UnreadableError: zipfile would say "no zip file".
    """

    def __init__(self, file: Path | int, most_members: int = MAX_MEMBERS):
        super().__init__(file, closefd=not isinstance(file, int))
        self._most_members = most_members
        self._most_bytes = max(MAX_DIRECTORY_BYTES * most_members // MAX_MEMBERS, MAX_MEMBER_BYTES)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most_bytes:
            raise zipfile.BadZipFile("its list of contents is too long")
        try:
            data = super().read(size)
        except OSError as error:
            raise UnreadableError(Path(str(self.name)), error) from error
        if len(data) >= 46 * MAX_MEMBERS and data.count(b"PK\1\2") > self._most_members:  # 46: the smallest size of an entry there
            raise zipfile.BadZipFile(f"it has more than {self._most_members:,} entries")
        return data


def opened(path: Path, most_members: int = MAX_MEMBERS) -> Capped:
    """A file to be read as a zip; UnreadableError where it is there and cannot be opened now."""
    try:
        return Capped(path, most_members)
    except ABSENT:
        raise
    except OSError as error:
        raise UnreadableError(path, error) from error


class Zip:
    """A zip whose entries are checked when they are first requested."""

    def __init__(self, dataset: str, path: Path):
        self.dataset = dataset
        facts = path.stat()
        self.token = f"{path.resolve()}\0{facts.st_ino}\0{facts.st_size}\0{facts.st_mtime_ns}"  # changes when the file does
        self._file = Capped(path)

    def listed(self, folder: Member | None = None) -> list[Member]:
        """What lies in a folder (None: at the top), by name and without litter."""
        return self._folders[folder.name if folder else ""]

    def judged(self, member: Member) -> Member:
        """The member; all have been judged together."""
        return member

    def open(self, member: Member) -> IO[bytes]:
        """The member's content as a stream."""
        return self._zip.open(member.source)

    def read(self, member: Member) -> bytes:
        """The member's content; zipfile stops at the declared size, which was capped, and compares the CRC."""
        with self._zip.open(member.source) as file:
            return file.read(member.size + 1)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._file)
        except UnreadableError as error:
            raise refuse(self.dataset, error.message) from error
        except Exception as error:  # zipfile raises half a dozen kinds for a broken file
            raise refuse(self.dataset, f"not a zip that can be read ({shown(error)}); create it again or give a folder") from error

    @cached_property
    def _folders(self) -> dict[str, list[Member]]:
        """The members of each folder, also of folders that have no entry of their own."""
        found: dict[str, dict[str, Member]] = {"": {}}
        for name, info in self._checked(self._zip.infolist()):
            place = ""
            *folders, last = name.split("/")
            for folder in folders:
                inside = f"{place}{folder}/"
                found[place].setdefault(inside, Member(inside, 0, None))
                found.setdefault(inside, {})
                place = inside
            if last:
                found[place][name] = Member(name, info.file_size, info)
        return {place: sorted(members.values(), key=lambda member: member.name) for place, members in found.items()}

    def _checked(self, infos: list[zipfile.ZipInfo]) -> Iterable[tuple[str, zipfile.ZipInfo]]:
        """The entries that are no litter, with their names in plain spelling."""
        kept: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            name = entry_name(info)
            found = outside(name)
            *around, last = name.split("/")
            if not found and (is_litter(last) or any(is_litter(part, is_folder=True) for part in around)):
                continue
            found = found or problem(info, name=name)
            if found:
                raise refuse(self.dataset, f"entry {shown(name)} {found}")
            if name in kept and not name.endswith("/"):
                raise refuse(self.dataset, f"entry {shown(name)} occurs twice; create the zip again, with one name for each image")
            if name:
                kept[name] = info
        found = bomb(kept.values()) or overlap(infos, self._zip.start_dir)
        if found:
            raise refuse(self.dataset, found)
        return kept.items()


def bomb(infos: Collection[zipfile.ZipInfo]) -> str:
    """Why all these entries together unpack to far more than is honest; empty where they do not."""
    total, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    return f"unpacks to {total:,} bytes from {packed:,}, as in a zip bomb; use another zip" if is_bomb(total, packed) else ""


def free_total() -> int:
    """Up to how many bytes together nothing is a bomb."""
    return 256 * FREE_BYTES


def is_bomb(total: int, packed: int) -> bool:
    """Whether `packed` bytes that unpack to `total` are far more than is honest."""
    return total > max(free_total(), MAX_RATIO * packed)


def overlap(infos: list[zipfile.ZipInfo], start_dir: int) -> str:
    """Which entry shares bytes with another or with the list of contents at `start_dir`; empty when none does."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            return f"entry {shown(info.filename)} overlaps another one, as in a zip bomb; create the zip again"
        end = info.header_offset + 30 + len(info.orig_filename) + info.compress_size  # 30: the fixed part before the name
    return "an entry reaches into the list of contents, as in a zip bomb; create the zip again" if end > start_dir else ""


def outside(name: str) -> str:
    """Why a name could lead out of the archive; empty when it cannot."""
    parts = name.removesuffix("/").split("/") if name else []
    if "\\" in name or name.startswith("/") or _DRIVE.match(name) or not {"", ".", ".."}.isdisjoint(parts):
        return "could lie outside the archive (absolute, drive, backslash or ..); make the zip from inside the folder"
    return ""


def problem(
    info: zipfile.ZipInfo, most_bytes: int = MAX_MEMBER_BYTES, *, nested: bool = False, dense: bool = False, name: str | None = None
) -> str:
    """Why an entry of a zip is refused; empty when it is fine. `nested`: archives in the archive are expected. `dense`: single entries may
    shrink as much as they like, since all together are judged by `bomb`. `name`: the spelling to
    judge, where that is not the entry's own."""
    name, kind = info.orig_filename if name is None else name, stat.S_IFMT(info.external_attr >> 16)
    if found := outside(name):
        return found
    if UNPRINTABLE.search(name):
        return "holds control or broken characters in its name; rename it"
    if name.count("/") > MAX_FOLDERS:
        return f"lies in more than {MAX_FOLDERS} folders; move it up"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device; put the file itself there"
    if info.flag_bits & 0x2041:  # encrypted, strongly encrypted, masked
        return "is encrypted; make the zip without a password"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # the others unpack without a limit on memory
        return "is packed in a way that is not read; make the zip with stored or deflated entries (`python -m zipfile -c` does)"
    if name.lower().endswith(NESTED) and not nested:
        return "is an archive in the archive; unpack it or leave it out"
    if info.file_size > most_bytes:
        return f"unpacks to {info.file_size:,} bytes; shrink it to at most {most_bytes:,} or remove it"
    if not dense and info.file_size > max(FREE_BYTES, MAX_RATIO * info.compress_size):
        return f"unpacks to {info.file_size:,} bytes from {info.compress_size:,}, as in a zip bomb; remove it"
    return ""
