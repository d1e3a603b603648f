"""Import of a bundle from an untrusted source: the zip's list of contents is checked first, then members are read with size limits.

Nothing is unpickled and no name in the zip becomes a path. A bundle is imported as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

import safetensors
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .. import files, paths
from ..config import RunConfig
from ..errors import InputError
from ..storage import checkpoint, removals
from ..storage.store import Store
from ..untrusted.refusals import shown
from ..untrusted.zip_file import Capped, opened, overlap, problem
from . import bundle_record
from .bundle_record import EVENTS, FORMAT, MANIFEST, RECORD

_MEGABYTE = 2**20
MOST_BYTES = 4096 * _MEGABYTE
# Every name that a bundle may contain, and its size limit in bytes.
_MEMBERS = {
    re.compile(re.escape(MANIFEST)): 4 * _MEGABYTE,
    re.compile(re.escape(RECORD)): _MEGABYTE,
    re.compile(re.escape(EVENTS)): 32 * _MEGABYTE,
    re.compile(r"checkpoint-[0-9]{9}\.json"): 4 * _MEGABYTE,
    re.compile(r"checkpoint-[0-9]{9}\.safetensors"): MOST_BYTES,
    re.compile(r"masks/[0-9]{9}\.safetensors"): 32 * _MEGABYTE,
    re.compile(r"masks/removals\.safetensors"): 256 * _MEGABYTE,
}
_MOST_HEADER = 4 * _MEGABYTE
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, ValueError, OverflowError, KeyError)


class _Listed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    program: str
    run_id: str = Field(pattern=bundle_record.RUN_ID)
    members: dict[str, _Listed]


def import_bundle(
    store: Store,
    path: str | Path,
    *,
    allow: Callable[[int], None] = lambda size: None,
    admit: Callable[[Store, int], None] = lambda inside, size: None,
) -> str:
    """Add the run of a bundle to the store and return its id; a run that exists already with the same content is left alone.

    `allow` is called with the size of the file, and again with its unpacked size, and refuses with InputError; so does `admit`, with the
    unpacked size, in the transaction that adds the run.

    Anything but a complete bundle raises InputError, one line that names the file; then nothing is written.
    """
    path = Path(path).expanduser()
    with _plain_words(path), opened(path) as file:
        allow(path.stat().st_size)
        bundle = _Bundle(file)
        allow(bundle.size)
        record, config, entries = bundle.run()
        with _staging(store.folder, bundle.size) as staging:
            folder = staging / record.run_id
            saved = bundle.unpack(folder, record, config, entries)
            if store.revision([record.run_id]):
                _require(_is_same(store, record, entries), f"run {record.run_id} is here already with other content; delete that one first")
                return record.run_id
            events, seqs = [one.event for one in entries], [one.nth for one in entries]
            columns = bundle_record.columns(record, config)
            with store.files.arriving() as arrive, store.alone() as inside:
                admit(inside, bundle.size)
                place = partial(arrive, folder=folder, run_id=record.run_id)
                inside.add(record.run_id, config, events, seqs=seqs, place=place, saved=saved, **columns)
    return record.run_id


class RefusedError(InputError):
    """What `import_bundle` would say of a bundle."""


def judge(file: IO[bytes], path: Path, scratch: Path) -> None:
    """RefusedError where `import_bundle` would refuse a bundle, by the same rules. `scratch` is a new folder."""
    try:
        with _plain_words(path):
            bundle = _Bundle(Capped(file.fileno()))
            bundle.unpack(scratch, *bundle.run())
    except InputError as error:
        if error.field != "file" or isinstance(error, files.UnreadableError):
            raise
        raise RefusedError(error.message, error.field) from error


class _Bundle:
    """A zip whose list of contents was checked to be that of a bundle."""

    def __init__(self, file: IO[bytes]):
        self._zip = zipfile.ZipFile(file)
        infos = self._zip.infolist()
        self._sizes = {info.filename: info.file_size for info in infos}
        for info in infos:
            most = next((most for name, most in _MEMBERS.items() if name.fullmatch(info.orig_filename)), None)
            found = problem(info, most or MOST_BYTES) or ("" if most else "does not belong in a bundle")
            _require(not found, f"member {shown(info.orig_filename)} {found}")
        _require(len(self._sizes) == len(infos), "a member occurs twice")
        _require(not (found := overlap(infos, self._zip.start_dir)), found)
        _require(MANIFEST in self._sizes, "it has no manifest, so it is no bundle")
        self.manifest = self._read_manifest()
        listed = {name: member.size for name, member in self.manifest.members.items()}
        _require(
            listed == {name: size for name, size in self._sizes.items() if name != MANIFEST}, "its members are not those of its manifest"
        )
        _require({RECORD, EVENTS} <= set(listed), "it holds no run")
        self.size = sum(listed.values())

    def _read_manifest(self) -> _Manifest:
        try:
            found = json.loads(self._zip.read(MANIFEST))
            version = found.get("format") if isinstance(found, dict) else None
            _require(not isinstance(version, int) or version <= FORMAT, f"its format {version} is newer than {FORMAT}; update the program")
            return _Manifest.model_validate(found)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise InputError(f"manifest: {'.'.join(map(str, first['loc']))[:100]}: {first['msg'][:200]}") from None

    def names(self, start: str) -> list[str]:
        """Members whose name begins with this text."""
        return sorted(name for name in self.manifest.members if name.startswith(start))

    def read(self, name: str) -> bytes:
        """The bytes of a small member, verified."""
        data = self._zip.read(name)
        _require(hashlib.sha256(data).hexdigest() == self.manifest.members[name].sha256, f"member {name} is damaged: its checksum differs")
        return data

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a member, verified before the first is returned."""
        return iter(self.read(name).splitlines())

    def run(self) -> tuple[bundle_record.Record, RunConfig, list[bundle_record.RecordedEvent]]:
        """The run without its files, checked."""
        record, config, entries = bundle_record.read(self.read(RECORD), self.lines(EVENTS))
        _require(record.run_id == self.manifest.run_id, "its manifest belongs to another run")
        return record, config, entries

    def unpack(
        self, folder: Path, record: bundle_record.Record, config: RunConfig, entries: list[bundle_record.RecordedEvent]
    ) -> int | None:
        """Copy the run's files into `folder`, and check that they fit the run; returns the cursor of its checkpoint."""
        folder.mkdir(exist_ok=True)
        self._copy(folder)
        saved = _check_checkpoint(folder, self, record, config)
        _check_masks(folder, record, entries)
        return saved

    def _copy(self, folder: Path) -> None:
        """Copy the run's files into `folder`, each verified, under our own names rather than the zip's."""
        for name in self.names("checkpoint-") + self.names("masks/"):
            files.commit(_place(folder, name), partial(self._stream, name), "make room, or mend permissions, then try again")

    def _stream(self, name: str, target: IO[bytes]) -> None:
        left, found = self.manifest.members[name].size, hashlib.sha256()
        with self._zip.open(name) as source:
            while chunk := source.read(_MEGABYTE):
                left -= len(chunk)
                _require(left >= 0, f"member {name} is longer than it says")
                found.update(chunk)
                target.write(chunk)
        _require(found.hexdigest() == self.manifest.members[name].sha256, f"member {name} is damaged: its checksum differs")


