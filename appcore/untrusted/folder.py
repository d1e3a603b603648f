"""A folder of images on disk, read without following links out of it. Knows nothing of images."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from .member import MAX_MEMBER_BYTES, MAX_MEMBERS, Member
from .names import is_litter, unified
from .refusals import UNPRINTABLE, refuse, shown


class Folder:
    """Looks into a folder only when it is listed, so that naming a whole disk costs nothing."""

    token = ""  # only its files tell whether it has changed

    def __init__(self, dataset: str, path: Path):
        self.dataset = dataset
        self.root = path.resolve()
        self._seen = 0

    def listed(self, folder: Member | None = None) -> list[Member]:
        """What lies in a folder (None: at the top), by name and without litter. Nothing is judged yet."""
        with os.scandir(folder.source if folder else self.root) as entries:
            found = list(islice((entry for entry in entries if not is_litter(entry.name, is_folder=_is_folder(entry))), MAX_MEMBERS + 1))
        self._seen += len(found)
        if self._seen > MAX_MEMBERS:
            raise refuse(self.dataset, f"more than {MAX_MEMBERS:,} files; use a smaller selection")
        prefix = folder.name if folder else ""
        members = [Member(f"{prefix}{unified(entry.name)}{'/' * _is_folder(entry)}", 0, entry) for entry in found]
        return sorted(members, key=lambda member: member.name)

    def judged(self, member: Member) -> Member:
        """The member with its size; InputError where it must not be read."""
        entry: os.DirEntry[str] = member.source
        self._check_link(entry)
        if UNPRINTABLE.search(member.name):
            raise refuse(self.dataset, f"the name {shown(member.name)} holds control or broken characters; rename it")
        if member.is_folder:
            return member
        if not entry.is_file():
            raise refuse(self.dataset, f"{shown(member.name)} is neither a file nor a folder; remove it")
        facts = entry.stat()
        if facts.st_size > MAX_MEMBER_BYTES:
            problem = f"{shown(member.name)} has {facts.st_size:,} bytes; shrink it to at most {MAX_MEMBER_BYTES:,} or remove it"
            raise refuse(self.dataset, problem)
        return Member(member.name, facts.st_size, entry.path, (facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns))

    def open(self, member: Member) -> BinaryIO:
        """The member's content as a stream."""
        return Path(member.source).open("rb")

    def read(self, member: Member) -> bytes:
        """The member's content, up to its size when it was listed."""
        with self.open(member) as file:
            return file.read(member.size)

    def close(self) -> None:
        """Nothing is held open between reads."""

    def _check_link(self, entry: os.DirEntry[str]) -> None:
        if not entry.is_symlink():
            return
        try:
            inside = Path(entry.path).resolve(strict=True).is_relative_to(self.root)
        except (OSError, RuntimeError):  # circular links are a RuntimeError before Python 3.13
            raise refuse(self.dataset, f"{shown(entry.name)} is a link to nothing; remove it") from None
        if not inside:
            raise refuse(self.dataset, f"{shown(entry.name)} is a link out of the folder; put the files themselves there")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
