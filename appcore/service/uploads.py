"""Zips of images that users upload: judged as every zip of images is, then kept beside the store while runs need them.

They lie in a folder of their user, under the digest of their bytes, so that what is uploaded twice is there once and no name of a user
becomes a path. They count as disk of the user (limit disk_megabytes_per_user). One that no run and no
ablation names goes DAYS after it was uploaded.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import files, limits, paths, plugins
from ..config import build
from ..errors import InputError
from ..runner.admission import Room
from ..storage.store import Store
from ..untrusted.refusals import shown

DAYS = 7
KIND = "images:"
_DRAWN = 0.2  # share of test images, to judge a zip that has none of its own


def take_images(store: Store, data: bytes) -> tuple[str, bool]:
    """Keep a zip of images; (the name of the data set, whether it has test images of its own). InputError where it cannot be used."""
    allowed, path = limits.load(store.folder), paths.uploaded(store.folder, store.owner, hashlib.sha256(data).hexdigest()).absolute()
    allowed.check_upload(len(data))
    allowed.check_path(f"{KIND}{path}")
    tidy(store)
    if not path.exists():
        Room(store, store.owner).check_disk(store, len(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, data, field="file")
    try:
        return f"{KIND}{path}", _has_test_images(path)
    except InputError as error:
        path.unlink(missing_ok=True)
        problem = error.message.removeprefix(f"dataset: {shown(f'{KIND}{path}')}: ").replace(str(path), "the zip")
        raise InputError(problem, "file") from None


def tidy(store: Store, now: float | None = None) -> list[Path]:
    """Delete what anybody has uploaded more than DAYS ago and nothing names."""
    before, gone = (time.time() if now is None else now) - 86_400 * DAYS, []
    old = []
    for path in [path for folder in files.listed(paths.all_uploads(store.folder)) for path in files.listed(folder)]:
        with suppress(OSError):
            old += [path] if path.stat().st_mtime < before else []
    needed = set(_named(store)) if old else set()
    for path in old:
        if str(path.absolute()) not in needed:
            with suppress(OSError):
                path.unlink()
                gone.append(path)
    return gone


def _has_test_images(path: Path) -> bool:
    """Whether it does; InputError where it can be used neither so nor by drawing test images."""
    describe = plugins.load("datasets", f"{KIND}{path}").describe
    try:
        describe(build({"dataset": f"{KIND}{path}"}))
    except InputError as first:
        try:
            describe(build({"dataset": f"{KIND}{path}", "split": _DRAWN}))
        except InputError:
            raise first from None
        return False
    return True


def _named(store: Store) -> Iterator[str]:
    """The paths of all data sets that runs and ablations of anybody name."""
    everybody = store.of("", sees_all=True)
    values: list[Any] = [run["config"].get("dataset", "") for run in everybody.runs()]
    for ablation in everybody.ablations.all():
        values += [ablation["base"].get("dataset", ""), *ablation["axes"].get("dataset", [])]
    yield from (str(value).removeprefix(KIND) for value in values)
