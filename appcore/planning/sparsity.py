"""Final sparsity, as people choose it, and tau, as settings hold it: 1 - 0.8 ** tau of the weights are removed at the end."""

from __future__ import annotations

import math

from ..errors import InputError

KEPT_PER_ROUND = 0.8  # tau counts rounds of removing a fifth of what remains
_CLOSE = 1e-3  # relative error of a density that a shorter tau may have


def of_tau(tau: float) -> float:
    """The fraction of the weights that is removed in the end: 4.5 -> 0.6337."""
    return 1 - KEPT_PER_ROUND**tau


def tau_of(sparsity: float) -> float:
    """The tau of a final sparsity, with no more digits than it takes: 0.6337 -> 4.5, 0.9 -> 10.319."""
    if not 0 <= sparsity < 1:
        raise InputError(f"sparsity: {sparsity:g} is not possible; give the removed share of the weights, from 0 to below 1", "tau")
    exact = math.log(1 - sparsity) / math.log(KEPT_PER_ROUND)
    shorter = (round(exact, digits) for digits in range(6))
    return next((tau for tau in shorter if _is_same(of_tau(tau), sparsity)), exact) + 0.0


def _is_same(found: float, sparsity: float) -> bool:
    return percent(found) == percent(sparsity) and abs((1 - found) / (1 - sparsity) - 1) <= _CLOSE


def percent(sparsity: float) -> float:
    """A sparsity in percent, with as many digits as tell neighbours apart: 63.37, 95, 99.9."""
    return round(100 * sparsity, 2 if sparsity < 0.9995 else 4)


def text(sparsity: float) -> str:
    """A sparsity for display."""
    return f"{percent(sparsity):g}\u00a0%"


def read(words: str) -> float:
    """The fraction of "63.4", "63,4 %" or "90%"; InputError for anything else."""
    try:
        found = float(words.replace("%", "").replace(",", ".").strip()) / 100
    except ValueError:
        found = math.nan
    if not 0 <= found < 1:
        raise InputError(f"sparsity: {words[:40]!r} is not possible; give the share to remove in percent, from 0 to 99.9", "tau")
    return found
