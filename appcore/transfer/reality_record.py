"""The results of a reality check as they lie in a run's folder. The file may come from a backup, so nothing in it is taken on trust."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, Strict

from .. import files
from .sparse_sizes import WAYS

_Count = Annotated[int, Strict(), Field(ge=0, lt=2**62)]
_Time = Annotated[float, Strict(), Field(gt=0, lt=1e9)]
_Line = Annotated[str, Strict(), Field(max_length=2000)]


class _Spread(BaseModel):
    median: _Time
    low: _Time
    high: _Time


class _Shrunk(BaseModel):
    ratio: _Time
    low: _Time
    high: _Time
    time: _Spread


class _Latency(BaseModel):
    runtime: Literal["torch", "onnxruntime"] = "torch"
    batch: _Count
    rounds: _Count
    ratio: _Time
    low: _Time
    high: _Time
    dense: _Spread
    pruned: _Spread
    shrunk: _Shrunk | None = None  # earlier versions measured none


class _Check(BaseModel):
    name: _Line
    is_equal: bool | None
    text: _Line


class _Machine(BaseModel):
    torch: _Line
    onnxruntime: _Line = ""
    processor: _Line
    threads: _Count
    cores: _Count | None


class _Reality(BaseModel):
    cursor: _Count
    density: Annotated[float, Strict(), Field(ge=0, le=1)]
    bytes: dict[Literal[tuple(WAYS)], _Count] = Field(min_length=len(WAYS))  # type: ignore[valid-type]
    latency: list[_Latency] = Field(min_length=1, max_length=8)
    checks: list[_Check] = Field(max_length=100)
    machine: _Machine
    trained_meanwhile: _Count
    shrunk_bytes: _Count | None = None


def read(path: Path) -> dict[str, Any] | None:
    """The results; None where the file is not there or is no such file. UnreadableError where it cannot be read now."""
    try:
        data = files.read(path)
    except files.ABSENT:
        return None
    with suppress(ValueError, RecursionError):  # of pydantic too
        return _Reality.model_validate(json.loads(data)).model_dump()
    return None
