"""The mark in the folder of a run that says which store it belongs to. Knows no database.

It is `.store/NAME`, with the name of the store. While files and rows change together (import, restore, delete) there is also
`.store/unsettled`: a folder that says so and has no row was left by a kill in between. Folders of earlier versions have no mark. Marks are
folders, not files, because a backup consists of files.
"""

from __future__ import annotations

import errno
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from .. import files, paths
from ..errors import InputError

_UNSETTLED = "unsettled"


def owner(folder: Path) -> str:
    """The name of the store that a run's folder belongs to; empty where it has no mark."""
    return next((path.name for path in files.listed(paths.owner_mark(folder)) if path.name != _UNSETTLED), "")


def has_saved(folder: Path) -> bool:
    """Whether there is anything in a folder that a run saved."""
    return any(path.name.startswith(("checkpoint-", "masks", "exports")) for path in files.listed(folder))


def another(folder: Path) -> InputError:
    """The error for a folder that belongs to another store."""
    remedy = f"use that store; or, if it is gone, delete {paths.owner_mark(folder)}"
    return InputError(f"the files in {folder} belong to another store; {remedy}", "store")


def mark(folder: Path, store: str, *, is_unsettled: bool = False) -> None:
    """Mark a folder, which is made where there is none. InputError where it cannot be written, or has another store's mark."""
    mark = paths.owner_mark(folder)
    made = mark.with_name(f"{mark.name}-{secrets.token_hex(8)}")
    try:
        if not owner(folder):
            (made / store).mkdir(parents=True)
            if is_unsettled:
                (made / _UNSETTLED).mkdir()
            _put(made, mark)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise InputError(f"{folder} could not be written: {error.strerror}; {files.REMEDY}, then resume", "store") from error
    if owner(folder) != store:
        raise another(folder)


def _put(made: Path, mark: Path) -> None:
    try:
        made.rename(mark)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(made)  # another program was quicker; which one is looked at next


def unmark(folder: Path) -> None:
    """Remove a mark."""
    shutil.rmtree(paths.owner_mark(folder), ignore_errors=True)


def is_unsettled(folder: Path) -> bool:
    """Whether files and rows were about to change together."""
    return any(path.name == _UNSETTLED for path in files.listed(paths.owner_mark(folder)))


def unsettle(folder: Path) -> None:
    """Say that files and rows are about to change together; InputError where that cannot be written."""
    try:
        (paths.owner_mark(folder) / _UNSETTLED).mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} could not be written: {error.strerror}; mend its permissions, then try again", "store") from error


def settle(folder: Path) -> None:
    """Say that files and rows fit."""
    with suppress(OSError):  # the row is there, so nothing is lost where the note stays
        (paths.owner_mark(folder) / _UNSETTLED).rmdir()


# ---- moving


def place(source: Path, target: Path, store: str) -> None:
    """Move the files of a run to where they belong, marked and unsettled.

    What a kill left there goes, files of this store that lost their row are set aside, all else is left alone: InputError.
    """
    mark(source, store, is_unsettled=True)
    try:
        if target.exists():
            _make_way(target, store)
        source.rename(target)
    except OSError as error:
        raise InputError(f"{target} could not be put into place: {error.strerror}; {files.REMEDY}, then try again") from error


def _make_way(target: Path, store: str) -> None:
    found = owner(target)
    if found != store:
        where = f"files of run {target.name} are there already in {target.parent}"
        other = f"of another store; name a store in another folder with {paths.STORE_VARIABLE}, or another {paths.RUNS_VARIABLE}"
        raise InputError(f"{where}, {other if found else 'of no run of this store; move them away unless another store has them'}")
    if is_unsettled(target):
        remove(target)
    else:
        target.rename(target.with_name(f"{target.name}.without-row-{secrets.token_hex(4)}"))


def take_away(folder: Path) -> Path:
    """Rename a folder that is to be removed; returns its new place."""
    gone = folder.with_name(f"{paths.DELETED_PREFIX}{secrets.token_hex(8)}")
    return folder.rename(gone)


def remove(folder: Path) -> None:
    """Remove a folder, at once out of its place and then file by file."""
    with suppress(OSError):
        shutil.rmtree(take_away(folder), ignore_errors=True)