def _place(folder: Path, name: str) -> Path:
    """Where a member belongs in the folder of a run."""
    number = re.sub("[^0-9]", "", name)
    if name.startswith("masks/"):
        return paths.masks(folder, int(number)) if number else paths.removals(folder)
    return (paths.manifest if name.endswith(".json") else paths.checkpoint)(folder, int(number))


def _check_checkpoint(folder: Path, bundle: _Bundle, record: bundle_record.Record, config: RunConfig) -> int | None:
    """Check that the checkpoint, if there is one, is intact and fits the settings and the network; returns its cursor."""
    names = bundle.names("checkpoint-")
    if not names:
        return None
    stem = names[0].partition(".")[0]
    _require(names == [f"{stem}.json", f"{stem}.safetensors"], "it needs one checkpoint of two files, or none")
    text = bundle.read(names[0])
    body = json.loads(text)["manifest"]
    _require(isinstance(body, dict) and text.decode() == checkpoint.manifest_text(body), "the checkpoint's manifest is damaged")
    listed = bundle.manifest.members[names[1]]
    stated = tuple(body.get(key) for key in ("format", "file", "size", "sha256", "fingerprint"))
    _require(
        stated == (checkpoint.FORMAT, names[1], listed.size, listed.sha256, config.fingerprint), "its checkpoint is that of another run"
    )
    _require(body.get("cursor") == int(stem[-9:]) <= record.cursor, "its checkpoint is not the one that its run ended with")
    _require(isinstance(body.get("facts"), dict) and isinstance(body.get("versions"), dict), "the checkpoint's manifest is damaged")
    tensors = _header(paths.checkpoint(folder, body["cursor"]))[0]
    for layer in record.started.layers if record.started else ():
        fits = [tensors.get(f"{group}/{layer.name}", ("", ()))[1] == list(layer.shape) for group in ("model", "masks")]
        _require(all(fits) and tensors[f"masks/{layer.name}"][0] == "BOOL", f"the checkpoint does not fit layer {shown(layer.name)}")
    return body["cursor"]


