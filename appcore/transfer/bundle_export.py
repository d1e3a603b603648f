"""Export of a run: settings, numbers, weights and masks for other programs, and a bundle that another store can import (see bundle_import).

A bundle is a zip of `manifest.json` (format, and size and SHA-256 of every other member), `run.json` and `events.jsonl`, see bundle_record,
the newest checkpoint and the masks of every prune point. It contains no code, and no tags or notes: those stay in the store.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import safetensors.numpy

from .. import paths
from ..errors import InputError
from ..storage import checkpoint, run_result
from ..storage.store import Store
from . import bundle_record
from .tables import as_csv, run_tables

FORMAT = 1
MANIFEST, RECORD, EVENTS = "manifest.json", "run.json", "events.jsonl"


def export(store: Store, run_id: str, to: str | Path) -> list[str]:
    """Write a run into the folder `to` and return the paths of the files, the bundle last.

    config.json, result.json (the object of `run --json`), epochs.csv, megabatches.csv and layers.csv (megabatches and epochs counted
    from 1), masks-NN.safetensors after each prune point, weights.safetensors (dense, zeros baked in; left out before the first
    checkpoint), and RUN.zip for `import`. Everything is read before anything is written.
    """
    row = store.get(run_id)
    run_id, folder, name = row["run_id"], Path(to).expanduser(), paths.exported
    run_folder, points = paths.run_folder(store.folder, run_id), store.prunes(row["run_id"]).to_dict("records")
    saved = checkpoint.newest(run_folder)
    masks = [paths.masks(run_folder, point["segment"]) for point in points]
    files = {name("settings"): _text(row["config"]), name("result"): _text(run_result.result(store, run_id))}
    files |= {name(table): as_csv(frame).encode() for table, frame in run_tables(store, run_id).items()}
    if saved:
        files[name("weights")] = _tensors(_weights(saved[1]), run_id=run_id, arch=row["arch"])
    for number, (point, path) in enumerate(zip(points, masks, strict=True), 1):
        about = {"megabatch": str(point["megabatch"] + 1), "density": repr(point["density_mask"])}
        files[name("masks", number=number)] = _tensors(checkpoint.load_masks(path), run_id=run_id, **about)
    members = _members(store, run_id, saved, masks)
    for file, data in files.items():
        _write(folder / file, partial(Path.write_bytes, data=data))
    _write(folder / name("bundle", run_id), lambda path: _pack(path, run_id, members))
    return [str(folder / file) for file in (*files, name("bundle", run_id))]


def _weights(data: bytes) -> dict[str, numpy.ndarray]:
    """The weights of a checkpoint under plain names, pruned ones exactly 0."""
    tensors = safetensors.numpy.load(data)
    found = {name.removeprefix("model/"): tensor for name, tensor in tensors.items() if name.startswith("model/")}
    for name in found:
        mask = tensors.get(f"masks/{name}")
        if mask is not None:
            # Zeros keep their sign, +0 or -0, so that these weights have the hash that the run reports.
            found[name] = numpy.where(mask | (found[name] == 0), found[name], found[name].dtype.type(0))
    return found


def _members(store: Store, run_id: str, saved: tuple[dict[str, Any], bytes] | None, masks: list[Path]) -> dict[str, bytes]:
    record, lines = bundle_record.describe(store, run_id)
    members = {RECORD: record.encode(), EVENTS: "".join(f"{line}\n" for line in lines).encode()}
    if saved:
        body, data = saved
        members[paths.manifest(Path(), body["cursor"]).name] = checkpoint.manifest_text(body).encode()
        members[paths.checkpoint(Path(), body["cursor"]).name] = data
    return members | {f"{path.parent.name}/{path.name}": path.read_bytes() for path in masks}


def _pack(path: Path, run_id: str, members: dict[str, bytes]) -> None:
    """Write the bundle. The same run gives the same bytes."""
    listed = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()}
    manifest = {"format": FORMAT, "program": "appcore", "run_id": run_id, "members": listed}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in {MANIFEST: _text(manifest), **members}.items():
            entry = zipfile.ZipInfo(name)
            # Weights hardly compress; text does.
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, data)


def _text(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _tensors(tensors: dict[str, numpy.ndarray], **about: str) -> bytes:
    whole = {name: numpy.asarray(tensor, order="C") for name, tensor in tensors.items()}
    return safetensors.numpy.save(whole, metadata={"about": json.dumps(about)})  # a single entry: several would come in any order


def _write(path: Path, write: Callable[[Path], Any]) -> None:
    try:
        checkpoint.commit(path, write)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{path} could not be written: {reason}; free disk space, mend permissions or name another folder", "to"
        ) from error
