"""What --densities may say besides densities themselves: a JSON file of them, or a run whose masks have them. Imports no torch."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from .. import paths, quotas
from ..errors import InputError

_FIELD, _RUN = "densities", "run:"
_MOST_BYTES = 1_000_000  # of a file: some tens of thousands of layers


def expanded(text: str) -> str:
    """The same with files (FILE.json) and runs (run:RUN) replaced by what they say; several are divided by ";". InputError for those that
    say nothing."""
    return ";".join(_expanded(part.strip()) for part in text.split(";"))


def _expanded(text: str) -> str:
    if text.startswith(_RUN):
        return _text(_of_run(text.removeprefix(_RUN)), text)
    return _text(_of_file(text), text) if text.lower().endswith(".json") else text


def _text(found: Any, source: str) -> str:
    try:
        return ",".join(f"{name}={density!r}" for name, density in quotas.by_layer(found).items())
    except ValueError as error:
        raise InputError(f"{_FIELD}: in {source[:100]}, {error}", _FIELD) from None


def _of_file(name: str) -> dict[str, Any]:
    try:
        path = Path(name).expanduser()
        is_there = path.is_file()
    except (OSError, ValueError, RuntimeError):  # a name that no file can have, or in the home folder of nobody
        is_there = False
    if not is_there:
        raise InputError(f'{_FIELD}: {name[:100]!r} is no file; give one such as {{"conv1": 0.5, "fc": 0.1}}', _FIELD)
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    try:
        if len(content) > _MOST_BYTES:
            raise ValueError("it is too large")
        found = json.loads(content, object_pairs_hook=_object)
        if not isinstance(found, dict) or not found:
            raise ValueError("it names no layers")
    except (ValueError, RecursionError) as error:
        why = str(error).splitlines()[0][:120] if isinstance(error, ValueError) else "it is nested without end"
        raise InputError(f'{_FIELD}: {name[:100]} cannot be used ({why}); write {{"conv1": 0.5, "fc": 0.1}}', _FIELD) from None
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0][:60]!r} is there twice")
    return dict(pairs)


def _of_run(name: str) -> dict[str, float]:
    """The densities of a run's masks by layer, as they were counted last."""
    from ..storage.store import Store

    with closing(Store(None)) as store:
        if not store.exists():
            raise InputError(f"{_FIELD}: no run {name[:60]!r}: there is no store yet at {paths.store_file(store.url)}", _FIELD)
        run_id = store.find(name)
        layers = store.layers([run_id])
    if not len(layers):
        raise InputError(f"{_FIELD}: run {run_id} has no masks yet; choose one that has pruned", _FIELD)
    last = layers[layers["segment"] == layers["segment"].max()]
    return {row.layer: row.kept / row.total for row in last.itertuples()}
