"""Export of a run: settings, numbers, weights and masks for other programs, and a bundle that another store can import (see bundle_import).

A bundle is a zip of `manifest.json` (format, and size and SHA-256 of every other member), `run.json` and `events.jsonl`, see bundle_record,
the newest checkpoint and the masks of every prune point. It contains no code, and no tags or notes: those stay in the store. A light bundle
has no checkpoint, and where prune points only remove, one file for all masks (see storage/removals): then its format is 2.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy
import safetensors.numpy

from .. import files, paths
from ..storage import checkpoint, removals, run_result
from ..storage.store import Store
from ..untrusted.zip_file import FREE_BYTES, MAX_RATIO
from . import bundle_import, bundle_record
from .bundle_record import EVENTS, FORMAT, MANIFEST, RECORD, WITHOUT_REMOVALS
from .tables import as_csv, run_tables

_REMEDY = "free disk space, mend permissions or name another folder"


def export(
    store: Store, run_id: str, to: str | Path, say: Callable[[str], object] = lambda remark: None, *, light: bool = False
) -> list[str]:
    """Write a run into the folder `to` and return the paths of the files, the bundle last.

    config.json, result.json (the object of `run --json`), epochs.csv, megabatches.csv and layers.csv (megabatches and epochs counted
    from 1), rounds.csv where a method has rounds, masks-NN.safetensors after each prune point, weights.safetensors (dense, zeros baked in;
    left out before the first checkpoint), and RUN.zip for `import`, left out where `import` would refuse it. What is left out, or is not
    of the newest checkpoint, is said by `say`. `light`: without weights. Everything is read before anything is written; UnreadableError
    where something cannot be read now.
    """
    row = store.get(run_id)
    run_id, folder, name = row["run_id"], Path(to).expanduser(), paths.exported
    run_folder = paths.run_folder(store.folder, run_id)
    saved = None if light else checkpoint.newest(run_folder)
    record, lines = bundle_record.describe(store, run_id)  # after the checkpoint, which may be of a run that goes on
    points = [pruned for line in lines if (pruned := json.loads(line).get("pruned"))]
    remarks = [] if light else _about_weights(run_folder, saved, row["saved"] or 0)
    masks = [paths.masks(run_folder, point["segment"]) for point in points]
    made = {name("settings"): _text(row["config"]), name("result"): _text(run_result.result(store, run_id))}
    made |= {name(table): as_csv(frame).encode() for table, frame in run_tables(store, run_id).items()}
    if saved:
        made[name("weights")] = _tensors(_weights(saved[1]), run_id=run_id, arch=row["arch"])
    for number, (point, path) in enumerate(zip(points, masks, strict=True), 1):
        about = {"megabatch": str(point["megabatch"] + 1), "density": repr(point["density_mask"])}
        made[name("masks", number=number)] = _tensors(checkpoint.load_masks(path), run_id=run_id, **about)
    members = _text_members(record, lines) | _checkpoint_members(saved) | _mask_members(run_folder, masks, light)
    for file, data in made.items():
        files.write(folder / file, data, _REMEDY, "to")
    for remark in remarks:
        say(remark)
    bundle = folder / name("bundle", run_id)
    try:
        files.commit(bundle, lambda file: _pack(file, bundle, run_id, members), _REMEDY, "to")
    except bundle_import.RefusedError as error:
        say(f"no bundle was written, for `import` would refuse it: {error.message}")
        return [str(folder / file) for file in made]
    return [str(folder / file) for file in (*made, bundle.name)]


def _about_weights(run_folder: Path, saved: tuple[dict[str, Any], bytes] | None, cursor: int) -> list[str]:
    """What there is to say about the checkpoint that the weights are taken from; `cursor` is that of the last one saved."""
    found = saved[0]["cursor"] if saved else 0
    damaged = checkpoint.problems(run_folder) if found < cursor else []
    if saved:
        return [f"the weights are those after {found} of {cursor} segments: {'; '.join(damaged)}"] if damaged else []
    if damaged or cursor:
        reason = "; ".join(damaged) or f"the checkpoint that was saved is not in {run_folder}"
        return [f"{reason}, so no weights were exported"]
    return ["no checkpoint yet, so no weights were exported"]


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


def light_bundle(store: Store, run_id: str, path: Path, changes: Mapping[str, Any]) -> None:
    """Write the light bundle of a run into a file, with these fields of its record (id, title and so on) changed."""
    record, lines = bundle_record.describe(store, run_id)
    run_folder = paths.run_folder(store.folder, run_id)
    masks = [paths.masks(run_folder, pruned["segment"]) for line in lines if (pruned := json.loads(line).get("pruned"))]
    known = bundle_record.Record.model_validate_json(record).model_copy(update=changes)
    members = _text_members(known.model_dump_json(), lines) | _mask_members(run_folder, masks, light=True)
    files.commit(path, lambda file: _pack(file, path, known.run_id, members), _REMEDY, "to")


def _text_members(record: str, lines: list[str]) -> dict[str, bytes]:
    return {RECORD: record.encode(), EVENTS: "".join(f"{line}\n" for line in lines).encode()}


def _checkpoint_members(saved: tuple[dict[str, Any], bytes] | None) -> dict[str, bytes]:
    if saved is None:
        return {}
    body, data = saved
    return {
        paths.manifest(Path(), body["cursor"]).name: checkpoint.manifest_text(body).encode(),
        paths.checkpoint(Path(), body["cursor"]).name: data,
    }


def _mask_members(run_folder: Path, masks: list[Path], light: bool) -> dict[str, bytes]:
    """The masks of all prune points: in one file where the bundle is light, or the run came in a light one, and none of them regrows."""
    together = paths.removals(run_folder)
    if light or together.exists():
        found = removals.of({int(path.stem): checkpoint.load_packed(path) for path in masks})
        if found:
            return {f"{together.parent.name}/{together.name}": removals.write(found)}
    return {f"{path.parent.name}/{path.name}": files.read(path) for path in masks}


def _pack(to: IO[bytes], path: Path, run_id: str, members: dict[str, bytes]) -> None:
    """Write the bundle, and let `import` judge it. The same run gives the same bytes."""
    listed = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()}
    version = FORMAT if f"masks/{paths.removals(Path()).name}" in members else WITHOUT_REMOVALS
    manifest = {"format": version, "program": "appcore", "run_id": run_id, "members": listed}
    with zipfile.ZipFile(to, "w") as file:
        for name, data in {MANIFEST: _text(manifest), **members}.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED if _shrinks(name, data) else zipfile.ZIP_STORED
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, data, compresslevel=9)
    to.flush()
    with files.temporary_folder(path.parent, paths.IMPORT_PREFIX) as scratch:
        bundle_import.judge(to, path, scratch)


def _shrinks(name: str, data: bytes) -> bool:
    """Whether a member is compressed: weights hardly shrink, and what shrinks too far would be refused as a zip bomb."""
    if name.startswith("checkpoint-") and not name.endswith(".json"):
        return False
    return len(data) <= FREE_BYTES or len(data) < MAX_RATIO * len(zlib.compress(data, 1))


def _text(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _tensors(tensors: dict[str, numpy.ndarray], **about: str) -> bytes:
    whole = {name: numpy.asarray(tensor, order="C") for name, tensor in tensors.items()}
    return safetensors.numpy.save(whole, metadata={"about": json.dumps(about)})  # a single entry: several would come in any order
