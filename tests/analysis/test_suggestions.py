"""What to try next: from made-up numbers of finished runs, seen by eye."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from appcore.analysis.suggestions import Facts, suggestions
from appcore.config import RunConfig


def facts(
    density: float = 0.366, accuracy: float = 0.97, gap: float = 0.02, alive: int = 50, last: tuple = (0.9, 0.9, 0.9, 0.9), **settings: Any
) -> Facts:
    config = RunConfig(**{"epochs": 6, **settings}).model_dump(mode="json")
    layers = pd.DataFrame({"layer": ["conv1.weight", "fc.weight"], "kept": [60, 60], "alive": [60, alive], "total": [100, 100]})
    epochs = pd.DataFrame({"megabatch": [7] * len(last), "val_accuracy": last})
    end = {"density_mask": density, "test_accuracy": accuracy, "generalization_gap": gap}
    return Facts({"config": config, "totals": {"seconds": 30.0}, "started": {"classes": 10}}, end, layers, epochs)


def test_a_healthy_run_goes_further_is_repeated_and_compared() -> None:
    found = suggestions(facts(), [])
    assert [one.what for one in found] == ["Prune further, to 80 %", "Repeat with seed 1", "Compare with Magnitude"]
    assert "63.4 % sparsity" in found[0].why and "97.0 %" in found[0].why
    assert 0.8 ** found[0].settings["tau"] == pytest.approx(0.2, rel=2e-3)
    assert [one.seconds for one in found] == [30.0] * 3
    for one in found:
        RunConfig(**one.settings)


def test_what_was_run_already_is_not_suggested() -> None:
    first = suggestions(facts(), [])
    second = suggestions(facts(), [RunConfig(**one.settings).fingerprint for one in first])
    assert [one.what for one in second] == ["Prune further, to 90 %", "Repeat with seed 2", "Compare with Random"]


def test_a_collapse_comes_first_and_is_not_pruned_further() -> None:
    found = suggestions(facts(density=0.02, accuracy=0.1, alive=0), [])
    assert found[0].what == "Leave each layer a share of its own" and "fc has no weight left" in found[0].why
    assert found[0].settings["scope"] == "erk"
    assert not any("further" in one.what for one in found)
    again = suggestions(facts(density=0.02, accuracy=0.1, alive=0, scope="erk"), [])
    assert again[0].what == "Prune half as far, to 96.0 %"


def test_a_run_at_chance_is_not_pruned_further() -> None:
    assert not any("further" in one.what for one in suggestions(facts(accuracy=0.11), []))


def test_overfitting_and_unfinished_learning_are_seen() -> None:
    found = suggestions(facts(gap=0.3, last=(0.5, 0.6, 0.7, 0.8)), [])
    assert [one.what for one in found[:2]] == ["Train for 12 epochs", "Train for 3 epochs"]
    assert [one.seconds for one in found[:2]] == [60.0, 15.0]
    assert "gained 20.0 points" in found[0].why and "overfits by 30 points" in found[1].why


def test_a_dense_run_is_only_repeated() -> None:
    assert [one.what for one in suggestions(facts(density=1.0, method="dense"), [])] == ["Repeat with seed 1", "Repeat with seed 2"]


def test_settings_that_this_machine_does_not_know_give_no_error() -> None:
    run = facts()
    run.run["config"]["pruner"] = "of-somebody-else"
    assert [one.what for one in suggestions(run, []) if "seed" in one.what] == []


def test_a_run_without_epochs_or_layers_is_no_error() -> None:
    run = facts()
    empty = Facts(run.run, run.end, run.layers.iloc[:0], run.epochs.iloc[:0])
    assert len(suggestions(empty, [])) == 3
