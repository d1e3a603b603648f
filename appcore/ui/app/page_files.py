"""The pages: each file in pages/ is one, found by the literal PAGE on its top, which is read without importing it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from appcore import declarations

FOLDER = Path(__file__).parents[3] / "pages"  # beside app.py


@dataclass(frozen=True)
class PageFile:
    """What a page says of itself. Its address is the name of its file, and the first page in order is the one that opens."""

    name: str
    title: str  # in the navigation
    icon: str
    order: float
    help: str
    on_start: tuple[str, str] | None = None  # what the page Start says of it: the words of the link, and a sentence below

    @property
    def path(self) -> str:
        """As Streamlit finds it from app.py."""
        return f"pages/{self.name}.py"


@cache
def found() -> dict[str, PageFile]:
    """All pages by name, in the order of the navigation."""
    return declarations.found(FOLDER, "PAGE", PageFile)
