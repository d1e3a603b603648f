"""What is installed here, and where: do the versions of torch and torchvision match? Imports neither of them while a page waits."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from .errors import InputError

DISTRIBUTION = "pruning-lab"  # as pip knows it
_PACKAGE = Path(__file__).parent
_WITHIN = _PACKAGE / "dashboard"  # where a wheel puts what lies beside the package in a checkout, see pyproject.toml
APP = _WITHIN if _WITHIN.is_dir() else _PACKAGE.parent  # the folder of app.py, pages/, static/, and of the measurements that lessons quote
INSTALL = "pip install -r requirements.txt" if APP != _WITHIN else "pip install . (in the folder of its source)"
REMEDY = f"install the pair again with `{INSTALL}`"


@cache
def mismatch() -> str | None:
    """One sentence that says what is wrong with the installed torch and torchvision, or None; reads package metadata only."""
    versions = {}
    for name in ("torch", "torchvision"):
        try:
            versions[name] = Version(metadata.version(name))
        except metadata.PackageNotFoundError:
            return f"The package {name} is not installed; {REMEDY}."
    return _mismatch(versions["torch"], versions["torchvision"], metadata.requires("torchvision") or [])


def _mismatch(torch: Version, torchvision: Version, requirements: list[str]) -> str | None:
    pair = f"torch {torch} and torchvision {torchvision} do not match"
    for text in requirements:
        wanted = Requirement(text)
        applies = wanted.name == "torch" and (wanted.marker is None or wanted.marker.evaluate({"extra": ""}))
        if applies and not wanted.specifier.contains(torch.public, prereleases=True):
            return f"{pair}: this torchvision needs torch {wanted.specifier}; {REMEDY}."
    if torch.local and torchvision.local and torch.local != torchvision.local:
        return f"{pair}: one is built for {torch.local}, the other for {torchvision.local}; {REMEDY}."
    return None


def share_cores() -> None:
    """Let waiting threads of OpenMP sleep sooner than they would by default; for programs that start here, before torch is imported.

    Beside one other busy program a training step of two threads takes a fifth less time then, on idle cores the same.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def warm_up(modules: Iterable[str], first: Callable[[], object] = lambda: None) -> None:
    """Import what the first run needs once per process in a background thread, so that it starts at once: torch and these modules.

    `first` is called there before: beside this import everything else takes several times as long. Errors are kept for `broken`; the module
    that keeps them has no file, so that source reloads leave it alone.
    """
    box: Any = sys.modules.setdefault("_appcore_warm_up", types.ModuleType("_appcore_warm_up"))
    if not hasattr(box, "thread"):
        box.thread = threading.Thread(target=_import, args=(box, tuple(modules), first), name="appcore-warm-up", daemon=True)
        box.thread.start()


def _import(box: Any, modules: tuple[str, ...], first: Callable[[], object]) -> None:
    time.sleep(1.5)  # the import holds the interpreter lock for seconds: let the first page paint before
    with suppress(InputError):  # such as a store that is locked: pages say so
        first()
    try:
        import torch
        import torchvision  # noqa: F401

        box.version = torch.__version__
    except Exception as error:
        box.error = f"torch and torchvision cannot be imported together ({type(error).__name__}: {str(error).splitlines()[0]}); {REMEDY}."
    with suppress(ImportError, InputError):  # code that needs it reports what is missing or wrong
        for module in modules:
            import_module(module)
    # Half a million objects of torch and other libraries stay for good: searching them for garbage takes a third of a second, in
    # which no other thread runs. Left out of it, collections are quick and can be frequent.
    gc.collect()
    gc.freeze()
    # Python puts off looking through everything until a quarter as many objects are new as were there the last time. Those half a million
    # are to be forgotten: what redrawn pages leave behind was 100 MiB by then.
    gc.collect()


def broken() -> str | None:
    """What went wrong in the background import, as one sentence; None if nothing did."""
    return getattr(sys.modules.get("_appcore_warm_up"), "error", None)
