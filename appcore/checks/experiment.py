"""What an experiment gets (a lab) and returns (a finding). Independent of any claim."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .. import plugins, run
from ..analysis.samples import BROKEN, worst
from ..config import RunConfig, build
from ..events import EpochDone, MegabatchDone, Pruned

STREAM_LIMIT = 1200  # images in the stream that several experiments share; 8 equal megabatches


@dataclass(frozen=True)
class Part:
    """One statement of a claim: what was measured, over which seeds, and the verdict. Exact ones must hold."""

    statement: str
    measured: str
    verdict: str
    is_exact: bool = False


@dataclass(frozen=True)
class Finding:
    """The result of one experiment. `table` is Markdown; `settings` says enough to repeat it."""

    number: int
    title: str
    claim: str
    source: str
    settings: str
    parts: tuple[Part, ...]
    table: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """That of the worst part."""
        return worst(part.verdict for part in self.parts)

    @property
    def is_broken(self) -> bool:
        """Whether something that must be exact is not."""
        return any(part.verdict == BROKEN for part in self.parts)

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Record:
    """The recorded events of a run: prune points, epochs and megabatches."""

    pruned: list[Pruned]
    epochs: list[EpochDone]
    megabatches: list[MegabatchDone]


@dataclass
class Lab:
    """Settings common to all experiments, and the runs that several of them read: each is carried out once."""

    dataset: str = "digits"
    is_quick: bool = False
    seeds: int = 0  # 0: each experiment's own number
    records: dict[str, Record] = field(default_factory=dict)

    def repeats(self, usual: int) -> range:
        """The seeds of an experiment."""
        return range(self.seeds or (1 if self.is_quick else usual))

    def config(self, **values: Any) -> RunConfig:
        """Settings on the chosen data, on the CPU, where they give the same numbers everywhere."""
        return build({"dataset": self.dataset, "device": "cpu", "precision": "fp32", **values})

    def stream(self, **values: Any) -> RunConfig:
        """The stream that experiments 3, 7 and 8 share: T = 8 as published, everything else small."""
        small = {"arch": "mlp", "limit_train": 400, "limit_test": 200, "epochs": 2, "lr": 0.05, "batch_size": 32}
        usual = {"arch": "resnet20", "image_size": 16, "limit_train": STREAM_LIMIT, "limit_test": 1000, "epochs": 5, "batch_size": 32}
        size = small if self.is_quick else usual
        few = {name: size[name] for name in ("limit_train", "limit_test")}
        config = self.config(image_size=size.get("image_size", 0), **few)
        there = plugins.load("datasets", self.dataset).describe(config).train_images
        equal = max(16, min(size["limit_train"], there) // 8 * 8)  # equal megabatches, so that the images of replay are an exact multiple
        return self.config(**{**size, "limit_train": equal, "megabatches": 8, "tau": 4.5, **values})

    def record(self, config: RunConfig) -> Record:
        """The record of a run, which is carried out at the first request."""
        key = config.fingerprint
        if key not in self.records:
            self.say(f"{config.method} {config.pruner}, {config.arch}, replay {config.replay}, seed {config.seed}")
            found = Record([], [], [])
            lists: dict[type, list[Any]] = {Pruned: found.pruned, EpochDone: found.epochs, MegabatchDone: found.megabatches}
            for event in run(config):
                lists.get(type(event), []).append(event)
            self.records[key] = found
        return self.records[key]

    def say(self, text: str) -> None:
        """Report progress on stderr."""
        print(f"  {text}", file=sys.stderr, flush=True)


def about(config: RunConfig, *fields: str) -> str:
    """The settings of a run in words: arch, data set and the fields named."""
    usual = ("limit_train", "limit_test", "megabatches", "epochs", "batch_size", "lr")
    size = f" at {config.image_size} x {config.image_size} pixels" if config.image_size else ""
    return f"{config.arch}, `{config.dataset}`{size}, " + ", ".join(f"{name} {getattr(config, name)}" for name in (*usual, *fields))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
