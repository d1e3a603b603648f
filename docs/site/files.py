"""Hook of mkdocs: which files are pages of the site, and the pages that are written from the program itself.

Documents keep the places that they have in the repository, so that a link that is right there is right on the site.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHOWN = ("*.md", "docs/*.md", "docs/site/*.md", "docs/img/*", "examples/*.md", "examples/notebooks/*.ipynb", "benchmarks/*.md")


def glossary() -> str:
    """The words and numbers of the dashboard."""
    from appcore.ui.words import glossary as words

    parts = {"Words": {name: (term.title, term.text) for name, term in words.TERMS.items()}, "Numbers": words.numbers()}
    lines = ["# Glossary"]
    for title, terms in parts.items():
        lines.append(f"## {title}")
        for anchor, (head, text) in sorted(terms.items(), key=lambda item: item[1][0].casefold()):
            lines += [f"### {head} {{#{anchor}}}", text]
    return "\n\n".join(lines)


def settings() -> str:
    """Every setting of a run with its default."""
    from appcore.config import RunConfig

    lines = [
        "# Settings",
        "The fields of `appcore.RunConfig`. On the command line `lr_schedule` is `--lr-schedule`; options of methods and criteria are "
        "`--option NAME=VALUE`. What is left out takes the recipe of optimizer, method and data set, then the default.",
    ]
    groups: dict[str, list[str]] = {}
    for name, field in RunConfig.model_fields.items():
        group = field.json_schema_extra["group"] if isinstance(field.json_schema_extra, dict) else "Others"
        text = (field.description or "").replace("|", "\\|")
        groups.setdefault(str(group), []).append(f"| `{name}` | `{field.get_default(call_default_factory=True)!r}` | {text} |")
    for group, rows in groups.items():
        lines.append(f"## {group}")
        lines.append("\n".join(["| setting | default | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(lines)


def commands() -> str:
    """The help of every command."""
    from appcore.cli import main

    parser = main._parser()
    (verbs,) = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    lines = ["# Command line", "`pruning-lab` where pip has installed it, `python -m appcore` anywhere.", _block(parser)]
    for name, verb in verbs.items():
        lines += [f"## {name}", _block(verb)]
    return "\n\n".join(lines)


def _block(parser: argparse.ArgumentParser) -> str:
    return f"```text\n{parser.format_help().replace(parser.prog, parser.prog.replace('python -m appcore', 'pruning-lab'))}```"


WRITTEN: dict[str, Callable[[], str]] = {
    "docs/site/glossary.md": glossary,
    "docs/site/settings.md": settings,
    "docs/site/commands.md": commands,
}


def on_files(files: Any, config: Any) -> Any:
    """The site's list of files: those of `SHOWN` and `WRITTEN`, and what the theme brings."""
    from mkdocs.structure.files import File

    sys.path.insert(0, str(ROOT))  # mkdocs puts it back after it has read this file
    for file in [one for one in files if one.src_dir == config.docs_dir]:
        files.remove(file)
    for path in sorted({path for pattern in SHOWN for path in ROOT.glob(pattern)}):
        place = path.relative_to(ROOT).as_posix()
        files.append(File(place, str(ROOT), config.site_dir, config.use_directory_urls))
    for place, write in WRITTEN.items():
        files.append(File.generated(config, place, content=write()))
    return files


def on_config(config: Any) -> Any:
    """Docstrings have lists right below the line that introduces them; Markdown wants an empty line between."""
    from markdown import Extension, Markdown
    from markdown.preprocessors import Preprocessor

    class Apart(Preprocessor):
        def run(self, lines: list[str]) -> list[str]:
            found: list[str] = []
            for line in lines:
                if line.startswith("- ") and found and found[-1].strip() and found[-1][0] not in "- ":
                    found.append("")
                found.append(line)
            return found

    class Lists(Extension):
        def extendMarkdown(self, md: Markdown) -> None:
            md.preprocessors.register(Apart(md), "apart", 12)  # after code between fences was taken out

    config.markdown_extensions.append(Lists())
    return config


on_files.mkdocs_priority = 100  # type: ignore[attr-defined]  # before the plugins, which look for notebooks in the list
