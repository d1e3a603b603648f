"""Display names of data sets, networks, methods and criteria, and numbers with their nouns, for every page, figure and report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from . import plugins

RECORDED = "recorded-"  # how the ids of recorded runs begin, which come with the program
MOST_TITLE = 2000  # characters of the title of a run or an ablation, on every way in; bundles have always had room for so many
_KINDS = ("methods", "pruners", "models", "datasets")  # a schedule is shown by its name, since its title is a formula


def display(value: Any) -> str:
    """A setting's value for display: resnet20 -> ResNet-20, snip -> SNIP, images:a/b.zip -> b.zip, 4.50 -> 4.5, True -> yes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    name = str(value)
    head, colon, argument = name.partition(":")
    for kind in _KINDS:
        known = plugins.choices(kind)
        if name in known:
            return known[name].short
        if colon and head + colon in known:
            if kind == "models" and argument[:1].isdigit():
                return name  # widths alone say nothing
            last = argument.rstrip("/").rpartition("/")[2] or argument  # a path is shown by its last part
            return last.partition("@")[0] if kind == "models" else last  # without the digest of a file
    return name


def apart(values: Iterable[str]) -> dict[str, str]:
    """{value: display name} for the options of a menu; values that would look alike keep their full names."""
    names = {value: display(value) for value in values}
    often = Counter(names.values())
    return {value: name if often[name] == 1 else value for value, name in names.items()}


def method_and_pruner(method: str, pruner: str) -> str:
    """APP · SNIP; the method alone where no criterion is used."""
    return f"{display(method)} · {display(pruner)}" if plugins.has_pruner(method) and pruner else display(method)


def of_run(method: str, pruner: str, arch: str, dataset: str) -> str:
    """The name of a run that nobody has named: APP · SNIP, ResNet-20, Digits."""
    return f"{method_and_pruner(method, pruner)}, {display(arch)}, {display(dataset)}"


def tail(run_id: str) -> str:
    """The part of an id by which a run is told from others of its name: c9cf, or app-snip-0 of a recorded one."""
    return run_id.removeprefix(RECORDED) if run_id.startswith(RECORDED) else run_id[-4:]


def told_apart(texts: Sequence[str], most: int) -> list[str]:
    """The texts for a place that shows the first `most` characters: those that are longer and begin alike lose what they share.

    SNIP on Digits, full replay, seed 3 -> SNIP on Digits … seed 3. Others stay whole.
    """
    alike: dict[str, set[str]] = {}
    for text in texts:
        alike.setdefault(text[:most], set()).add(text)
    return [_without_middle(text, alike[text[:most]], most) if len(alike[text[:most]]) > 1 else text for text in texts]


def _without_middle(text: str, alike: set[str], most: int) -> str:
    common = next((place for place, letters in enumerate(zip(*alike)) if len(set(letters)) > 1), min(map(len, alike)))
    start = max(text.rfind(" ", 0, common) + 1, common - most // 3)  # of the word in which they begin to differ
    room = most - most // 3 - 3
    start = min(start, text.find(" ", len(text) - room - 1) + 1 or start)  # and as many words before it as there is room for
    return f"{text[: max(most - (len(text) - start) - 3, most // 3)].rstrip(' ,')} … {text[start:]}"


def fitting(text: str) -> str:
    """A text that was made from settings, as a title: one that is too long ends in …"""
    return text if len(text) <= MOST_TITLE else f"{text[: MOST_TITLE - 2]} …"


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 run, 2 runs, 1,204 images."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith(('s', 'sh', 'tch', 'x')) else 's'}"
