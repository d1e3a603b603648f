"""Runs and settings in words: a title, one line, a table, and the run's colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from appcore import charts, names
from appcore.config import RunConfig
from appcore.planning import sparsity, stages
from appcore.planning.relevance import is_relevant
from appcore.quotas import FLOPS, WEIGHT, counts_weights

from . import format, setting_labels
from .text import harmless

_MENU, _LONG = 30, 44  # characters of a name that a menu shows beside the rest, and the most that it has


def title(settings: dict[str, Any]) -> str:
    """A title for a new run: APP · SNIP on Digits, with final sparsity and seed where they are not the usual ones."""
    config = RunConfig(**settings)
    usual = RunConfig(dataset=config.dataset, method=config.method)
    is_asked = config.tau != usual.tau and is_relevant("tau", config.model_dump())
    of = " of the FLOPs" if config.scope == FLOPS else ""
    details = [f"{sparsity.text(sparsity.of_tau(config.tau))}{of} removed"] if is_asked and not config.densities else []
    details += ["densities by layer"] if config.densities else []
    details += [f"seed {config.seed}"] if config.seed != usual.seed else []
    what = f"{names.method_and_pruner(config.method, config.pruner)} on {names.display(config.dataset)}"
    return ", ".join([what, *details])


def options(runs: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Runs in a menu, by id: name, age, and the end of the id. A long name is cut where it tells nothing, with an ellipsis."""
    found = names.told_apart([run["title"] or run_id for run_id, run in runs.items()], _MENU)
    return {
        run_id: f"{name if len(name) <= _LONG else name[: _LONG - 1] + '…'} · {which(run)}"
        for (run_id, run), name in zip(runs.items(), found)
    }


def which(run: dict[str, Any]) -> str:
    """What tells a run from others of its name in a menu: its age and the end of its id, or that it is recorded."""
    return "recorded" if run.get("recorded") else f"{format.age(run['created'])} · {names.tail(run['run_id'])}"


def colour(config: RunConfig) -> str:
    """The colour of runs with this configuration in all figures."""
    return charts.looks([{"run_id": "new", "method": config.method, "pruner": config.pruner}])["new"].colour


def summary(run: dict[str, Any]) -> str:
    """A run in one line, as Markdown: ResNet-20 on Digits · APP · SNIP · seed 0."""
    config = run["config"]
    where = f"{names.display(config['arch'])} on {names.display(config['dataset'])}"
    parts = [where, names.method_and_pruner(config["method"], config["pruner"])]
    if (granularity := config.get("granularity", WEIGHT)) != WEIGHT:
        parts.append(setting_labels.value_words("granularity", granularity))
    known = stages.of_run(run)
    parts += [
        f"{names.counted(config['megabatches'], 'megabatch')} of {names.counted(config['epochs'], 'epoch')}",
        *([names.counted(known.places[-1][1], "round")] if known.are_rounds else []),
        f"seed {config['seed']}",
    ]
    return harmless(" · ".join(parts))


def settings_table(run: dict[str, Any]) -> pd.DataFrame:
    """Every setting of a run with its meaning."""
    model, of_weights = RunConfig.model_fields, counts_weights(run["config"])
    rows = [
        {
            "setting": setting_labels.label_of_words(name, of_weights=of_weights),
            "value": setting_labels.value_words(name, charts.setting_text(value), of_weights=of_weights),
            "meaning": model[name].description if name in model else "",
        }
        for name, value in run["config"].items()
        if value != {}
    ]
    return pd.DataFrame(rows)
