"""Which settings have an effect: asked of every field of a form, so that the plan is not made for each of them."""

from __future__ import annotations

import pytest

from appcore.config import RunConfig
from appcore.planning import relevance


def test_the_plan_is_made_once_for_all_fields_of_a_form(monkeypatch: pytest.MonkeyPatch) -> None:
    made, plan = [], relevance.plan
    monkeypatch.setattr(relevance, "plan", lambda config: made.append(config.fingerprint) or plan(config))
    relevance._has_prune_point.cache_clear()
    dense, pruned = (RunConfig(method=method).model_dump() for method in ("dense", "app"))
    for _ in range(2):
        assert not any(relevance.is_relevant(name, dense) for name in ("pruner", "tau", "scope"))
        assert all(relevance.is_relevant(name, pruned) for name in ("pruner", "tau", "scope"))
    assert len(made) == len(set(made)) == 2


def test_settings_that_contradict_each_other_offer_all() -> None:
    assert relevance.is_relevant("tau", {**RunConfig().model_dump(), "megabatches": -1})
