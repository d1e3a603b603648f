"""A stand-in for the engine: the same events for a real plan, from arithmetic that takes no time and shows any wrong resume."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

import torch

from appcore.config import RunConfig, build
from appcore.errors import InputError
from appcore.events import EpochDone, Event, Finished, Layer, LayerDensity, MegabatchDone, Progress, Pruned, SegmentDone, Started
from appcore.planning import plan

STEPS = 4
IMAGES = 10
SETTINGS = {"arch": "mlp", "dataset": "digits", "megabatches": 3, "epochs": 2}


class State:
    """Eight numbers that every step changes, each step in its own way."""

    def __init__(self) -> None:
        self.cursor = self.samples_seen = 0
        self.w = torch.arange(8, dtype=torch.float64)
        self.masks = {"w": torch.ones(8, dtype=torch.bool)}

    def snapshot(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"w": self.w.clone(), "mask": self.masks["w"].clone()}, {"cursor": self.cursor, "samples_seen": self.samples_seen}

    def step(self, place: int) -> None:
        self.w = (self.w * 1.25 + place) % 1000

    def layers(self) -> tuple[LayerDensity, ...]:
        kept = int(self.masks["w"].sum())
        return (LayerDensity("w", kept, kept, 8),)

    @property
    def hash(self) -> str:
        return repr([*self.w.tolist(), *self.masks["w"].tolist()])


class StandIn:
    """`at` maps (segment, step) to a function that is called there: to wait, to fail, to look."""

    def __init__(self, at: dict[tuple[int, int], Callable[[], None]] | None = None, *, step_seconds: float = 0.0, torch_version: str = "1"):
        self.at, self.step_seconds, self.torch_version = at or {}, step_seconds, torch_version
        self.states: list[State] = []
        self.closed = self.released = 0

    def config(self, values: dict[str, Any]) -> RunConfig:
        return build(values)

    def check(self, config: RunConfig) -> None:
        if config.megabatches > 100:
            raise InputError("megabatches: too many", "megabatches")

    def plan(self, config: RunConfig) -> tuple:
        return plan.plan(config)

    def memory_bytes(self, config: RunConfig) -> int:
        return 3_200_000_000

    def slots(self, config: RunConfig) -> float:
        return 1

    def release(self) -> None:
        self.released += 1

    def total_samples(self, config: RunConfig) -> int:
        return STEPS * IMAGES * config.epochs * config.megabatches

    def estimate(self, config: RunConfig, earlier: Sequence[tuple[RunConfig, float]], in_trainer: Callable) -> dict[str, Any]:
        return {"samples": self.total_samples(config), "seconds": 1.0}

    def data_digest(self, config: RunConfig) -> str | None:
        return None

    def versions(self) -> dict[str, Any]:
        return {"torch": self.torch_version}

    def create(self, config: RunConfig) -> State:
        self.states.append(State())
        return self.states[-1]

    def restore(self, config: RunConfig, tensors: dict[str, Any], facts: dict[str, Any]) -> State:
        state = self.create(config)
        state.w, state.masks = tensors["w"], {"w": tensors["mask"]}
        state.cursor, state.samples_seen = facts["cursor"], facts["samples_seen"]
        return state

    def run(self, state: State, segments: tuple) -> Generator[Event, None, None]:
        try:
            network = (Layer("w", (8,), 16),)
            yield Started({"init": "i", "order": "o"}, "cpu", "fp32", network, 8, 120, 40, (1, 8, 8), 2, 16, 48, ("a note",))
            for segment in segments[state.cursor :]:
                yield from self._segment(state, segment)
                state.cursor = segment.index + 1
                yield SegmentDone(state.cursor)
            yield Finished(1.0, 2.0, 3, 4, 5, 6, state.hash)
        finally:
            self.closed += 1

    def _segment(self, state: State, segment: Any) -> Generator[Event, None, None]:
        place, t = (segment.index, segment.megabatch), segment.megabatch
        for step in range(STEPS if segment.kind == "epoch" else 1):
            self.at.get((segment.index, step), lambda: None)()
            time.sleep(self.step_seconds)
            state.step(10 * segment.index + step)
            if segment.kind == "epoch":
                state.samples_seen += IMAGES
                yield Progress(*place, segment.epoch, step + 1, STEPS, state.samples_seen, 0.5 if step == 1 else None)
        if segment.kind == "prune":
            state.masks["w"][t] = False
            yield Pruned(*place, segment.density, 0.5, 0.5, 0.5, state.layers(), 0.1)
        elif segment.kind == "epoch":
            yield EpochDone(*place, segment.epoch, 0.1, float(state.w[0]) / 1000, 0.8, 0.6, 0.7, state.samples_seen, 0.5, 1.0, True)
        else:
            counts = (5, 20, 5 * t, state.samples_seen, 30)
            yield MegabatchDone(*place, segment.density, 0.5, 0.5, 0.5, state.layers(), 0.8, 0.7, 0.75, 0.6, 0.1, *counts, 2.0, "chain")
