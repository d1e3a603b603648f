"""The files of the recorded runs: a light bundle for each, and in `made.json` the checksum of each, and when, where and how it was made."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..names import RECORDED
from . import catalog

FOLDER = Path(__file__).parent / "files"
MADE, PICTURES = "made.json", "pictures.json"


@cache
def runs(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """What `made.json` says of each recorded run that is there, by id and in the order of the catalog."""
    made = _json(folder / MADE)
    known = [run_id for name in catalog.known() for run_id in catalog.run_ids(name)]
    return {run_id: made[run_id] for run_id in known if run_id in made}


@cache
def pictures(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """The numbers of the small pictures of the gallery: for each its curves, {recording: [[x, mean over the seeds], ...]}."""
    return _json(folder / PICTURES)


def file(run_id: str, folder: Path = FOLDER) -> Path:
    """The light bundle of a recorded run."""
    return folder / f"{run_id.removeprefix(RECORDED)}.zip"


def scores(name: str, criterion: str, folder: Path = FOLDER) -> Path:
    """The file of the scores of a network by a criterion; see service/recorded_scores."""
    return folder / f"scores-{name}-{criterion}.npz"


def read(run_id: str, folder: Path = FOLDER) -> bytes:
    """The bytes of the light bundle of a recorded run; InputError where they are not those that were made."""
    path = file(run_id, folder)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"recording {path.name} cannot be read: {error.strerror}; install the program again", "recording") from error
    if digest(data) != runs(folder)[run_id]["sha256"]:
        raise InputError(f"recording {path.name} is damaged: its checksum differs; install the program again", "recording")
    return data


def digest(data: bytes) -> str:
    """The checksum of a file."""
    return hashlib.sha256(data).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
