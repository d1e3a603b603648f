"""Checkpoints as files that survive a kill at any time: safetensors, a manifest written last, nothing that is code.

A checkpoint is a pair: tensors, and a JSON manifest with their size and SHA-256. Each file is either whole or absent (see files.py);
only a manifest makes a checkpoint count. Damaged is what was read and is wrong; what cannot be read now raises UnreadableError, and then
nothing is renamed, deleted or replaced by an older one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from .. import files, paths
from ..errors import InputError
from ..files import UnreadableError
from . import run_folder
from .mask_files import load_masks, load_packed, save_masks, stored

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "check_readable",
    "damage",
    "keep_last",
    "load",
    "load_masks",
    "load_packed",
    "newest",
    "problems",
    "quarantine",
    "save",
    "save_masks",
    "stored",
]

FORMAT = 1
KEPT = 2  # of a run that goes on: the newest, and the one before it in case the newest is damaged
_REMEDY = f"{files.REMEDY}, then resume"
_WRONG = (ValueError, KeyError, TypeError, RecursionError, safetensors.SafetensorError)  # raised by content that is not what it should be
_NAME = re.compile(r"checkpoint-([0-9]{9})\..+")


class NewerFormatError(InputError):
    """A checkpoint of another version of this program, which is no damage."""

    def __init__(self, path: Path, found: Any):
        super().__init__(f"{path} has format {found}, which is not known here; update the program, then resume", "file")


class _DamagedError(Exception):
    """Why a checkpoint that was read cannot be trusted."""


def save(
    folder: Path,
    cursor: int,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    *,
    fingerprint: str = "",
    versions: Mapping[str, Any] | None = None,
) -> None:
    """Write the state after `cursor` segments; the previous checkpoint stays. `folder` is the run's own.

    Earlier ones are deleted only when this one has been read back whole.
    """
    import safetensors.torch

    path, data = paths.checkpoint(folder, cursor), safetensors.torch.save(dict(tensors))
    digest = hashlib.sha256(data).hexdigest()
    body = {"format": FORMAT, "cursor": cursor, "facts": dict(facts), "fingerprint": fingerprint, "versions": dict(versions or {})}
    body |= {"file": path.name, "size": len(data), "sha256": digest}
    text = manifest_text(json.loads(json.dumps(body)))
    files.write(path, data, _REMEDY)
    del data
    files.write(paths.manifest(folder, cursor), text, _REMEDY)
    with suppress(UnreadableError):  # not now: then all stay
        _prove(folder, cursor, text, digest)
        _drop_old(folder, cursor)


def keep_last(folder: Path, cursor: int) -> None:
    """Delete all checkpoints but the last of a run that is done, the one after `cursor` segments. All stay unless that one is read back
    whole now."""
    with suppress(UnreadableError):
        if at(folder, cursor) is not None:
            _drop_old(folder, cursor, kept=1)


def load(
    folder: Path, *, fingerprint: str | None = None, versions: Mapping[str, Any] | None = None, saved: int = 0
) -> tuple[dict[str, Tensor] | None, dict[str, Any], str | None]:
    """The newest intact checkpoint: tensors (None: start from the beginning), facts, and a remark for the user if something is wrong.

    A damaged one is quarantined, so that it does not count as the one to fall back on. `saved` is the cursor of a save that is known to
    have finished: it distinguishes a lost checkpoint from one that a kill cut off, which is normal. UnreadableError where one cannot be
    read now, InputError where the whole folder is missing.
    """
    import safetensors.torch

    _check_folder(folder, saved)
    expected = paths.manifest(folder, saved)
    is_gone = saved > 0 and not any(path >= expected for path in paths.manifests(folder))
    remarks = [f"checkpoint {expected.stem} not used: it was saved, and its manifest is gone"] if is_gone else []
    found, damaged = _find(folder, fingerprint, safetensors.torch.load)
    for path, wrong in damaged.items():
        remarks.append(f"checkpoint {path.stem} not used: {wrong}")
        quarantine(path)
    if found is None:
        return None, {}, "; ".join([*remarks, "started again from the beginning"]) if remarks else None
    path, body, tensors = found
    instead = f"resumed from {path.stem} instead" if remarks else ""
    remarks += [instead, _compare(body["versions"], versions or {})]
    return tensors, {**body["facts"], "cursor": body["cursor"]}, "; ".join(filter(None, remarks)) or None


def check_readable(folder: Path, saved: int) -> None:
    """Raise what `load` would raise where the newest checkpoint cannot be read now or the folder is missing. Reads almost nothing."""
    _check_folder(folder, saved)
    for path in paths.manifests(folder)[:1]:
        for file in (path, path.with_suffix(".safetensors")):
            with suppress(*files.ABSENT):
                next(files.chunks(file), b"")


def quarantine(manifest: Path) -> None:
    """Rename the manifest of a damaged checkpoint, so that it no longer counts."""
    try:
        manifest.replace(manifest.with_name(f"{manifest.name}.damaged"))
    except OSError as error:
        raise InputError(f"{manifest} is damaged and could not be renamed: {error.strerror}; {_REMEDY}", "store") from error


def manifest_text(body: Mapping[str, Any]) -> str:
    """The text of a manifest file."""
    return json.dumps({"manifest": body, "sha256": _digest_of(body)}, indent=1)


def newest(folder: Path) -> tuple[dict[str, Any], bytes] | None:
    """Manifest and safetensors bytes of the newest intact checkpoint, verified; needs no torch and changes nothing."""
    found, _ = _find(folder, None, lambda data: data)
    return found and found[1:]


def at(folder: Path, cursor: int) -> tuple[dict[str, Any], bytes] | None:
    """The same of the checkpoint after `cursor` segments; None where it is damaged or not there any more."""
    try:
        return _read(paths.manifest(folder, cursor), None, lambda data: data)
    except (FileNotFoundError, _DamagedError):
        return None


def cursors(folder: Path) -> list[int]:
    """The segments after which a checkpoint of this run is here, newest first."""
    return [_number(path) for path in paths.manifests(folder)]


def damage(manifest: Path) -> str:
    """What is wrong with a checkpoint; empty where it is whole, or where it was dropped meanwhile. Changes nothing."""
    try:
        _read(manifest, None, lambda data: data)
    except FileNotFoundError:
        return ""
    except _DamagedError as error:
        return str(error)
    return ""


def problems(folder: Path) -> list[str]:
    """One line for each damaged checkpoint of a run; changes nothing."""
    return [f"checkpoint {path.stem}: {wrong}" for path in paths.manifests(folder) if (wrong := damage(path))]


def _check_folder(folder: Path, saved: int) -> None:
    """InputError where a checkpoint was saved and nothing of the kind is in the run's folder: then the files lie elsewhere."""
    if saved > 0 and not run_folder.has_saved(folder):
        remedy = f"put them back, mount their disk, or name their place with {paths.RUNS_VARIABLE}, then resume"
        raise InputError(f"the files of this run are not in {folder}, where its checkpoints were saved; {remedy}", "file")


