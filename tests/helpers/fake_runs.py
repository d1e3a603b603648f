"""Convincing runs without training, for the tests of charts and pages: events as the engine would send them."""

from __future__ import annotations

import contextlib
import math
import random
import threading
import time
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from unittest import mock

from sqlalchemy import insert, literal, select, update

from appcore import events
from appcore.analysis import anytime
from appcore.config import RunConfig, build
from appcore.planning import class_stream, plan, stages
from appcore.recordings import catalog
from appcore.storage import heartbeat, new_runs, rows, schema
from appcore.storage.database import StoreError
from appcore.storage.schema import runs

RESNET20 = (
    [("conv1.weight", (16, 3, 3, 3))]
    + [(f"layer1.{b}.conv{c}.weight", (16, 16, 3, 3)) for b in range(3) for c in (1, 2)]
    + [(f"layer2.{b}.conv{c}.weight", (32, 16 if (b, c) == (0, 1) else 32, 3, 3)) for b in range(3) for c in (1, 2)]
    + [(f"layer3.{b}.conv{c}.weight", (64, 32 if (b, c) == (0, 1) else 64, 3, 3)) for b in range(3) for c in (1, 2)]
)
LAYERS = tuple(events.Layer(name, shape, flops=math.prod(shape) * 2 * 64) for name, shape in RESNET20)
WEIGHTS = sum(layer.total for layer in LAYERS)


def _graph() -> Iterator[events.GraphNode]:
    """ResNet-20 as the engine records it: the images, the stem, nine blocks of two layers and a sum, the classifier."""
    yield events.GraphNode("images", "", (), (), (1, 8, 8))
    yield events.GraphNode("layer", *RESNET20[0], (0,), (16, 8, 8))
    for block, ((one, first), (other, second)) in enumerate(zip(RESNET20[1::2], RESNET20[2::2])):
        start, side = 1 + 3 * block, 8 // (1, 2, 4)[block // 3]
        output = (second[0], side, side)
        yield events.GraphNode("layer", one, first, (start,), output)
        yield events.GraphNode("layer", other, second, (start + 1,), output)
        yield events.GraphNode("sum", "", (), (start + 2, start), output)
    yield events.GraphNode("layer", "fc.weight", (10, 64), (28,), (10,))


GRAPH = tuple(_graph())
IMAGES = 1_617
SPENT = {"scoring": 6, "growth": 0, "validation": 10, "test": 15}  # in hundredths of the TFLOPs of a run


@cache  # it takes longer than all the rest of a made-up run
def shares(pruner: str, density: float, totals: tuple[int, ...]) -> tuple[float, ...]:
    """Fraction kept of each layer: SNIP spares the first layers, magnitude cuts them; the rest follows from the density."""
    if density == 1.0:
        return (1.0,) * len(totals)
    last = len(totals) - 1
    slope = {"snip": 0.55, "magnitude": -0.25, "random": 0.0}.get(pruner, 0.2)
    raw = [density * (1 + slope * (1 - 2 * i / last)) + 0.03 * math.sin(3 * i) * (1 - density) for i in range(last + 1)]
    scale = 1.0
    for _ in range(60):  # until the whole network keeps the density
        found = [min(1.0, max(0.02, value * scale)) for value in raw]
        scale *= density * sum(totals) / sum(share * total for share, total in zip(found, totals))
    return tuple(found)


def counts(config: RunConfig, density: float, dead: int = 0) -> tuple[events.LayerDensity, ...]:
    totals = tuple(layer.total for layer in LAYERS)  # of fewer layers where a test wants another network
    kept = [round(share * total) for share, total in zip(shares(config.pruner, density, totals), totals)]
    kept[-1] += round(density * sum(totals)) - sum(kept)
    return tuple(events.LayerDensity(x.name, k, k - (dead if i == 3 else 0), x.total) for i, (x, k) in enumerate(zip(LAYERS, kept)))


def started(config: RunConfig) -> events.Started:
    hashes = {
        "init": f"{config.seed:02x}5f0c2b7e91" + "a" * 52,
        "order": f"{config.seed:02x}c1d09a44be" + "b" * 52,
        "scoring": "77e1aa0b31f2" + "c" * 52,
        "data": "da7a0c3e55d1" + "d" * 52,
    }
    numbers = (272_474, IMAGES, 180, (1, 8, 8), 10, 2_574_848, 2_574_848 * 3 * 9 * IMAGES)
    return events.Started(hashes, "cpu", "fp32", LAYERS, *numbers, graph=GRAPH)


