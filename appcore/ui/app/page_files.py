"""Finds the pages: each file in pages/ is one, declared by the literal PAGE at its top, which is read without importing it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from appcore import declarations, installation

FOLDER = installation.APP / "pages"
STYLE = Path(__file__).parent / "style.css"  # of all pages


@dataclass(frozen=True)
class PageFile:
    """The declaration of a page. Its address is the name of its file; the first page in order is the start page."""

    name: str
    title: str  # in the navigation
    icon: str
    order: float
    help: str
    in_bar: bool = True  # False: reached by links alone
    on_start: tuple[str, str] | None = None  # for the page Start: the text of the link, and a sentence below
    of_run: tuple[str, str] | None = None  # for pages about a run: what they are called beside a run, and the parameter that names it
    plays: bool = False  # True: it can show a run at a moment of its course

    @property
    def path(self) -> str:
        """The path as Streamlit needs it, relative to app.py."""
        return f"pages/{self.name}.py"


@cache
def found() -> dict[str, PageFile]:
    """All pages by name, in the order of the navigation."""
    return declarations.found(FOLDER, "PAGE", PageFile)
