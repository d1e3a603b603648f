"""What an experiment gets (a lab) and returns (a finding). Independent of any claim."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .. import plugins, run
from ..analysis.samples import BROKEN, worst
from ..config import RunConfig, build
from ..events import EpochDone, MegabatchDone, Pruned
from .memory import Memory

STREAM_LIMIT = 1200  # images of a stream that names no other number; 8 equal megabatches


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

    @classmethod
    def of(cls, lines: Iterable[str]) -> Record:
        """From events as lines, in order of time."""
        from ..transfer.bundle_record import RecordedEvent

        found = [RecordedEvent.model_validate_json(line) for line in lines]
        names = ("pruned", "epoch", "megabatch")
        return cls(*([getattr(one, name) for one in found if getattr(one, name)] for name in names))


@dataclass
class Lab:
    """Settings common to all experiments, and what was measured already: each task is carried out once, also over interruptions."""

    dataset: str = "digits"
    is_quick: bool = False
    seeds: int = 0  # 0: each experiment's own number
    workers: int = 1  # processes
    memory: Memory = field(default_factory=Memory)

    def repeats(self, usual: int) -> range:
        """The seeds of an experiment."""
        return range(self.seeds or (1 if self.is_quick else usual))

    def config(self, **values: Any) -> RunConfig:
        """Settings on the chosen data, on the CPU, where they give the same numbers everywhere."""
        return build({"dataset": self.dataset, "device": "cpu", "precision": "fp32", **values})

    def stream(self, **values: Any) -> RunConfig:
        """A stream of eight equal megabatches, as many as published; everything else is small. `values` may be of any size."""
        small = {"arch": "mlp", "limit_train": 400, "limit_test": 200, "epochs": 2, "lr": 0.05, "batch_size": 32}
        usual = {"arch": "resnet20", "image_size": 16, "limit_train": STREAM_LIMIT, "limit_test": 1000, "epochs": 5, "batch_size": 32}
        size = {**usual, **{name: value for name, value in values.items() if name in usual}} if not self.is_quick else small
        others = {name: value for name, value in values.items() if name not in size or not self.is_quick}
        few = {name: size[name] for name in ("limit_train", "limit_test")}
        config = self.config(image_size=size.get("image_size", 0), **few)
        there = plugins.load("datasets", self.dataset).describe(config).train_images
        equal = max(16, min(size["limit_train"], there) // 8 * 8)  # so that the images of replay are an exact multiple
        return self.config(**{"megabatches": 8, "tau": 4.5, **size, **others, "limit_train": equal})

    def six_rows(self, **values: Any) -> RunConfig:
        """The stream of experiments 7 and 8: as the study's (recordings/study.py), with 6,000 images."""
        size = {"limit_train": 6000, "limit_test": 4000, "epochs": 4, "lr": 0.05, "batch_size": 64}
        return self.stream(**{**size, "crop_padding": 0, "flip": False, "restore_best": False, **values})

    def each(self, task: Callable[[Lab, Any], Any], items: Iterable[Any]) -> list[Any]:
        """`task(lab, item)` of each item, in their order; tasks run in processes of their own where there are several workers.

        A task is a function of a module, and item and result are what JSON holds: what was carried out is remembered.
        """
        wanted = list(items)
        keys = [self._key(task, item) for item in wanted]
        missing = {key: item for key, item in zip(keys, wanted, strict=True) if key not in self.memory}
        if self.workers > 1 and len(missing) > 1:
            plain = replace(self, workers=1, memory=Memory())  # a process remembers for nobody
            with ProcessPoolExecutor(min(self.workers, len(missing)), multiprocessing.get_context("spawn")) as pool:
                try:
                    running = {pool.submit(task, plain, item): key for key, item in missing.items()}
                    for done in as_completed(running):
                        self.memory[running[done]] = done.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for process in multiprocessing.active_children():  # what they are about is lost: some minutes at most
                        process.terminate()
                    raise
        else:
            for key, item in missing.items():
                self.memory[key] = task(self, item)
        return [self.memory[key] for key in keys]

    def records(self, configs: Iterable[RunConfig]) -> list[Record]:
        """The records of runs."""
        return [Record.of(lines) for lines in self.each(_recorded, [config.model_dump(mode="json") for config in configs])]

    def _key(self, task: Callable[[Lab, Any], Any], item: Any) -> str:
        return json.dumps([task.__module__.rpartition(".")[2], task.__name__, self.dataset, self.is_quick, item], sort_keys=True)

    def say(self, text: str) -> None:
        """Report progress on stderr."""
        print(f"  {text}", file=sys.stderr, flush=True)


def _recorded(lab: Lab, settings: dict[str, Any]) -> list[str]:
    """Carry out a run; returns its events as lines."""
    from ..transfer.bundle_record import RecordedEvent  # not before the command line has judged its input

    config = build(settings)
    lab.say(f"{config.method} {config.pruner}, {config.arch}, tau {config.tau:g}, replay {config.replay}, seed {config.seed}")
    kinds = {Pruned: "pruned", EpochDone: "epoch", MegabatchDone: "megabatch"}
    found = [(kinds[type(event)], event) for event in run(config) if type(event) in kinds]
    return [RecordedEvent(nth=0, **{kind: event}).model_dump_json(exclude_none=True) for kind, event in found]


def about(config: RunConfig, *fields: str) -> str:
    """The settings of a run in words: arch, data set and the fields named."""
    usual = ("limit_train", "limit_test", "megabatches", "epochs", "batch_size", "lr")
    size = f" at {config.image_size} x {config.image_size} pixels" if config.image_size else ""
    return f"{config.arch}, `{config.dataset}`{size}, " + ", ".join(f"{name} {getattr(config, name)}" for name in (*usual, *fields))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
