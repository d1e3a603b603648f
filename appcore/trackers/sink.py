"""The events of a run as named numbers for trackers. A tracker that fails is told nothing more, and the run goes on."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import InputError

if TYPE_CHECKING:
    from ..events import Event

VARIABLE = "APPCORE_LOG"
NAMES = ("tensorboard", "mlflow", "wandb", "trackio")  # modules of this folder, and the packages that they need
_GROUPS = {"EpochDone": "epoch", "RoundDone": "round", "MegabatchDone": "megabatch", "Pruned": "prune", "Finished": "total"}
_PLACES = {"segment", "megabatch", "epoch", "round", "samples_seen"}  # when it was, not what


class Tracker(Protocol):
    """What a module of this folder makes by `opened(folder, run_id, settings, first)`; a run goes on from the step `first`: what was
    told of later ones is told again."""

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Take some numbers; `step` counts the training images seen, repeats too."""

    def close(self) -> None:
        """Write what is left."""


def chosen(text: str, folder: Path) -> dict[str, Path]:
    """{tracker: its folder} of text such as "tensorboard" or "tensorboard:/srv/logs"; by default a folder of its name in `folder`.
    InputError for one that there is not, or whose package is missing."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, place = part.partition(":")
        if name not in NAMES:
            raise InputError(f"log: there is no tracker {name!r}; choose {' or '.join(NAMES)}, or NAME:FOLDER", "log")
        found[name] = _folder(place) if place else folder / name
        if importlib.util.find_spec(name) is None:
            raise InputError(f"log: the package {name} is not installed; run: pip install {name}", "log")
    return found


def _folder(text: str) -> Path:
    try:
        if "\0" not in text:
            return Path(text).expanduser().absolute()
    except (RuntimeError, OSError):  # ~ of nobody; the working folder is gone
        pass
    raise InputError(f"log: {text!r} is no folder; give the path of one", "log")


def numbers(event: Event) -> dict[str, float]:
    """What an event measured, by name; {} for one that measures nothing. Fractions, seconds and counts as in `events`; of each layer the
    share of its weights that is kept and alive."""
    if event.kind == "Progress":
        return {"step/loss": event.loss} if event.phase == "train" and event.loss is not None else {}
    if event.kind not in _GROUPS:
        return {}
    values = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    kept = {name: value for name, value in values.items() if type(value) in (int, float) and name not in _PLACES}
    found = {f"{_GROUPS[event.kind]}/{name}": float(value) for name, value in kept.items()}
    for layer in values.get("layers", ()):
        found |= {f"kept/{layer.name}": layer.kept / layer.total, f"alive/{layer.name}": layer.alive / layer.total}
    return found


class Sink:
    """The trackers of one run, as APPCORE_LOG chooses them; `seen` training images lie behind it, when it goes on."""

    def __init__(self, folder: Path, run_id: str, settings: Mapping[str, Any], seen: int = 0):
        self._folders = chosen(os.environ.get(VARIABLE, ""), folder)
        self._run_id, self._settings = run_id, settings
        self._open: dict[str, Tracker] = {}
        self._first = self._seen = seen

    def take(self, event: Event) -> str | None:
        """Tell all trackers an event; a sentence about those that failed."""
        if not self._folders:
            return None
        self._seen = getattr(event, "samples_seen", self._seen)
        found, failed = numbers(event), []
        for name in tuple(self._folders) if found else ():
            try:
                self._tracker(name).write(found, self._seen)
            except Exception as error:  # of other people's code, a full disk, a lost network
                failed.append(self._leave(name, error))
        return "; ".join(failed) or None

    def _tracker(self, name: str) -> Tracker:
        if name not in self._open:
            module = import_module(f"{__package__}.{name}")
            self._open[name] = module.opened(self._folders[name], self._run_id, self._settings, self._first)
        return self._open[name]

    def _leave(self, name: str, error: Exception) -> str:
        del self._folders[name]
        self._open.pop(name, None)
        return f"{name} was told no more from here on: {' '.join(f'{type(error).__name__}: {error}'.split())[:200]}"

    def close(self) -> str | None:
        """Let all trackers write what is left; a sentence about those that failed."""
        failed = []
        for name, tracker in tuple(self._open.items()):
            try:
                tracker.close()
            except Exception as error:
                failed.append(self._leave(name, error))
        self._open = {}
        return "; ".join(failed) or None