def _check_masks(folder: Path, record: bundle_record.Record, entries: list[bundle_record.RecordedEvent]) -> None:
    """Check that the masks of every prune point fit the network and the numbers of kept weights in the run's events."""
    points = {one.pruned.segment: one.pruned for one in entries if one.pruned}
    shapes = {layer.name: list(layer.shape) for layer in record.started.layers} if record.started else {}
    wanted = {segment: {layer.name: layer.kept for layer in point.layers} for segment, point in points.items()}
    if paths.removals(folder).exists():
        _require(not paths.stored_masks(folder), "it has its masks twice")
        _check_removals(folder, shapes, wanted)
        return
    found = {int(path.stem): path for path in paths.stored_masks(folder)}
    _require(set(found) == set(points), "it needs the masks of every prune point, and no others")
    for segment, path in found.items():
        _require(json.loads(_header(path)[1].get("shapes", "null")) == shapes, f"the masks of segment {segment} do not fit the network")
        kept = {name: int(mask.sum()) for name, mask in checkpoint.load_masks(path).items()}
        _require(kept == wanted[segment], f"the masks of segment {segment} keep other weights")


def _check_removals(folder: Path, shapes: dict[str, list[int]], wanted: dict[int, dict[str, int]]) -> None:
    """The same of masks in one file; `wanted`: the weights that each prune point keeps in each layer."""
    _header(paths.removals(folder))
    found = removals.read(folder)
    assert found is not None
    _require({name: list(shape) for name, shape in found.shapes.items()} == shapes, "its masks do not fit the network")
    _require(list(found.segments) == sorted(wanted), "it needs the masks of every prune point, and no others")
    for segment, kept in zip(found.segments, found.kept(), strict=True):
        _require(kept == wanted[segment], f"the masks of segment {segment} keep other weights")


def _header(path: Path) -> tuple[dict[str, tuple[str, list[int]]], dict[str, str]]:
    """Type and shape of each tensor of a safetensors file, and its metadata."""
    with path.open("rb") as file:
        _require(int.from_bytes(file.read(8), "little") <= _MOST_HEADER, "a file of tensors has too long a header")
    with safetensors.safe_open(path, framework="numpy") as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118, it is no dict
        return {name: (part.get_dtype(), part.get_shape()) for name, part in parts.items()}, file.metadata() or {}


def _is_same(store: Store, record: bundle_record.Record, entries: list[bundle_record.RecordedEvent]) -> bool:
    """Whether the store has the same run already, whatever its title there."""
    named = record.model_copy(update={"title": store.get(record.run_id)["title"]})
    return bundle_record.describe(store, record.run_id) == bundle_record.text(named, entries)


@contextmanager
def _staging(parent: Path, size: int) -> Iterator[Path]:
    """A temporary folder beside the runs, removed at the end; and the folder of the store, if it was made for this and is empty."""
    existing = next(folder for folder in (parent, *parent.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    _require(size < free, f"it needs {size:,} bytes and {free:,} are free in {existing}; make room first")
    parent.mkdir(parents=True, exist_ok=True)
    try:
        with files.temporary_folder(parent, paths.IMPORT_PREFIX) as folder:
            yield folder
    finally:
        with suppress(OSError):  # usually not empty
            for made in takewhile(lambda folder: folder != existing, (parent, *parent.parents)):
                made.rmdir()


@contextmanager
def _plain_words(path: Path) -> Iterator[None]:
    """Turn any error that a broken file causes into one line that names the file."""
    try:
        yield
    except InputError as error:
        if error.field == "store":
            raise
        raise InputError(f"bundle {shown(path)}: {shown(error.message, 400)}", "file") from error
    except FileNotFoundError as error:
        raise InputError(f"bundle {shown(path)}: there is no such file; name one that `export` wrote", "file") from error
    except files.ABSENT as error:
        raise InputError(f"bundle {shown(path)}: {error.strerror or error}; name a file that `export` wrote", "file") from error
    except OSError as error:
        raise InputError(f"bundle {shown(path)}: {error.strerror or error}; {files.REMEDY}, then try again", "file") from error
    except (*BROKEN, TypeError, AttributeError, RecursionError, safetensors.SafetensorError) as error:
        problem = f"it is not a bundle that can be read ({type(error).__name__}: {shown(error)})"
        raise InputError(f"bundle {shown(path)}: {problem}; export the run again", "file") from error


def _require(is_so: Any, otherwise: str) -> None:
    if not is_so:
        raise InputError(otherwise)
