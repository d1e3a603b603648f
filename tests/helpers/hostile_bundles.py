"""Bundles for tests: a small run, and the content of its bundle changed as a stranger may change it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import safetensors
import safetensors.numpy

from appcore.config import build
from appcore.planning.plan import plan
from appcore.storage import checkpoint
from appcore.storage.store import Store

SETTINGS = {"arch": "mlp", "megabatches": 2, "epochs": 2, "limit_train": 120, "limit_test": 40, "device": "cpu"}


def add(store: Store, **settings: Any) -> str:
    config = build({**SETTINGS, **settings})
    return store.create_run(config, plan_length=len(plan(config)), title="a <b>title</b>", launcher="thread")


# ---- strangers


def members(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(path: Path, content: dict[str, bytes], *, relist: bool = True, **manifest: Any) -> Path:
    """A zip of `content`; with `relist` its manifest is made to fit."""
    if relist:
        listed = {k: {"size": len(v), "sha256": hashlib.sha256(v).hexdigest()} for k, v in content.items() if k != "manifest.json"}
        content["manifest.json"] = json.dumps({**json.loads(content["manifest.json"]), "members": listed, **manifest}).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in content.items():
            file.writestr(zipfile.ZipInfo(name), data)
    return path


def in_record(**values: Any) -> Callable[[dict[str, bytes]], None]:
    def change(content: dict[str, bytes]) -> None:
        content["run.json"] = json.dumps({**json.loads(content["run.json"]), **values}).encode()

    return change


def in_config(**values: Any) -> Callable[[dict[str, bytes]], None]:
    def change(content: dict[str, bytes]) -> None:
        record = json.loads(content["run.json"])
        content["run.json"] = json.dumps({**record, "config": {**record["config"], **values}}).encode()

    return change


def in_line(number: int, kind: str, **values: Any) -> Callable[[dict[str, bytes]], None]:
    def change(content: dict[str, bytes]) -> None:
        lines = [json.loads(line) for line in content["events.jsonl"].splitlines()]
        lines[number][kind].update(values)
        content["events.jsonl"] = "\n".join(map(json.dumps, lines)).encode()

    return change


def with_member(name: str, data: bytes = b"x") -> Callable[[dict[str, bytes]], None]:
    return lambda content: content.update({name: data})


def without(start: str) -> Callable[[dict[str, bytes]], None]:
    def change(content: dict[str, bytes]) -> None:
        for name in [name for name in content if name.startswith(start)]:
            del content[name]

    return change


def with_lines(make: Callable[[list[bytes]], list[bytes]]) -> Callable[[dict[str, bytes]], None]:
    return lambda content: content.update({"events.jsonl": b"\n".join(make(content["events.jsonl"].splitlines()))})


def other_checkpoint(content: dict[str, bytes]) -> None:
    """Tensors of a shape that the network has not, with a manifest that fits them."""
    name = next(name for name in content if name.startswith("checkpoint") and name.endswith(".safetensors"))
    data = safetensors.numpy.save({"model/fc1.weight": numpy.zeros(3)})
    about = name.replace(".safetensors", ".json")
    body = json.loads(content[about])["manifest"] | {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    content |= {name: data, about: checkpoint.manifest_text(body).encode()}


def foreign_masks(content: dict[str, bytes]) -> None:
    content["masks/000000000.safetensors"] = content["masks/000000004.safetensors"]


def huge_shapes(content: dict[str, bytes]) -> None:
    about = {"shapes": json.dumps({"fc1.weight": [2**40]}), "sha256": ""}
    content["masks/000000000.safetensors"] = safetensors.numpy.save({"fc1.weight": numpy.zeros(1, "uint8")}, metadata=about)


HOSTILE: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "absolute": (with_member("/etc/passwd"), "outside the archive"),
    "parent": (with_member("../run.json"), "outside the archive"),
    "deep parent": (with_member("masks/../../x.safetensors"), "outside the archive"),
    "drive": (with_member("C:/x"), "outside the archive"),
    "backslash": (with_member("masks\\x"), "outside the archive"),
    "nested": (with_member("inner.zip"), "archive in the archive"),
    "control": (with_member("run\n.json"), "control"),
    "unknown": (with_member("notes.txt"), "does not belong"),
    "pickle": (with_member("model.pt"), "does not belong"),
    "folder": (with_member("masks/", b""), "does not belong"),
    "empty unknown": (with_member("x", b""), "does not belong"),
    "long name": (with_member("a" * 5000), "does not belong"),
    "no record": (without("run.json"), "holds no run"),
    "no events": (without("events"), "holds no run"),
    "no masks": (without("masks/"), "masks of every prune point"),
    "masks too many": (with_member("masks/000000009.safetensors"), "masks of every prune point"),
    "foreign masks": (foreign_masks, "keep other weights"),
    "huge shapes": (huge_shapes, "do not fit the network"),
    "not masks": (with_member("masks/000000000.safetensors", b"\xff" * 40), "header"),
    "half a checkpoint": (lambda content: content.pop("checkpoint-000000008.json"), "two files"),
    "two checkpoints": (with_member("checkpoint-000000003.json", b"{}"), "two files"),
    "checkpoint of another shape": (other_checkpoint, "does not fit layer"),
    "checkpoint manifest": (with_member("checkpoint-000000008.json", b"{}"), "cannot be read|can be read"),
    "record no json": (with_member("run.json", b"\x80\x04pickle"), "JSON"),
    "record a list": (with_member("run.json", b"[1]"), "run|object"),
    "record deep": (with_member("run.json", b"[" * 100_000), "JSON"),
    "record unknown key": (in_record(owner="me"), "owner"),
    "record other id": (in_record(run_id="20200101-000000-abcd"), "another run"),
    "record path id": (in_record(run_id="../../x"), "run_id"),
    "record status": (in_record(status="running"), "status"),
    "record created": (in_record(created="<script>"), "created"),
    "record title": (in_record(title="x" * 10_000), "title"),
    "record cursor": (in_record(cursor=99), "cursor 99"),
    "record cursor huge": (in_record(cursor=10**30), "cursor"),
    "record totals": (in_record(totals=None), "totals"),
    "record not begun": (in_record(started=None), "has begun"),
    "config unknown arch": (in_config(arch="resnet21"), "resnet21"),
    "config unknown key": (in_config(sparsity=0.5), "sparsity"),
    "config NaN": (in_config(tau="nan"), "nan"),
    "config other": (in_config(seed=5), "another run"),
    "config endless": (in_config(megabatches=1000, epochs=10_000), "segments"),
    "config endless rounds": (in_config(method="imp", options={"rate": 0.01}, epochs=5000, tau=60.0), "segments"),
    "event unknown key": (in_line(0, "pruned", password="x"), "password"),
    "event density": (in_line(0, "pruned", density_mask=1.5), "between 0 and 1"),
    "event segment": (in_line(0, "pruned", segment=99), "segment 99"),
    "event negative": (in_line(0, "pruned", segment=-1), "segment -1"),
    "event megabatch": (in_line(0, "pruned", megabatch=1), "megabatch"),
    "event negative count": (in_line(1, "epoch", samples_seen=-5), "samples_seen -5 is negative"),
    "event huge": (in_line(1, "epoch", samples_seen=10**40), "too large|valid"),
    "event text": (in_line(1, "epoch", samples_seen="many"), "samples_seen"),
    "event layers": (in_line(0, "pruned", layers=[]), "layers differ"),
    "event kept": (in_line(0, "pruned", layers=[{"name": "fc1.weight", "kept": 99999, "alive": 0, "total": 19200}]), "layers"),
    "event twice": (with_lines(lambda lines: [*lines, lines[0]]), "twice"),
    "event none": (with_lines(lambda lines: [*lines, b'{"nth":0}']), "exactly one"),
    "event no json": (with_lines(lambda lines: [b"garbage", *lines]), "JSON"),
    "event missing": (with_lines(lambda lines: lines[1:]), "masks of every prune point"),
}
