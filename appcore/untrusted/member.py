"""Members of a folder or zip: names such as train/cat/1.png, and the size limits for reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SPLITS = ("train", "test")
MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 32 * 2**20
_JUNK = {"__macosx", "thumbs.db", "desktop.ini", "@eadir"}


@dataclass(frozen=True, slots=True)
class Member:
    """One file, or one folder where the name ends with "/". `source` is for the tree that it came from."""

    name: str
    size: int
    source: Any
    changed: int = 0  # nanoseconds, where the tree has no time of writing of its own

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder."""
        return self.name.endswith("/")


def is_junk(part: str) -> bool:
    """Whether a name is hidden, or one that desktop systems create (.DS_Store, __MACOSX, Thumbs.db)."""
    return part.startswith(".") or part.lower() in _JUNK
