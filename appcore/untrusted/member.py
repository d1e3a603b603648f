"""Members of a folder or zip: names such as train/cat/1.png, and the size limits for reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SPLITS = ("train", "test")
MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Member:
    """One file, or one folder where the name ends with "/". `source` is for the tree that it came from."""

    name: str
    size: int
    source: Any
    state: tuple[int, ...] = ()  # another one when it is another file or was written, where the tree has no time of writing of its own

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder."""
        return self.name.endswith("/")

    @property
    def last(self) -> str:
        """The last part of the name: cat for train/cat/."""
        return self.name.rstrip("/").rpartition("/")[2]