def answers(t: int, right: int) -> dict[str, Any]:
    """Twelve images of which the first `right` are answered rightly."""
    labels = [place % 10 for place in range(12)]
    said = [[label if place < right else (label + 1) % 10, round(max(0.1, 0.9 - 0.01 * t), 4)] for place, label in enumerate(labels)]
    return {"places": list(range(12)), "labels": labels, "answers": said}


def story(config: RunConfig, until: int | None = None, dead: int = 0) -> Iterator[events.Event]:
    """The events of a run up to segment `until` (None: to the end)."""
    draw, chaos = random.Random(f"{config.pruner}{config.seed}"), random.Random(7)
    yield started(config)
    cer = seen = 0
    ends_of_rounds = stages.tested(plan.plan(config))
    for segment in plan.plan(config)[:until]:
        t, size = segment.megabatch, IMAGES // config.megabatches
        part = counts(config, segment.density, dead)
        total = sum(x.total for x in part)
        mask, alive = sum(x.kept for x in part) / total, sum(x.alive for x in part) / total
        skill = 1 - math.exp(-0.8 - 0.55 * t - 0.25 * segment.epoch)
        train = min(0.999, 0.35 + 0.66 * skill + draw.uniform(-0.012, 0.012))
        val = min(0.995, 0.38 + 0.6 * skill + draw.uniform(-0.02, 0.02))
        if segment.kind == "prune":
            facts = {"images": answers(t, right=6) | {"before": answers(t, right=9)["answers"]}, "collapsed_channels": {"conv1.weight": 2}}
            yield events.Pruned(segment.index, t, segment.density, mask, mask, alive, part, 0.21, round=segment.round, facts=facts)
        elif segment.kind == "epoch":
            seen += size * (t + 1)
            best = chaos.random() < 0.4
            numbers = (2.2 * (1.02 - train), train, 2.3 * (1.03 - val), val)
            times = (0.4 + 0.1 * t, best, segment.round)
            yield events.EpochDone(segment.index, t, segment.epoch, segment.learning_rate, *numbers, seen, mask, *times)
            if segment.index in ends_of_rounds:
                wrong = round(180 * (1.02 - val))
                tested = (train, val, 1 - wrong / 180, 2.3 * (1.03 - val), wrong, 180)
                yield events.RoundDone(segment.index, t, segment.round, mask, alive, part, *tested)
        elif segment.kind == "test":
            errors = round(180 * (1.02 - val))
            cer += errors
            ends = (
                train,
                val,
                1 - errors / 180,
                2.3 * (1.03 - val),
                train - val,
                errors,
                180,
                cer,
                seen,
                size * (t + 1),
                3.0 + t,
                f"{t:064x}",
            )
            clean = {
                "clean_train_accuracy": min(1.0, train + 0.02),
                "clean_train_images": size * (t + 1),
                "parameters": sum(x.kept for x in part),
            }
            clean |= {"clean_gap": clean["clean_train_accuracy"] - (1 - errors / 180), "cumulative_parameters": (t + 1) * WEIGHTS // 2}
            facts = {"images": answers(t, right=10), "parts": [[one, max(0, 95 - 3 * (t - one)), 100] for one in range(t + 1)]}
            if config.classes_per_megabatch:  # a class loses 3 of its 20 test images with each further megabatch
                brought = enumerate(class_stream.parts(config, tuple("0123456789")))
                facts["classes"] = [[str(one), part, max(0, 19 - 3 * (t - part)) * (part <= t), 20] for part, its in brought for one in its]
                clean["seen_accuracy"] = anytime.accuracy_on_seen(facts["classes"], t)
            yield events.MegabatchDone(segment.index, t, segment.density, mask, mask, alive, part, *ends, **clean, facts=facts)
        yield events.SegmentDone(segment.index + 1)
    if until is None:
        spent = {f"{name}_flops_{kind}": share * 10**10 for name, share in SPENT.items() for kind in ("dense", "sparse")}
        spent |= {"total_flops_dense": 231 * 10**10, "total_flops_sparse": 151 * 10**10, "cumulative_parameters": 4 * WEIGHTS}
        yield events.Finished(34.2, 1630.0, cer, 10**12 * 2, int(1.2 * 10**12), 512 * 2**20, "f" * 64, **spent)


def write(
    store: Any, *, until: int | None = None, status: str = "done", dead: int = 0, group: str = "", title: str = "", **settings: Any
) -> str:
    """A fake run in a store, up to segment `until`; returns its id."""
    config = build({"megabatches": 8, "epochs": 12, **settings})
    length = len(plan.plan(config))
    run_id = store.create_run(config, group=group, launcher="thread", plan_length=length, title=title or f"{config.method} {config.pruner}")
    told = list(story(config, until, dead))
    with store._database.write() as connection:  # a statement for each table; by `store.write` it would be two for each event
        rows.record_new(connection, run_id, told, [0] * len(told))
    changes = {name: value for event in told for name, value in schema.columns(event).items()}
    store.write(run_id, **changes | columns(config, told, status, length))
    return run_id


def multiply(store: Any, count: int) -> None:
    """Fill a store up to `count` runs with copies of those that it has, under other ids and seeds: thousands in a minute."""
    with store._database.write() as connection:
        query = select(runs).where(runs.c.recorded.is_(None)).order_by(runs.c.created)
        known = [dict(row) for row in connection.execute(query).mappings()]
        for number in range(len(known), count):
            source, seed = known[number % len(known)], number // 3
            when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number, microseconds=number + 1)
            about = {"run_id": f"{when:%Y%m%d-%H%M%S}-{number % 65_536:04x}", "created": when.isoformat(), "fingerprint": f"{number:012x}"}
            connection.execute(insert(runs).values(**{**source, **about, "seed": seed, "config": {**source["config"], "seed": seed}}))
            for table in schema.EVENT_TABLES:
                others = [column for column in table.columns if column.name != "run_id"]
                copied = select(literal(about["run_id"]), *others).where(table.c.run_id == source["run_id"])
                connection.execute(insert(table).from_select(["run_id", *(column.name for column in others)], copied))