def _find(
    folder: Path, fingerprint: str | None, decode: Callable[[bytes], Any]
) -> tuple[tuple[Path, dict[str, Any], Any] | None, dict[Path, str]]:
    """The newest whole checkpoint (its manifest's path and content, its tensors), and the newer ones that are damaged, and how."""
    while True:
        damaged: dict[Path, str] = {}
        is_dropped = False
        for path in paths.manifests(folder):
            try:
                body, tensors = _read(path, fingerprint, decode)
                return (path, body, tensors), damaged
            except FileNotFoundError:  # by the run that goes on, so there is a newer one
                is_dropped = True
            except _DamagedError as error:
                damaged[path] = str(error)
        if not is_dropped:
            return None, damaged


def _read(path: Path, fingerprint: str | None, decode: Callable[[bytes], Any]) -> tuple[dict[str, Any], Any]:
    """Manifest and decoded tensors, both verified. The bytes that were hashed are the bytes that are used.

    FileNotFoundError: there is no such manifest any more.
    """
    try:
        manifest = json.loads(files.read(path))
        body = manifest["manifest"]
        _require(_digest_of(body) == manifest["sha256"], "its manifest is damaged")
        if body["format"] != FORMAT:
            raise NewerFormatError(path, body["format"])
        _require(path == paths.manifest(path.parent, body["cursor"]), "its manifest belongs to another checkpoint")
        _require(fingerprint in (None, body["fingerprint"]), "it belongs to other settings")
        data = _tensors(path, body["cursor"])
        _require(hashlib.sha256(data).hexdigest() == body["sha256"], "its tensors are damaged")
        return body, decode(data)
    except (UnreadableError, NewerFormatError, FileNotFoundError):
        raise
    except (*_WRONG, *files.ABSENT) as error:
        raise _DamagedError(f"it cannot be read ({type(error).__name__})") from error


def _tensors(manifest: Path, cursor: int) -> bytes:
    try:
        return files.read(paths.checkpoint(manifest.parent, cursor))
    except FileNotFoundError:
        files.read(manifest)  # FileNotFoundError as well where both were dropped meanwhile
        raise _DamagedError("its tensors are gone") from None


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise _DamagedError(otherwise)


def _compare(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A remark when the checkpoint was written with other versions, which may round differently."""
    differing = [f"{name} {then[name]}, now {now[name]}" for name in now if name in then and then[name] != now[name]]
    return f"written with {'; '.join(differing)}: the last bits may differ from an uninterrupted run" if differing else ""


def _prove(folder: Path, cursor: int, text: str, digest: str) -> None:
    """InputError unless a checkpoint that was just written reads back as it was meant."""
    path = paths.checkpoint(folder, cursor)
    try:
        is_whole = _digest(files.chunks(path)) == digest and files.read(paths.manifest(folder, cursor)) == text.encode()
    except files.ABSENT:
        is_whole = False
    if not is_whole:
        raise InputError(f"{path} could not be written: it reads back differently; check the disk, then resume", "store")


def _drop_old(folder: Path, cursor: int, kept: int = KEPT) -> None:
    """Delete what the whole checkpoint after `cursor` supersedes, but for the newest `kept`, it among them; never a newer one.

    Manifests first, so that half a pair never counts.
    """
    staying = [path for path in paths.manifests(folder) if path <= paths.manifest(folder, cursor)][:kept]
    oldest = _number(staying[-1]) if staying else 0
    for path in sorted(files.listed(folder), key=lambda path: path.suffix != ".json"):
        number = _number(path)
        if 0 <= number < oldest or (0 <= number <= cursor and path.suffix == ".damaged"):
            with suppress(OSError):
                path.unlink()


def _number(path: Path) -> int:
    """The cursor in the name of a file of a checkpoint; -1 for any other file."""
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else -1


def _digest(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


def _digest_of(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
