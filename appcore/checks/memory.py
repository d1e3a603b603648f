"""What experiments have measured, in a file, so that a check goes on where it was interrupted; of this version of the code alone."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import files

_DECIDING = ("datasets", "models", "pruners", "schedules", "methods", "masks", "planning", "engine")  # folders of the package
_REPORTING = ("fidelity_report.py", "study_report.py", "memory.py")  # modules of the checks that measure nothing
_PACKAGES = ("torch", "torchvision", "numpy")


class Memory(MutableMapping[str, Any]):
    """Results by task, as JSON holds them; with a file they outlive the process, a line each, and count for the same program only."""

    def __init__(self, file: Path | None = None):
        self._file, self._found = file, dict[str, Any]()
        if file is not None:
            self._read(file)

    def _read(self, file: Path) -> None:
        with suppress(FileNotFoundError):
            for line in files.read(file).decode(errors="replace").splitlines():
                with suppress(ValueError, TypeError):  # the last line may be half written
                    made_by, task, result = json.loads(line)
                    if made_by == program():
                        self._found[task] = result

    def __getitem__(self, task: str) -> Any:
        return self._found[task]

    def __setitem__(self, task: str, result: Any) -> None:
        self._found[task] = json.loads(json.dumps(result))  # as it will be read
        if self._file is not None:
            text = json.dumps([program(), task, result])
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as target:
                target.write(f"\n{text}\n" if _is_cut_off(self._file) else f"{text}\n")

    def __delitem__(self, task: str) -> None:
        del self._found[task]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _is_cut_off(file: Path) -> bool:
    """Whether the last line of a file was not written to its end."""
    with file.open("rb") as source:
        if not file.stat().st_size:
            return False
        source.seek(-1, 2)
        return source.read(1) != b"\n"


@cache
def program() -> str:
    """12 hex digits over all that decides a result: the code of the engine and of the experiments, and the versions of what computes."""
    root, seen = Path(__file__).parents[1], hashlib.sha256()
    for path in [root / "config.py", root / "seeds.py", *(path for name in _DECIDING for path in sorted((root / name).rglob("*.py")))]:
        seen.update(path.read_bytes())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in _REPORTING:
            seen.update(_without_texts(path))
    seen.update(" ".join(metadata.version(name) for name in _PACKAGES).encode())
    return seen.hexdigest()[:12]


def _without_texts(path: Path) -> bytes:
    """The code of a file without its texts, so that another wording measures nothing anew; settings are part of the tasks."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree).encode()
