"""Strings that the source of the product holds, for tests that a word is written in one place."""

import ast
from functools import cache
from pathlib import Path

import appcore

ROOT = Path(appcore.__file__).parent


@cache
def texts(path: Path) -> list[tuple[int, str]]:
    """(line, text) of every string in a file, parts of f-strings too, that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    bodies = [node.body for node in nodes if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docs = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    found = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs]
    return [(node.lineno, node.value) for node in found]


@cache
def product() -> dict[str, Path]:
    """The files of appcore, pages and app.py by their place, e.g. appcore/charts/style.py."""
    top = ROOT.parent
    files = [*sorted(ROOT.rglob("*.py")), *sorted((top / "pages").glob("*.py")), top / "app.py"]
    return {path.relative_to(top).as_posix(): path for path in files}
