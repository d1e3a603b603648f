"""Damage the files of a run at its end in a random way, and see what reading them gives."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from appcore import paths
from appcore.errors import InputError
from appcore.storage import checkpoint
from appcore.storage.store import Store

UNCHANGED, TOLD, VALUE, SILENT = (
    "as before",
    "refused or quarantined, and reported",
    "one row read with other values: a flipped bit for which SQLite has no checksum",
    "WRONG AND NOT SAID",
)


def truncate(path: Path, draw: random.Random, others: list[Path]) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: draw.randrange(len(data))])


def flip(path: Path, draw: random.Random, others: list[Path]) -> None:
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)


def swap(path: Path, draw: random.Random, others: list[Path]) -> None:
    other = draw.choice([item for item in others if item != path])
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def remove(path: Path, draw: random.Random, others: list[Path]) -> None:
    path.unlink()


def half_a_line(path: Path, draw: random.Random, others: list[Path]) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - draw.randrange(1, min(40, len(data)))])


KINDS: dict[str, Callable[[Path, random.Random, list[Path]], None]] = {
    "truncated": truncate,
    "one bit flipped": flip,
    "two files swapped": swap,
    "file gone": remove,
    "last line half-written": half_a_line,
}


def _content(folder: Path) -> str | None:
    """What a load gives, as a digest; None when it begins at the beginning."""
    tensors, facts, _ = checkpoint.load(folder)
    if tensors is None:
        return None
    digest = hashlib.sha256(repr(sorted((name, value) for name, value in facts.items())).encode())
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].numpy().tobytes())
    return digest.hexdigest()


def checkpoints(folder: Path, run_folder: Path, count: int, seed: int = 0) -> dict[str, dict[str, int]]:
    """Damage copies of a run's newest two checkpoints `count` times; outcomes counted by kind. `folder` is scratch."""
    manifests = paths.manifests(run_folder)
    assert len(manifests) == 2, manifests
    good = {"newest": _content(run_folder)}
    only_older = folder / "older"
    shutil.copytree(run_folder, only_older)
    paths.manifests(only_older)[0].unlink()
    good["older"] = _content(only_older)
    saved = int(manifests[0].stem.rpartition("-")[2])  # the store knows
    found: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    for number in range(count):
        draw = random.Random(f"{seed}/{number}")
        kind = list(KINDS)[number % len(KINDS)]
        place = folder / "copy"
        shutil.copytree(run_folder, place, ignore=shutil.ignore_patterns("masks"))
        files = sorted(path for path in place.iterdir() if path.name.startswith("checkpoint-"))
        KINDS[kind](draw.choice(files), draw, files)
        tensors, _, remark = checkpoint.load(place, saved=saved)
        again = _content(place)  # damaged ones are set aside by now; what was chosen stays chosen
        if again == good["newest"]:
            what = TOLD if remark else UNCHANGED
        elif remark and (tensors is None or again == good["older"]):
            what = TOLD
        else:
            what = SILENT
        found[kind][what] = found[kind].get(what, 0) + 1
        shutil.rmtree(place)
    return found


def stores(folder: Path, database: Path, run_id: str, count: int, seed: int = 0) -> dict[str, dict[str, int]]:
    """Damage copies of a store file `count` times; what reading everything of its run gives, counted by kind."""
    kinds = ("truncated", "one bit flipped", "last line half-written")
    whole, found = _read(database, run_id), {kind: {} for kind in kinds}
    for number in range(count):
        place = folder / f"store-{number}"
        place.mkdir()
        copy = place / database.name
        shutil.copy(database, copy)
        kind = kinds[number % len(kinds)]
        KINDS[kind](copy, random.Random(f"{seed}/{number}"), [])
        what = _outcome(copy, run_id, whole, is_flip=kind == "one bit flipped")
        found[kind][what] = found[kind].get(what, 0) + 1
        shutil.rmtree(place)
    return found


def _outcome(database: Path, run_id: str, whole: list[list[str]], is_flip: bool) -> str:
    """A store that is read otherwise than before without a word is right only where nothing can know it: other values in one row."""
    try:
        now = _read(database, run_id)
    except (InputError, ValueError):
        return TOLD
    if now == whole:
        return UNCHANGED
    differing = sum(one != other for mine, theirs in zip(now, whole) for one, other in zip(mine, theirs))
    return VALUE if is_flip and differing == 1 and [*map(len, now)] == [*map(len, whole)] else SILENT


def _read(database: Path, run_id: str) -> list[list[str]]:
    """Every row of a run, table by table; ValueError where rows are left out, which pages and commands name."""
    store = Store(database)
    try:
        row = {name: value for name, value in store.get(run_id).items() if name not in ("heartbeat",)}
        tables = [getattr(store, name)([run_id]) for name in ("epochs", "megabatches", "prunes", "layers")]
        if unreadable := [str(one) for table in tables for one in table.attrs.get("unreadable", ())]:
            raise ValueError(unreadable)
        *others, layers = tables
        points = [repr(point.to_dict("records")) for _, point in layers.groupby(["segment", "point", "nth"])]  # a row each
        return [[repr(row)], *([repr(line) for line in table.to_dict("records")] for table in others), points]
    finally:
        store.close()
