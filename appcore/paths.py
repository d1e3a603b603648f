"""All file names that the program writes, defined once. Knows no formats."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from pathlib import Path

from . import files
from .errors import InputError

STORE_VARIABLE = "APPCORE_STORE"
DATA_VARIABLE = "APPCORE_DATA"
RUNS_VARIABLE = "APPCORE_RUNS"
LIMITS_VARIABLE = "APPCORE_LIMITS"
DEFAULT_STORE = "sqlite:///runs/appcore.db"
DEFAULT_DATA = "data"
DEFAULT_RUNS = "runs"
IMPORT_PREFIX = ".import-"  # folders where the files of an imported run lie until all have been checked; a leftover is never read
DELETED_PREFIX = ".deleted-"  # folders of deleted runs until all of their files are gone


def store_address() -> str:
    """Path or URL of the store: APPCORE_STORE, or the file under runs/. InputError for a path in the home folder of nobody."""
    address = os.environ.get(STORE_VARIABLE) or DEFAULT_STORE
    try:
        (store_file(address) or Path()).expanduser()
    except RuntimeError:
        raise InputError(f"store {address!r} is in the home folder of nobody; name another with {STORE_VARIABLE}", "store") from None
    return address


def store_file(address: str) -> Path | None:
    """The file of a store by its path or URL; None for a store on a server."""
    path = address.removeprefix("sqlite:///")
    return None if "://" in path else Path(path)


def runs_folder() -> Path:
    """Where the files of runs lie when the store is on a server: APPCORE_RUNS, or runs/. With a store in a file they lie beside it."""
    return Path(os.environ.get(RUNS_VARIABLE) or DEFAULT_RUNS).absolute()


def limits(folder: Path) -> Path:
    """The limits for users of a shared server."""
    return folder / "limits.toml"


def before_upgrade(file: Path, version: int) -> Path:
    """Copy of an SQLite store as it was before it was brought to a newer version."""
    return file.with_name(f"{file.name}.version-{version}")


def before_repair(file: Path, when: datetime) -> Path:
    """Copy of an SQLite store as it was before its indexes were recreated."""
    return file.with_name(f"{file.name}.before-repair-{when:%Y%m%d-%H%M%S}")


def quarantine(folder: Path, now: datetime) -> Path:
    """Rows of the store that could not be read, put aside at a time."""
    return folder / f"quarantine-{now:%Y%m%d-%H%M%S-%f}.jsonl"


def data_root() -> Path:
    """Folder that holds downloaded data sets: APPCORE_DATA, or data/."""
    return Path(os.environ.get(DATA_VARIABLE) or DEFAULT_DATA)


def run_folder(folder: Path, run_id: str) -> Path:
    """The folder for all files of one run."""
    return folder / run_id


def checkpoint(run_folder: Path, cursor: int) -> Path:
    """Tensors of a run after its first `cursor` segments."""
    return run_folder / f"checkpoint-{cursor:09d}.safetensors"


def manifest(run_folder: Path, cursor: int) -> Path:
    """The contents of a checkpoint; it counts only once this file exists."""
    return run_folder / f"checkpoint-{cursor:09d}.json"


def manifests(run_folder: Path) -> list[Path]:
    """The manifests of a run, newest first. UnreadableError where the folder cannot be listed."""
    return [path for path in reversed(files.listed(run_folder)) if path.match("checkpoint-*.json")]


def masks(run_folder: Path, segment: int) -> Path:
    """Masks after `segment`: a prune point, or the end of a megabatch whose epochs changed them."""
    return run_folder / "masks" / f"{segment:09d}.safetensors"


def removals(run_folder: Path) -> Path:
    """All masks of a run whose prune points only remove, as one file; see storage/removals."""
    return run_folder / "masks" / "removals.safetensors"


def stored_masks(run_folder: Path) -> list[Path]:
    """The files of single masks of a run, in order of time. UnreadableError where the folder cannot be listed."""
    return [path for path in files.listed(masks(run_folder, 0).parent) if path.suffix == ".safetensors" and path.stem.isdigit()]


def worker_log(run_folder: Path) -> Path:
    """The output of a worker process."""
    return run_folder / "worker.log"


def owner_mark(run_folder: Path) -> Path:
    """The folder in the folder of a run that says which store the run is of."""
    return run_folder / ".store"


def exported(what: str, run_id: str = "", number: int = 0) -> str:
    """Name of a file of an export; `number` counts prune points from 1."""
    return {
        "settings": "config.json",
        "result": "result.json",
        "epochs": "epochs.csv",
        "megabatches": "megabatches.csv",
        "layers": "layers.csv",
        "weights": "weights.safetensors",
        "masks": f"masks-{number:02d}.safetensors",
        "bundle": f"{run_id}.zip",
    }[what]


def model_file(run_folder: Path, what: str, cursor: int) -> Path:
    """The network of a run after `cursor` segments, in a format for other programs."""
    suffix = {"onnx": "onnx", "shrunk": "onnx", "reality": "json"}.get(what, "safetensors")
    return run_folder / "exports" / f"{what}-{cursor:09d}.{suffix}"


def allowed_code(folder: Path, digest: str) -> Path:
    """The copy of a Python file that may be run here, by the digest of what is run. Nothing that comes from elsewhere is written there."""
    return folder / "code" / f"{digest}.py"


def restored_code(folder: Path, digest: str) -> Path:
    """The same file as a backup brought it along, to be read; it may not be run."""
    return folder / "code" / "restored" / f"{digest}.py"


def all_uploads(folder: Path) -> Path:
    """Where the folders of all users with uploads lie."""
    return folder / "uploads"


def uploads(folder: Path, owner: str) -> Path:
    """Where the images lie that a user has uploaded."""
    return all_uploads(folder) / (hashlib.sha256(owner.encode()).hexdigest()[:16] if owner else "all")


def uploaded(folder: Path, owner: str, digest: str, suffix: str) -> Path:
    """Uploaded images by the digest of their bytes; `suffix` such as .zip."""
    return uploads(folder, owner) / f"images-{digest[:16]}{suffix}"


def slurm(folder: Path) -> Path:
    """Where jobs of a Slurm cluster find what they shall do, and leave what they say."""
    return folder / "slurm"


def bench_numbers(folder: Path, machine: str) -> Path:
    """The numbers of `bench` on a machine."""
    return folder / f"results-{machine}.json"


def bench_table(folder: Path, machine: str) -> Path:
    """The same as a readable table."""
    return folder / f"results-{machine}.md"


def absolute(text: str) -> str:
    """A path that users typed, made absolute; links are not followed, and what cannot be a path stays as it is."""
    try:
        return str(Path(text).expanduser().absolute())
    except (RuntimeError, OSError, ValueError):  # ~ of an unknown user; the working folder is gone
        return text


def temporary(path: Path) -> Path:
    """Name under which earlier versions wrote a file before they renamed it; a leftover is never read."""
    return path.with_name(path.name + ".tmp")
