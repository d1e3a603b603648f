"""The playground's JavaScript as one module: Streamlit takes a single text, and its neighbours have no address to be imported from."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
MODULES = (
    *("random", "network", "passes", "selection", "criteria", "alive", "lottery", "points", "address", "ticket"),  # no document is needed
    *("elements", "colours", "network_picture", "plane_picture", "contestant", "panel", "toolbar", "loop", "controller", "main"),
)
_NEIGHBOUR = re.compile(r"^import \{[^}]*\} from '\./(\w+)\.js';\n", re.MULTILINE)


@cache
def script() -> str:
    """Every module once, after those that it imports, whose names then stand above it; names are unique over all modules."""
    texts = [(FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in MODULES]
    return "\n".join(_NEIGHBOUR.sub("", text) for text in texts)


def imports(name: str) -> list[str]:
    """The modules that a module imports."""
    return _NEIGHBOUR.findall((FOLDER / f"{name}.js").read_text(encoding="utf-8"))
