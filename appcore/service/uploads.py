"""Images that users upload, as zip, .npz or .parquet: judged as every `images:PATH` is, then kept beside the store while runs need them.

They lie in a folder of their user, under the digest of their bytes, so that what is uploaded twice is there once and no name of a user
becomes a path. They count as disk of the user (limit disk_megabytes_per_user). One that no run and no ablation names goes DAYS after it was
uploaded, unless there are rows that cannot be read, or other stores in the folder: what these name is not known.
"""

from __future__ import annotations

import hashlib
import time
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
KINDS = (".zip", ".npz", ".parquet")
_DRAWN = 0.2  # share of test images, to judge a zip that has none of its own


def take_images(store: Store, data: bytes, name: str = ".zip") -> tuple[str, bool]:
    """Keep images; (the name of the data set, whether it has test images of its own). InputError where they cannot be used.

    `name`: of the file, of which the end alone counts: .npz, .parquet, or else a zip.
    """
    from ..datasets.tables import table_of  # with Pillow, which few need

    suffix = next((kind for kind in KINDS if name.lower().endswith(kind)), KINDS[0])
    digest = hashlib.sha256(data).hexdigest()
    allowed, path = limits.load(store.folder), paths.uploaded(store.folder, store.owner, digest, suffix).absolute()
    dataset = f"{KIND}{path}"
    allowed.check_upload(len(data))
    allowed.check_path(dataset)
    tidy(store)
    is_new = not path.exists()
    if is_new:
        Room(store, store.owner).check_disk(store, len(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, data, field="file")
    is_used = False
    try:
        if table := table_of(dataset, path):  # its images are in memory while a run trains, those of a zip are opened one by one
            allowed.check_upload(table.unpacked())
        has_test_images = _has_test_images(dataset)
        is_used = True
    except InputError as error:
        problem = error.message.removeprefix(f"dataset: {shown(dataset)}: ")
        raise InputError(problem.replace(str(path), "the file"), "file") from None
    finally:
        if is_new and not is_used:
            path.unlink(missing_ok=True)
    return dataset, has_test_images


def tidy(store: Store, now: float | None = None) -> list[Path]:
    """Delete what anybody has uploaded more than DAYS ago and nothing names."""
    before, gone = (time.time() if now is None else now) - 86_400 * DAYS, []
    old = []
    for path in [path for folder in files.listed(paths.all_uploads(store.folder)) for path in files.listed(folder)]:
        with suppress(OSError):
            old += [path] if path.stat().st_mtime < before else []
    needed = _named(store) if old else set()
    left = [path for path in old if needed is not None and _place(path) not in needed]
    for path in left if left and not store.files.has_neighbours() else []:
        with suppress(OSError):
            path.unlink()
            gone.append(path)
    return gone


def _has_test_images(dataset: str) -> bool:
    """Whether it does; InputError where it can be used neither so nor by drawing test images."""
    describe = plugins.load("datasets", dataset).describe
    try:
        describe(build({"dataset": dataset}))
    except InputError as first:
        try:
            describe(build({"dataset": dataset, "split": _DRAWN}))
        except InputError as second:  # it says what is wrong with images that only lack a test set
            raise (second if "set split" in first.message and second.field != "split" else first) from None
        return False
    return True


def _place(path: Path) -> tuple[str, str]:
    """The folder of the user and the name of the file, which is that of its content: the folder around them may be spelled in many ways."""
    return path.parent.name, path.name


def _named(store: Store) -> set[tuple[str, str]] | None:
    """All that the data sets of runs and ablations of anybody name; None where some of these cannot be read."""
    everybody = store.of("", sees_all=True)
    (runs, bad_runs), (ablations, bad_ablations) = everybody.survey(), everybody.ablations.survey()
    if bad_runs or bad_ablations:
        return None
    values: list[Any] = [run["config"].get("dataset", "") for run in runs]
    for ablation in ablations:
        values += [ablation["base"].get("dataset", ""), *ablation["axes"].get("dataset", [])]
    return {_place(Path(str(value).removeprefix(KIND))) for value in values}
