"""Sentences about masks, as Markdown, made from the counts: how much is left, what came back, what collapsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ... import plugins
from ...markup import markdown
from ...names import display

_NAMED = 3


def headline(changes: pd.DataFrame) -> str:
    """How much is kept, removed and brought back; `changes` has total, kept, born, died by layer."""
    total, kept, born, died = (int(changes[column].sum()) for column in ("total", "kept", "born", "died"))
    back = f"{born:,} came back" if born else "none came back"
    return f"{100 * (1 - kept / max(total, 1)):.1f}\u00a0% of the weights are removed: {died:,} went, {back}"


def collapse(
    changes: pd.DataFrame, empty: Mapping[str, tuple[int, int]], alive: Mapping[str, int], dead_channels: Mapping[str, int]
) -> list[str]:
    """Sentences about collapsed layers and filters, worst first; one that says so when there are none.

    `empty` maps layers to (filters without a weight, filters), `alive` to weights on a path, `dead_channels` to channels without any.
    """
    found = []
    gone = changes.loc[changes["kept"] == 0, "layer"].tolist()
    if gone:
        found.append(f"**Nothing is left in {listed(gone)}.** Unless a shortcut leads around, no signal passes.")
    unread = [name for name, count in alive.items() if count == 0 and name not in gone]
    if unread:
        found.append(
            f"**Nothing in {listed(unread)} matters any more:** weights are kept there, but none lies on a path from input to output."
        )
    hollow = {name: numbers for name, numbers in empty.items() if numbers[0] and name not in gone}
    if hollow:
        parts = [f"{count} of {filters} in {_named(name)}" for name, (count, filters) in _worst(hollow)]
        found.append(f"Empty filters: {_joined(parts, len(hollow))}.")
    kept = dict(zip(changes["layer"], changes["kept"]))
    idle = {name: int(kept[name]) - count for name, count in alive.items() if name in kept and 0 < count < kept[name]}
    if idle:
        parts = [f"{count:,} in {_named(name)}" for name, count in sorted(idle.items(), key=lambda item: -item[1])[:_NAMED]]
        found.append(f"Kept but dead, on no path from input to output: {_joined(parts, len(idle))}.")
    silent = {name: count for name, count in dead_channels.items() if count > empty.get(name, (0, 0))[0] and name not in (*gone, *unread)}
    if silent:
        parts = [f"{count} in {_named(name)}" for name, count in sorted(silent.items(), key=lambda item: -item[1])[:_NAMED]]
        found.append(f"Filters without a living weight: {_joined(parts, len(silent))}.")
    return found or ["No layer and no filter is empty."]


def _worst(hollow: Mapping[str, tuple[int, int]]) -> list[tuple[str, tuple[int, int]]]:
    return sorted(hollow.items(), key=lambda item: (-item[1][0] / item[1][1], item[0]))[:_NAMED]


def _joined(parts: Sequence[str], whole: int) -> str:
    rest = whole - len(parts)
    return ", ".join(parts) + (f", and in {rest} more layer{'s' if rest > 1 else ''}" if rest else "")


def listed(names: Sequence[str]) -> str:
    """Layer names in a sentence, as Markdown, the first few of many."""
    shown = [_named(name) for name in names[:_NAMED]]
    return _joined(shown, len(names)) if len(names) > _NAMED else " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def short(name: str) -> str:
    """A layer's full name without the word weight: a sentence has room for it."""
    return name.removesuffix(".weight")


def _named(name: str) -> str:
    return markdown(short(name))


def alike(iou: float, chance: float, one: str, other: str) -> str:
    """The overlap of two masks versus the random baseline, in a sentence, as plain text."""
    ratio = (
        "about as much as the random baseline"
        if abs(iou - chance) < 0.02
        else f"{iou / chance:.1f} times the random baseline"
        if iou > chance and chance > 0
        else "less than the random baseline"
    )
    shared, expected = f"{100 * iou:.0f}\u00a0%", f"{100 * chance:.0f}\u00a0%"
    return f"{one} and {other} share {shared} of the weights that either keeps (random baseline: {expected}), {ratio}."


def chaotic(*runs: Mapping[str, Any]) -> str:
    """Why the overlap of the masks of these runs is not shown; empty where the masks of none hinge on rounding."""
    names = dict.fromkeys(display(run["pruner"]) for run in runs if plugins.is_chaotic(run["config"]))
    if not names:
        return ""
    return (
        f"The overlap with masks of {' and '.join(names)} is left out, for it would tell nothing: which weights such iterated criteria "
        "keep hinges on rounding. One weight exchanged on one round changed 49 to 90\u00a0% of the kept weights at the end. Compare shares "
        "of layers and accuracies over several seeds instead."
    )
