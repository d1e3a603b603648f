"""Folders in which each file declares itself in one literal, so that a new file is found without being listed anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from .plugin_files import literals


class Declared(Protocol):
    """What a file declares: at least its position among the others."""

    @property
    def order(self) -> float: ...


T = TypeVar("T", bound=Declared)


def found(folder: Path, variable: str, kind: Callable[..., T]) -> dict[str, T]:
    """{file name: declaration in its literal `variable`}, in order; files whose names begin with "_" are helpers and left out.

    Nothing is imported. ValueError names the file whose declaration is missing or does not fit `kind`.
    """
    declared: dict[str, T] = {}
    for path in sorted(folder.glob("[!_]*.py")):
        declaration = literals(path).get(variable)
        if declaration is None:
            raise ValueError(f"{path} needs a literal {variable} = {{...}}")
        try:
            declared[path.stem] = kind(name=path.stem, **declaration)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}, {variable}: {error}") from error
    return dict(sorted(declared.items(), key=lambda item: item[1].order))
