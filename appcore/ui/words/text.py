"""Text from users inside markdown: shown as it was typed, whatever it contains."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$:&])")
_ACTIVE = re.compile(r"([\[\]<$])")


def plain(text: str, most: int = 120) -> str:
    """`text` escaped for a markdown label or line: no markup, icon, link or formula takes effect; long ones are cut."""
    line = " ".join(str(text).split())
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return _SPECIAL.sub(r"\\\1", line)


def harmless(message: str) -> str:
    """A message of ours that may quote users: its `code` and emphasis stay, but images, links, HTML and formulas are escaped."""
    return _ACTIVE.sub(r"\\\1", str(message))
