"""Tables of what was tried, written between two marks of a document."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

REPORT = Path(__file__).parents[1] / "docs" / "RELIABILITY.md"


def measured(script: str, begun: float) -> str:
    """When, for how long, where and by which command; `begun` is from time.perf_counter."""
    command = " ".join(["python", f"benchmarks/{script}", *sys.argv[1:]])
    about = f"Measured on {datetime.now(UTC):%Y-%m-%d} in {time.perf_counter() - begun:.0f} s: {platform.system()}, CPU, "
    return about + f"Python {platform.python_version()}, torch {metadata.version('torch')}, by `{command}`."


def table(about: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A line about it, and the table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join([about, "", *("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)])


def write(mark: str, text: str) -> None:
    """Put a table into docs/RELIABILITY.md, between the marks of this name."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    before, _, rest = REPORT.read_text(encoding="utf-8").partition(begin)
    REPORT.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
