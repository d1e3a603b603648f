"""A folder of images on disk, read without following links out of it. Knows nothing of images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from .member import MAX_MEMBER_BYTES, MAX_MEMBERS, SPLITS, Member, is_junk
from .refusals import UNPRINTABLE, refuse, shown


class Folder:
    """Only train/CLASS/ and test/CLASS/ are walked, so that naming a whole disk costs nothing."""

    def __init__(self, dataset: str, path: Path):
        self.dataset = dataset
        self.root = path.resolve()
        self.members = self._members()

    @property
    def token(self) -> str:
        """Changes whenever a file is added, removed or written."""
        digest = hashlib.sha256(os.fsencode(self.root))
        for member in self.members:
            digest.update(f"{member.name}\0{member.size}\0{member.changed}\0".encode(errors="replace"))
        return digest.hexdigest()

    def open(self, member: Member) -> BinaryIO:
        """The member's content as a stream."""
        return Path(member.source).open("rb")

    def read(self, member: Member) -> bytes:
        """The member's content, up to its size when it was listed."""
        with self.open(member) as file:
            return file.read(member.size)

    def close(self) -> None:
        """Nothing is held open between reads."""

    def _members(self) -> list[Member]:
        top = _entries(self.root)
        if len(top) == 1 and top[0].name not in SPLITS and top[0].is_dir():
            self._check_link(top[0])
            top = _entries(Path(top[0].path))  # a single folder around train/ and test/
        found = list(islice(self._walk(top, "", 0), MAX_MEMBERS + 1))
        if len(found) > MAX_MEMBERS:
            raise refuse(self.dataset, f"more than {MAX_MEMBERS:,} files; use a smaller selection")
        return sorted(found, key=lambda member: member.name)

    def _walk(self, entries: list[os.DirEntry[str]], prefix: str, depth: int) -> Iterator[Member]:
        for entry in entries:
            name = prefix + entry.name
            if name.partition("/")[0] not in SPLITS:
                yield Member(f"{name}/" if entry.is_dir() else name, 0, entry.path)
                continue
            self._check_link(entry)
            if UNPRINTABLE.search(name):
                raise refuse(self.dataset, f"the name {shown(name)} holds control or broken characters; rename it")
            if not entry.is_dir():
                yield self._file(entry, name)
                continue
            yield Member(f"{name}/", 0, entry.path)
            if depth < 2:
                yield from self._walk(_entries(Path(entry.path)), f"{name}/", depth + 1)

    def _file(self, entry: os.DirEntry[str], name: str) -> Member:
        if not entry.is_file():
            raise refuse(self.dataset, f"{shown(name)} is neither a file nor a folder; remove it")
        facts = entry.stat()
        if facts.st_size > MAX_MEMBER_BYTES:
            raise refuse(self.dataset, f"{shown(name)} has {facts.st_size:,} bytes; shrink it to at most {MAX_MEMBER_BYTES:,} or remove it")
        return Member(name, facts.st_size, entry.path, facts.st_mtime_ns)

    def _check_link(self, entry: os.DirEntry[str]) -> None:
        if not entry.is_symlink():
            return
        try:
            inside = Path(entry.path).resolve(strict=True).is_relative_to(self.root)
        except (OSError, RuntimeError):  # circular links are a RuntimeError before Python 3.13
            raise refuse(self.dataset, f"{shown(entry.name)} is a link to nothing; remove it") from None
        if not inside:
            raise refuse(self.dataset, f"{shown(entry.name)} is a link out of the folder; put the files themselves there")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(islice((entry for entry in entries if not is_junk(entry.name)), MAX_MEMBERS + 1))
