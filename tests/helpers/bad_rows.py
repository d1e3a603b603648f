"""Rows that no version of this program writes: for every column values of other types, of no meaning and beyond all limits."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from appcore.storage import schema

_TEXTS = [b"\xff\xfe", "x" * (2**20 + 1)]
_NUMBERS = ["abc", -1, 2**63 - 1, b"\x00"]
_JSONS = ["no json", "[1", '"text"', "[" * 50_000, 5, b"\xff", '{"a": 1' + "0" * 5000 + "}"]
_TIMES = ["x", "2026-99-99T99:99:99", "2026-01-01T00:00:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "", b"x"]


def _with(**values: Any) -> str:
    config = {
        "arch": "mlp",
        "dataset": "digits",
        "method": "app",
        "pruner": "snip",
        "megabatches": 2,
        "epochs": 1,
        "seed": 0,
        "batch_size": 64,
    }
    return json.dumps({name: value for name, value in {**config, **values}.items() if value != "gone"})


WRONG: dict[str, list[Any]] = {
    "run_id": ["../../x", "abc", ""],
    "title": _TEXTS,
    "created": _TIMES,
    "status": ["weird", "", b"done"],
    "config": [
        *_JSONS,
        "{}",
        "[]",
        _with(megabatches="x"),
        _with(epochs=-1),
        _with(seed=None),
        _with(batch_size="gone"),
        _with(dataset=[1]),
    ],
    "fingerprint": ["x" * 100, b"x"],
    "method": _TEXTS,
    "pruner": _TEXTS,
    "arch": _TEXTS,
    "dataset": _TEXTS,
    "seed": _NUMBERS[:2],
    "group_id": ["x" * 100, b"x"],
    "launcher": ["x" * 100, b"x"],
    "pid": ["abc", -1, 2**40],
    "host": _TEXTS,
    "process_started": ["abc", float("inf")],
    "heartbeat": ["abc", float("inf")],
    "command": ["dance", b"stop"],
    "fence": ["x" * 100, b"x"],
    "cursor": _NUMBERS,
    "saved": _NUMBERS,
    "segments": _NUMBERS,
    "hashes": [*_JSONS, "[]", '{"init": 5}'],
    "started": [*_JSONS, "{}", '{"layers": 5}'],
    "progress": [
        *_JSONS,
        "[]",
        '{"updated": "yesterday"}',
        '{"updated": 1e300}',
        '{"megabatch": "1", "epoch": 1}',
        '{"samples_total": -1}',
    ],
    "totals": [*_JSONS, "{}", '{"seconds": "long"}'],
    "error": _TEXTS,
    "traceback": _TEXTS,
    "versions": [*_JSONS, '{"torch": [1]}'],
    "revision": _NUMBERS,
    "notes": [*_JSONS, "{}", "[5]"],
    "tags": [*_JSONS, "{}", "[5]", "5"],
    "note": _TEXTS,
    "archived": [],  # whatever is there counts as yes or no
    "recorded": [*_JSONS, "{}", "[5]", '{"name": 5}'],
    "owner": ["x" * 1000, b"x"],
}


def cases() -> Iterator[tuple[str, Any]]:
    """(column, value) of every wrong value of a run's row."""
    assert set(WRONG) == {column.name for column in schema.runs.columns}
    for column, values in WRONG.items():
        for value in values:
            yield column, value


def write(file: Path, run_id: str, column: str, value: Any, table: str = "runs", where: str = "") -> None:
    """Put a value into a row as another program could; SQLite takes any type in any column."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE run_id = ? {where}', (value, run_id))
        connection.commit()
