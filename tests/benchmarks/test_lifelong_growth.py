"""The benchmark of lifelong tickets in small: a ticket that may grow keeps up where a fixed one falls behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appcore import RunConfig

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import lifelong


@pytest.mark.slow
def test_a_ticket_that_may_grow_keeps_up_where_a_fixed_one_falls_behind(cifar_small: Path) -> None:
    """Real images, class-incremental, one seed: both arms have one first ticket, and what decides is validation."""
    small = {**lifelong.STREAM, "dataset": f"images:{cifar_small}", "image_size": 8, "epochs": 6, "limit_test": 400}
    grown, fixed = (
        [end for end, _ in lifelong.ends(RunConfig(**{**small, **lifelong.ARMS[arm]}))] for arm in ("ll-bu", "ll-bu, growth=never")
    )
    assert grown[0] == fixed[0] and len({end.density for end in fixed}) == 1
    assert any(end.grew for end in grown) and not any(end.grew for end in fixed)
    assert [end.density for end in grown] == sorted(end.density for end in grown) and grown[-1].density > 1.1 * fixed[-1].density
    behind = [end.behind or 0.0 for end in (grown[-1], fixed[-1])]
    assert behind[1] > max(0.05, behind[0] + 0.03) and grown[-1].seen > fixed[-1].seen + 0.03
