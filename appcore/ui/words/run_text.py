"""Runs and settings in words: a title, one line, a table, and the run's colour."""

from __future__ import annotations

from typing import Any

import pandas as pd

from appcore import charts, names
from appcore.config import RunConfig
from appcore.planning import stages

from . import setting_labels
from .text import harmless


def title(settings: dict[str, Any]) -> str:
    """A title for a new run: APP · SNIP on Digits."""
    config = RunConfig(**settings)
    return f"{names.method_and_pruner(config.method, config.pruner)} on {names.display(config.dataset)}"


def colour(config: RunConfig) -> str:
    """The colour of runs with this configuration in all figures."""
    return charts.looks([{"run_id": "new", "method": config.method, "pruner": config.pruner}])["new"].colour


def summary(run: dict[str, Any]) -> str:
    """A run in one line, as Markdown: ResNet-20 on Digits · APP · SNIP · seed 0."""
    config = run["config"]
    where = f"{names.display(config['arch'])} on {names.display(config['dataset'])}"
    parts = [where, names.method_and_pruner(config["method"], config["pruner"])]
    known = stages.of_run(run)
    parts += [
        f"{names.counted(config['megabatches'], 'megabatch')} of {names.counted(config['epochs'], 'epoch')}",
        *([names.counted(known.places[-1][1], "round")] if known.are_rounds else []),
        f"seed {config['seed']}",
    ]
    return harmless(" · ".join(parts))


def settings_table(run: dict[str, Any]) -> pd.DataFrame:
    """Every setting of a run with its meaning."""
    model = RunConfig.model_fields
    rows = [
        {
            "setting": setting_labels.label_of_words(name),
            "value": setting_labels.value_words(name, charts.setting_text(value)),
            "meaning": model[name].description if name in model else "",
        }
        for name, value in run["config"].items()
        if value != {}
    ]
    return pd.DataFrame(rows)
