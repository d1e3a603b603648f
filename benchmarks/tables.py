"""Tables of what was tried, written between two marks of a document; and results that are kept while a long measurement goes on."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

REPORT = Path(__file__).parents[1] / "docs" / "RELIABILITY.md"


class Kept:
    """Results by key, in a file where one is named: a measurement that was cut off goes on where it was."""

    def __init__(self, path: str = ""):
        self._path = Path(path) if path else None
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path and self._path.exists() else ()
        self._found: dict[str, dict[str, Any]] = {found["key"]: found for found in map(json.loads, lines)}
        self.spent = 0.0  # s, of all that was asked for

    def __call__(self, key: str, work: Callable[[], Any]) -> Any:
        """The result of `work`, as JSON has it, now or when it was done before."""
        if key not in self._found:
            begun = time.perf_counter()
            value = json.loads(json.dumps(work()))
            self._found[key] = {"key": key, "value": value, "seconds": time.perf_counter() - begun}
            if self._path:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(self._found[key]) + "\n")
        self.spent += self._found[key]["seconds"]
        return self._found[key]["value"]

    def forget(self) -> None:
        """Begin anew."""
        self._found.clear()
        if self._path:
            self._path.unlink(missing_ok=True)


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
