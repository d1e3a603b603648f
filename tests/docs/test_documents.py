"""The documents speak of what is there: links lead somewhere, folders and files that they name exist, no folder is left out of the map."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for pattern in ("*.md", "docs/*.md", "docs/*/*.md", "examples/*.md", "benchmarks/*.md", "tests/*/*.md")
    for path in sorted(ROOT.glob(pattern))
]
MAPS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md", "examples/README.md")]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PLACE = re.compile(r"`((?:[\w.-]+/)+(?:[\w-]+\.\w+)?)`")  # a code span that is nothing but a folder or a file in one
TREE = re.compile(r"^  (.+?)(?:  +(?! )|\n)", re.MULTILINE)
MADE = (".scratch/", "runs/", "data/", "plugins/", "launchers/")  # what the program or its users make, as files called mine


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link and not link.startswith("mailto:")]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", MAPS, ids=name_of)
def test_places_that_are_named_exist(page: Path) -> None:
    named = {place for place in PLACE.findall(page.read_text(encoding="utf-8")) if not place.startswith(MADE) and "/mine" not in place}
    bases = (ROOT, ROOT / "appcore", page.parent)
    assert sorted(place for place in named if not any((base / place).exists() for base in bases)) == []


def test_the_map_has_every_folder() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    tree = text.partition("## The tree")[2].partition("## ")[0]
    named = {word for line in TREE.findall(tree) for word in line.split() if word.endswith("/")}
    folders = {path.parent.relative_to(ROOT / "appcore").as_posix() + "/" for path in (ROOT / "appcore").rglob("*.py")} - {"./", "ui/"}
    assert {folder for folder in folders if not any(folder.startswith(name) for name in named)} == set()
    assert {name for name in named if not (ROOT / "appcore" / name).is_dir()} == set()


def test_every_chore_is_a_script_that_is_told_of() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    scripts = [path for path in sorted((ROOT / "scripts").iterdir()) if path.is_file()]
    assert [path.name for path in scripts if f"`scripts/{path.name}`" not in told and f"scripts/{path.name} " not in told] == []
    for path in scripts:
        assert os.access(path, os.X_OK) and subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0, path
    called = set(re.findall(r"scripts/([\w-]+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8")))
    assert {"setup", "lint", "types", "test"} <= called <= {path.name for path in scripts}
