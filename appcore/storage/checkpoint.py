"""Checkpoints and masks as files that survive a kill at any time: safetensors, a manifest written last, nothing that is code.

A checkpoint is a pair: tensors, and a JSON manifest with their size and SHA-256. Each file is written under another name, synced
and renamed, so it is either whole or absent; only a manifest makes a checkpoint count. Masks are read with numpy alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import safetensors
import safetensors.numpy

from .. import paths
from ..errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
KEPT = 2  # the newest, and the one before it in case the newest is damaged


class _UnusableError(Exception):
    """Why a checkpoint cannot be trusted."""


def save(
    folder: Path,
    cursor: int,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    *,
    fingerprint: str = "",
    versions: Mapping[str, Any] | None = None,
) -> None:
    """Write the state after `cursor` segments; the previous checkpoint stays. `folder` is the run's own."""
    import safetensors.torch

    path = paths.checkpoint(folder, cursor)
    with _plain_words(path):
        commit(path, lambda temporary: safetensors.torch.save_file(dict(tensors), temporary))
        body = {"format": FORMAT, "cursor": cursor, "facts": dict(facts), "fingerprint": fingerprint, "versions": dict(versions or {})}
        body |= {"file": path.name, "size": path.stat().st_size, "sha256": _digest(path)}
        text = manifest_text(json.loads(json.dumps(body)))
        commit(paths.manifest(folder, cursor), lambda temporary: temporary.write_text(text, encoding="utf-8"))
    _drop_old(folder, cursor)


def load(
    folder: Path, *, fingerprint: str | None = None, versions: Mapping[str, Any] | None = None, saved: int = 0
) -> tuple[dict[str, Tensor] | None, dict[str, Any], str | None]:
    """The newest intact checkpoint: tensors (None: start from the beginning), facts, and a remark for the user if something is wrong.

    A damaged one is quarantined, so that it does not count as the one to fall back on. `saved` is the cursor of a save that is known to
    have finished: it distinguishes a lost checkpoint from one that a kill cut off, which is normal.
    """
    expected = paths.manifest(folder, saved)
    is_gone = saved > 0 and not any(path >= expected for path in paths.manifests(folder))
    damaged = [f"checkpoint {expected.stem} not used: it was saved, and its manifest is gone"] if is_gone else []
    for path in paths.manifests(folder):
        try:
            tensors, body = _load_one(path, fingerprint)
        except _UnusableError as error:
            damaged.append(f"checkpoint {path.stem} not used: {error}")
            path.replace(path.with_name(path.name + ".damaged"))
            continue
        found = f"resumed from {path.stem} instead" if damaged else ""
        remarks = [*damaged, found, _compare(body["versions"], versions or {})]
        return tensors, {**body["facts"], "cursor": body["cursor"]}, "; ".join(filter(None, remarks)) or None
    return None, {}, "; ".join([*damaged, "started again from the beginning"]) if damaged else None


def manifest_text(body: Mapping[str, Any]) -> str:
    """The text of a manifest file."""
    return json.dumps({"manifest": body, "sha256": _digest_of(body)}, indent=1)


def newest(folder: Path) -> tuple[dict[str, Any], bytes] | None:
    """Manifest and safetensors bytes of the newest intact checkpoint, verified; needs no torch and changes nothing."""
    for path in paths.manifests(folder):
        try:
            return _read(path, None)
        except _UnusableError:
            continue
    return None


def damaged(folder: Path) -> dict[Path, str]:
    """The manifest of each damaged checkpoint of a run, and what is wrong; changes nothing."""
    found = {}
    for path in paths.manifests(folder):
        try:
            _read(path, None)
        except _UnusableError as error:
            found[path] = str(error)
    return found


def problems(folder: Path) -> list[str]:
    """One line for each damaged checkpoint of a run; changes nothing."""
    return [f"checkpoint {path.stem}: {error}" for path, error in damaged(folder).items()]


