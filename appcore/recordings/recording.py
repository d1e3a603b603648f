"""What a recording is: a name, settings and seeds. Knows no particular one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..config import RunConfig, build
from ..names import RECORDED

DATASET = "images:cifar10-small.zip"
COMMON = {
    "dataset": DATASET,
    "image_size": 16,
    "crop_padding": 0,
    "flip": False,
    "restore_best": False,
    "device": "cpu",
    "precision": "fp32",
}


@dataclass(frozen=True)
class Recording:
    """One set of settings, run with several seeds. `about`: one sentence on what one sees in it."""

    name: str
    title: str
    about: str
    settings: dict[str, Any]
    seeds: tuple[int, ...] = (0, 1, 2)

    def config(self, seed: int) -> RunConfig:
        """The settings of the run of this seed."""
        return build({**COMMON, **self.settings, "seed": seed})

    @property
    def run_ids(self) -> list[str]:
        """The runs of all seeds."""
        return [run_id(self.name, seed) for seed in self.seeds]

    def title_of(self, seed: int) -> str:
        """The title of the run of this seed."""
        return f"{self.title}, seed {seed}" if len(self.seeds) > 1 else self.title


def run_id(name: str, seed: int = 0) -> str:
    """The id, in every store, of the run of a recording."""
    return f"{RECORDED}{name}-{seed}"
