"""Searches over settings: which combinations are tried, and by successive halving which of them are tried for longer.

Combinations are drawn by Optuna (optional, imported only here), the same for the same seed. Each is run with all seeds of a run, so any two
of them are paired like the runs of a grid. Successive halving (Jamieson and Talwalkar, arXiv 1502.07943) is its synchronous form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError
from .axis_values import Span

MOST_TRIALS = 500
KEEP = 3  # one of three goes on to the next rung, as in Hyperband (arXiv 1603.06560)


def draw(space: Mapping[str, Sequence[Any] | Span], trials: int, seed: int) -> tuple[dict[str, list[Any]], list[list[int]]]:
    """(axes, picks) of so many combinations drawn at random, without those that were drawn before; see ablation_grid.expand.

    Numbers are drawn with four digits, so that they can be typed again. InputError without Optuna.
    """
    optuna = _optuna()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    distributions = {name: _distribution(optuna, of) for name, of in space.items()}
    drawn = [study.ask(distributions).params for _ in range(trials)]
    axes: dict[str, list[Any]] = {}
    places: dict[str, list[int]] = {}
    for name, of in space.items():
        if isinstance(of, Span):
            values = [of.value(one[name] if of.is_whole else float(f"{one[name]:.4g}")) for one in drawn]
            axes[name] = sorted(set(values))
            places[name] = [axes[name].index(value) for value in values]
        else:
            axes[name], places[name] = list(of), [one[name] for one in drawn]
    return axes, [list(pick) for pick in dict.fromkeys(zip(*places.values()))]


def survivors(scores: Sequence[float], keep: int, better: int) -> list[int]:
    """The places of the best of every `keep` scores, best first, at least one; one that is NaN, of a trial that failed, never goes on.

    `better`: 1 where higher is better, -1 where lower is. Of equal ones the earlier goes on.
    """
    able = [place for place, score in enumerate(scores) if not math.isnan(score)]
    able.sort(key=lambda place: -better * scores[place])
    return able[: max(1, len(scores) // keep)]


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise InputError(f"search: the package {error.name} is not installed; run: pip install optuna", "search") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _distribution(optuna: Any, of: Sequence[Any] | Span) -> Any:
    if not isinstance(of, Span):
        return optuna.distributions.CategoricalDistribution(range(len(of)))  # by place: values may be lists
    if of.is_whole:
        return optuna.distributions.IntDistribution(int(of.low), int(of.high), log=of.is_log)
    return optuna.distributions.FloatDistribution(of.low, of.high, log=of.is_log)
