"""The documentation as a site: every document is in it, and the pages that it writes say what the program has. `scripts/site` builds it."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from pathlib import Path

import pytest

import appcore
from appcore.config import RunConfig
from appcore.ui.words import glossary

ROOT = Path(__file__).parents[2]
NAVIGATION = re.findall(r": (\S+\.(?:md|ipynb))$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
SPEC = importlib.util.spec_from_file_location("site_files", ROOT / "docs" / "site" / "files.py")
assert SPEC is not None and SPEC.loader is not None
site = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(site)


def test_the_navigation_has_every_document_and_nothing_that_is_not_there() -> None:
    shown = {path.relative_to(ROOT).as_posix() for pattern in site.SHOWN for path in ROOT.glob(pattern)}
    assert set(NAVIGATION) <= shown | set(site.WRITTEN)
    wanted = {place for place in shown if place.endswith((".md", ".ipynb")) and not place.startswith("benchmarks/")}
    assert sorted((wanted | set(site.WRITTEN)) - set(NAVIGATION)) == []


def test_every_picture_of_a_document_is_on_the_site() -> None:
    shown = {path.resolve() for pattern in site.SHOWN for path in ROOT.glob(pattern)}
    texts = [path for path in shown if path.suffix == ".md"]
    places = re.compile(r"!\[[^]]*\]\((?!\w+:)([^)\s]+)")
    pictures = {(text.parent / place).resolve() for text in texts for place in places.findall(text.read_text(encoding="utf-8"))}
    assert len(pictures) > 1 and sorted(pictures - shown) == []


def test_every_word_is_in_the_glossary() -> None:
    text = site.glossary()
    assert all(f"{{#{anchor}}}" in text and term.text in text for anchor, term in glossary.TERMS.items())


def test_every_setting_has_a_row() -> None:
    assert sorted(re.findall(r"^\| `(\w+)`", site.settings(), re.MULTILINE)) == sorted(RunConfig.model_fields)


def test_every_command_is_told_under_its_name_after_installation() -> None:
    text = site.commands()
    assert "## sweep" in text and "usage: pruning-lab dashboard" in text and "python -m appcore run" not in text.partition("## ")[2]


@pytest.mark.parametrize("page", ["api", "plugins"])
def test_what_the_reference_shows_is_there(page: str) -> None:
    shown = re.findall(r"^::: ([\w.]+)", (ROOT / "docs" / "site" / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(shown) > 4 and [name for name in shown if pkgutil.resolve_name(name) is None] == []


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs" / "site" / "api.md").read_text(encoding="utf-8")
    modules = {"InputError": "appcore.errors", "RunConfig": "`appcore.RunConfig`"}
    assert [name for name in appcore.__all__ if modules.get(name, f".{name}\n") not in text] == []
