"""Which settings have an effect, given the others. Free of torch, for use in forms and ablations."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any

from .. import plugins
from ..config import RunConfig
from ..quotas import FLOPS
from .plan import plan

_Values = Mapping[str, Any]
_OF_PRUNING = (
    *("pruner", "schedule", "tau", "scope", "densities", "granularity", "prunable", "exempt"),
    *("score_fraction", "score_batch_size"),
)
_STEERED = (
    "pruner",
    "schedule",
    "tau",
    "scope",
    "densities",
    "granularity",
    "score_fraction",
    "score_batch_size",
)  # settings that a method which finds its own masks ignores


def is_relevant(name: str, values: _Values) -> bool:
    """Whether a setting has an effect with the other settings as they are."""
    return _RULES.get(name, lambda _: True)(values)


def lone_images(config: RunConfig) -> tuple[str, ...]:
    """The settings by which the network sees images alone while BatchNorm trains: in steps, and in scores where images are scored with."""
    pruner = plugins.find("pruners", config.pruner)
    found = ["batch_size"] if config.batch_size == 1 else []
    scores_images = pruner.literals.get("COST", {}).get(pruner.name, 1.0) > 0
    if config.score_batch_size == 1 and scores_images and is_relevant("score_batch_size", config.model_dump()):
        found.append("score_batch_size")
    return tuple(found)


def _is_pruned(values: _Values) -> bool:
    """Whether the method's plan has a prune point; True while the settings are invalid, so that all are offered."""
    try:
        return _has_prune_point(json.dumps(values, sort_keys=True, default=str), plugins.load("methods", values["method"]))
    except ValueError:
        return True


@lru_cache(maxsize=64)
def _has_prune_point(settings: str, method: Hashable) -> bool:
    """Kept, since a form asks for each of its fields, and for each person who has it open; `method` is another one once it was edited."""
    return any(segment.kind == "prune" for segment in plan(RunConfig(**json.loads(settings))))


def _is_ranked(values: _Values) -> bool:
    """Whether a schedule and a pruner decide what is removed."""
    return _is_pruned(values) and plugins.has_pruner(values["method"])


_RULES: dict[str, Callable[[_Values], bool]] = {
    "buffer_size": lambda values: values["replay"] == "buffer",
    "replay_fraction": lambda values: values["replay"] == "fraction",
    "image_size": lambda values: values["dataset"].startswith(("images:", "restricted-imagenet")),
    "split": lambda values: plugins.declares("datasets", values["dataset"], "TAKES_SPLIT"),
    "semantics": lambda values: values["method"] == "app",
    **dict.fromkeys(_OF_PRUNING, _is_pruned),
    **dict.fromkeys(_STEERED, _is_ranked),
    "scope": lambda values: _is_ranked(values) and (values["scope"] == FLOPS or not values.get("densities")),
    "class_order": lambda values: bool(values["classes_per_megabatch"]),
    "lr_drops": lambda values: values["lr_schedule"] == "steps",
    "lr_gamma": lambda values: values["lr_schedule"] == "steps" and bool(values["lr_drops"]),
    "lr_warmup": lambda values: values["lr_schedule"] != "one-cycle",
    "beta2": lambda values: values["optimizer"] == "adamw",
    "subset_seed": lambda values: any(values[name] for name in ("limit_train", "limit_test", "shots")),
}