def commit(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file, then put it in place of `path` in one step that survives a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = paths.temporary(path)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere folders cannot be opened, and need not be
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def save_masks(path: Path, masks: Mapping[str, Any]) -> None:
    """Write boolean masks (tensors or arrays) as packed bits."""
    arrays = {name: numpy.asarray(mask.cpu() if hasattr(mask, "cpu") else mask, dtype=bool) for name, mask in masks.items()}
    packed = {name: numpy.packbits(array) for name, array in arrays.items()}
    about = {"shapes": json.dumps({name: array.shape for name, array in arrays.items()}), "sha256": _digest_of_arrays(packed)}
    with _plain_words(path):
        commit(path, lambda temporary: safetensors.numpy.save_file(packed, temporary, metadata=about))


def load_masks(path: Path) -> dict[str, numpy.ndarray]:
    """Boolean arrays by layer, in network order; needs no torch. InputError for a missing or damaged file."""
    packed, shapes = load_packed(path)
    return {
        name: numpy.unpackbits(bits, count=int(numpy.prod(shapes[name], dtype=numpy.int64))).astype(bool).reshape(shapes[name])
        for name, bits in packed.items()
    }


def load_packed(path: Path) -> tuple[dict[str, numpy.ndarray], dict[str, tuple[int, ...]]]:
    """The masks as packed bits, an eighth of the size, and the shapes; verified."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            about = file.metadata()
            packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
        shapes = {name: tuple(shape) for name, shape in json.loads(about["shapes"]).items()}
        if about["sha256"] != _digest_of_arrays(packed):
            raise ValueError("its checksum differs")
        for name, shape in shapes.items():
            if packed[name].shape != (-(-int(numpy.prod(shape, dtype=numpy.int64)) // 8),):
                raise ValueError(f"{name} does not have the shape that it says")
        return {name: packed[name] for name in shapes}, shapes
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"masks {path} cannot be read ({error}); resume or repeat the run to write them again", "masks") from None


def _load_one(path: Path, fingerprint: str | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and manifest, both verified."""
    import safetensors.torch

    body, data = _read(path, fingerprint)
    try:
        return safetensors.torch.load(data), body
    except (ValueError, KeyError, safetensors.SafetensorError) as error:
        raise _UnusableError(f"it cannot be read ({type(error).__name__})") from error


def _read(path: Path, fingerprint: str | None) -> tuple[dict[str, Any], bytes]:
    """Manifest and tensors as bytes, both verified. The bytes that were hashed are the bytes that are used."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        body = manifest["manifest"]
        _require(_digest_of(body) == manifest["sha256"], "its manifest is damaged")
        _require(body["format"] == FORMAT, f"its format {body['format']} is not known here")
        _require(path == paths.manifest(path.parent, body["cursor"]), "its manifest belongs to another checkpoint")
        _require(fingerprint in (None, body["fingerprint"]), "it belongs to other settings")
        data = paths.checkpoint(path.parent, body["cursor"]).read_bytes()
        _require(hashlib.sha256(data).hexdigest() == body["sha256"], "its tensors are damaged")
        return body, data
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _UnusableError(f"it cannot be read ({type(error).__name__})") from error


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise _UnusableError(otherwise)


def _compare(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A remark when the checkpoint was written with other versions, which may round differently."""
    differing = [f"{name} {then[name]}, now {now[name]}" for name in now if name in then and then[name] != now[name]]
    return f"written with {'; '.join(differing)}: the last bits may differ from an uninterrupted run" if differing else ""


def _drop_old(folder: Path, cursor: int) -> None:
    """Delete all but the newest checkpoints up to `cursor`; manifests first, so that half a pair never counts.

    Newer ones stay: who saved them has replaced the driver that saves this one, after it was suspended.
    """
    newest = paths.manifest(folder, cursor).stem
    kept = [path.stem for path in paths.manifests(folder) if path.stem <= newest][:KEPT]
    for path in [*paths.manifests(folder), *folder.glob("checkpoint-*")]:
        name = path.name.split(".")[0]
        if name <= newest and name not in kept:
            path.unlink(missing_ok=True)


@contextmanager
def _plain_words(path: Path) -> Iterator[None]:
    """Turns a failed write into one line that names the file and the remedy."""
    try:
        yield
    except (OSError, safetensors.SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} could not be written: {reason}; free disk space or mend permissions, then resume", "store") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _digest_of_arrays(arrays: Mapping[str, numpy.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode() + b"\0" + arrays[name].tobytes())
    return found.hexdigest()
