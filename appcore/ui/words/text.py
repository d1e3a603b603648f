"""Text of people inside markdown: shown as it was typed, whatever it holds."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$:&])")
_ACTIVE = re.compile(r"([\[\]<$])")


def plain(text: str, most: int = 120) -> str:
    """`text` for a markdown label or line: nothing in it is taken for markup, an icon, a link or a formula; long ones are cut."""
    line = " ".join(str(text).split())
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return _SPECIAL.sub(r"\\\1", line)


def harmless(message: str) -> str:
    """A message of ours that may quote people: its `code` and stress stay, but nothing in it is an image, a link, HTML or a formula."""
    return _ACTIVE.sub(r"\\\1", str(message))
