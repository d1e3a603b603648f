"""Offline runs of Weights & Biases: its files hold records of its own protocol, which are read back."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from standin import SETTINGS, StandIn

from appcore.config import build
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage.store import Store
from appcore.trackers import sink

protocol = pytest.importorskip("wandb.proto.wandb_internal_pb2")
BLOCK = 32768


def records(file: Path) -> Iterator[bytes]:
    """The records of a log in LevelDB's format: blocks of pieces, each with checksum, length and kind (whole, first, middle, last)."""
    data, place, parts = file.read_bytes(), 7, b""  # behind the file's own header
    while place + 7 <= len(data):
        if BLOCK - place % BLOCK < 7:  # no room for a header: the next block
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


@pytest.mark.thorough
def test_the_history_of_a_run_is_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sink.VARIABLE, "wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    config = build(SETTINGS)
    with closing(Store(tmp_path / "runs.db")) as store:
        run_id = store.create_run(config, plan_length=len(plan(config)))
        assert driver.drive(store, run_id, work=StandIn()) == "done"
        epochs, run = store.epochs(run_id), store.get(run_id)
    assert not [note for note in run["notes"] or [] if "told no more" in note]
    (file,) = (tmp_path / "wandb").rglob(f"run-{run_id}.wandb")
    told = {}
    for data in records(file):
        record = protocol.Record()
        record.ParseFromString(data)
        row = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        if "epoch/train_loss" in row:
            told[row["_step"]] = row["epoch/train_loss"]
    assert sorted(told) == epochs["samples_seen"].tolist()
    assert [told[step] for step in sorted(told)] == pytest.approx(epochs["train_loss"].tolist())
