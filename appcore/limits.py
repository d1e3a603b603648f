"""Limits for the users of a shared server, from one file: `limits.toml` beside the store, or the file that APPCORE_LIMITS names.

The file is read when it is needed, so a change counts at once. No file, no limits. A file with a mistake blocks what it should limit.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from . import paths
from .config import file_of_weights
from .errors import InputError, NoRoomError, OverLimitError
from .names import counted

KEEP = "keep"  # runs with this tag stay, however old they are
_Count = Annotated[int, Field(ge=0)]


def _host(text: str) -> str:
    name = text.strip().lower().rstrip(".").strip("[]")
    if not re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]*:[0-9a-f:.]*", name):
        raise ValueError(f"{text!r} is no name or number of a server; write it without http:// and port, e.g. lab.example.org")
    return name


def _place(text: str) -> str:
    host, _, port = text.strip().rpartition(":")
    if not (port.isdecimal() and 0 < int(port) < 2**16) or host in ("", "*", "0.0.0.0", "[::]") or host.startswith("*"):
        raise ValueError(f"{text!r} is no address for phones; write this machine's number in the network and a port, e.g. 192.168.1.5:8502")
    name = _host(host)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


class Limits(BaseModel):
    """The limits; None means unlimited."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    admins: list[str] = Field([], description="who sees and controls the runs of all, by the name with which they sign in")
    hosts: list[Annotated[str, AfterValidator(_host)]] = Field(
        [], description="addresses of this server besides localhost, such as lab.example.org or *.example.org"
    )
    queue: _Count | None = Field(None, description="runs of everybody that wait, go on or are paused at one time")
    runs_per_user: _Count | None = Field(None, description="the same for one user")
    epochs: _Count | None = Field(None, description="epochs of a run, all megabatches and rounds together")
    images: _Count | None = Field(None, description="images that a run trains on, repeats counted")
    image_folders: list[str] | None = Field(None, description="where images:PATH and weights may lie; [] forbids those of one's own")
    code_files: Literal["on", "off"] | None = Field(
        None, description="whether networks may be Python files of users; by default where nothing is limited and nobody signs in"
    )
    upload_megabytes: _Count | None = Field(None, description="size of a bundle or of images that are uploaded, packed and unpacked")
    disk_megabytes_per_user: _Count | None = Field(None, description="files of one user's runs and uploads, before another is started")
    retention_days: Annotated[int, Field(ge=1)] | None = Field(
        None, description=f"ended runs go after this time, unless they have the tag {KEEP}"
    )
    same_runs: Literal["on", "off"] | None = Field(
        None, description="whether a run of anybody answers everybody who asks for the same settings and data; on by default"
    )
    classes: Literal["on", "off"] | None = Field(
        None, alias="class", description="whether classes may be opened for phones; by default where only this machine is answered"
    )
    class_address: Annotated[str, AfterValidator(_place)] | None = Field(
        None, description="number and port of this machine where phones find classes and nothing else, such as 192.168.1.5:8502"
    )

    def check_run(self, config: Any, epochs: int, images: int, owner: str = "") -> None:
        """OverLimitError for a run that is longer than allowed, reads from a folder that is not, or is code of one who may run none.

        `epochs` and `images` of its whole plan, rounds included.
        """
        _require("epochs", self.epochs, epochs, "this run has {epochs}", "epochs")
        _require("images", self.images, images, "this run trains on {images}, repeats counted", "limit_train")
        self.check_path(config.dataset)
        self.check_code(config.arch, owner)
        if config.weights:
            self.check_place(str(file_of_weights(config.weights)[0]), "weights")

    def check_path(self, dataset: str) -> None:
        """OverLimitError for images:PATH outside of the folders in which images may lie; links are followed first."""
        kind, _, path = dataset.partition(":")
        if kind == "images":
            self.check_place(path, "dataset")

    def check_place(self, path: str, field: str) -> None:
        """The same for the path of any file of images or weights; `field`: the setting that names it."""
        if self.image_folders is None:
            return
        try:
            real = Path(path).expanduser().resolve()
            allowed = any(real.is_relative_to(Path(folder).expanduser().resolve()) for folder in self.image_folders)
        except (OSError, RuntimeError, ValueError):  # circular links, a NUL, ~ of an unknown user
            allowed = False
        if not allowed:
            what, instead = {"dataset": ("images", "choose another data set"), "weights": ("weights", "leave it empty")}[field]
            where = f"put them into {' or '.join(self.image_folders)}" if self.image_folders else instead
            raise OverLimitError(f"{field}: {what} may not be read from there on this server (limit image_folders); {where}", field)

    def check_code(self, arch: str, owner: str = "") -> None:
        """OverLimitError for a network that is a Python file, where several people use this: a limit is set, or `owner` signed in."""
        is_shared = bool(owner or self.model_fields_set - {"code_files", "same_runs", "classes", "class_address"})
        if arch.startswith("file:") and self.code_files != "on" and (is_shared or self.code_files == "off"):
            problem = "networks from Python files are programs, which this server does not run for its users"
            raise OverLimitError(f"arch: {problem} (limit code_files); choose another network", "arch")

    def check_queue(self, going: int, mine: int) -> None:
        """NoRoomError when these are too many runs at one time, of all users or of one."""
        _require("queue", self.queue, going, "{runs} would wait or go on here", "", NoRoomError)
        _require("runs_per_user", self.runs_per_user, mine, "{runs} of yours would wait or go on", "", NoRoomError)

    def check_upload(self, size: int) -> None:
        """OverLimitError for a file, or what it unpacks to, that is too large."""
        _require("upload_megabytes", self.upload_megabytes, -(-size // 2**20), "this file has {value:,} MiB", "file")

    def check_disk(self, used: int) -> None:
        """NoRoomError when a user's runs take more disk space than allowed."""
        text = "your runs take {value:,} MiB"
        megabytes = -(-used // 2**20)
        _require("disk_megabytes_per_user", self.disk_megabytes_per_user, megabytes, text, "", NoRoomError, "; delete some")


def _require(
    name: str, most: int | None, value: int, text: str, field: str, error: type[OverLimitError] = OverLimitError, remedy: str = ""
) -> None:
    if most is not None and value > most:
        counts = {f"{noun}s": counted(value, noun) for noun in ("epoch", "image", "run")}
        raise error(f"{text.format(value=value, **counts)}, and this server allows {most:,} (limit {name}){remedy}", field)


def load(folder: Path | None = None) -> Limits:
    """The limits for the store in `folder` (default: for the store that APPCORE_STORE names). InputError for a file that is wrong."""
    named = os.environ.get(paths.LIMITS_VARIABLE)
    if folder is None:
        file = paths.store_file(paths.store_address())
        folder = file.expanduser().absolute().parent if file else paths.runs_folder()
    path = Path(named) if named else paths.limits(folder)
    try:
        facts = path.stat()
        return _read(path, facts.st_mtime_ns, facts.st_size)
    except FileNotFoundError:
        if not named:
            return Limits()
        raise InputError(f"limits {path}: there is no such file; write it or unset {paths.LIMITS_VARIABLE}", "limits") from None
    except OSError as error:
        raise InputError(f"limits {path}: {error.strerror}; mend that, nothing starts without them", "limits") from error


@lru_cache(maxsize=8)
def _read(path: Path, changed: int, size: int) -> Limits:
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        raise InputError(f"limits {path}: {getattr(error, 'message', error)}; mend that, nothing starts without them", "limits") from None


def parse(values: Mapping[str, Any]) -> Limits:
    """Limits from the keys of the file; InputError in one line for an unknown key or a wrong value."""
    try:
        return Limits.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, first["loc"]))[:100]
        keys = ", ".join(field.alias or key for key, field in Limits.model_fields.items())
        known = f"; known: {keys}" if first["type"] == "extra_forbidden" else ""
        raise InputError(f"{name}: {first['msg']}{known}", "limits") from None