def record(store: Any, *recordings: str, seeds: int = 2) -> None:
    """Fake runs in the place of recorded ones: short, under the ids that these have in every store."""
    for recording in map(catalog.recording, recordings):
        settings = {name: value for name, value in recording.settings.items() if name not in {"limit_test", "budget"}}
        settings |= {"epochs": 2 if settings["megabatches"] < 50 else 1}
        for seed in recording.seeds[:seeds]:
            run_id = catalog.run_id(recording.name, seed)
            with mock.patch.object(new_runs, "_free_ids", lambda *place, run_id=run_id: [run_id]):
                write(store, title=recording.title_of(seed), **settings, seed=seed)


def columns(config: RunConfig, told: list[events.Event], status: str, length: int) -> dict[str, Any]:
    cursor = max([event.cursor for event in told if isinstance(event, events.SegmentDone)], default=0)
    share = cursor / length
    last = ([e for e in told if isinstance(e, events.EpochDone)] or [None])[-1]
    progress = {"megabatch": last.megabatch if last else 0, "epoch": last.epoch if last else 0, "step": 12, "steps": 26, "loss": 0.31}
    progress |= {"samples_seen": int(share * 9 * IMAGES), "samples_total": 9 * IMAGES, "images_per_second": 1630.0}
    progress |= {"eta_seconds": 30 * (1 - share), "updated": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}  # it never stalls
    found: dict[str, Any] = {"status": status, "cursor": cursor, "progress": progress}
    if status == "failed":
        found |= {
            "error": "RuntimeError: the disk is full; free some space and resume",
            "traceback": "Traceback (most recent call last):\n  ...",
        }
    return found


def advance(store: Any, run_id: str, until: int) -> None:
    """Let a run in a store have come to segment `until`: what is there is overwritten by the same."""
    config = build(store.get(run_id)["config"])
    told = list(story(config, until))
    store.write(run_id, told, **columns(config, told, "running", len(plan.plan(config))))


def keep_alive(store: Any, run_id: str, **columns: Any) -> str:
    """Let a made-up run look as if the living process 1 were at work on it; its heart beats here as long as the store is in use."""
    store.update(run_id, **heartbeat.of(1), heartbeat=time.time(), **columns)
    threading.Thread(target=_beat, args=(weakref.ref(store), run_id), daemon=True).start()
    return run_id


def _beat(used: weakref.ref, run_id: str) -> None:
    with contextlib.suppress(StoreError):  # gone with its test
        while (store := used()) is not None:
            with store._database.write() as connection:
                connection.execute(update(runs).where(runs.c.run_id == run_id, runs.c.pid == 1).values(heartbeat=time.time()))
            del store
            time.sleep(heartbeat.BEAT_SECONDS)
