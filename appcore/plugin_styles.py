"""Colour, dash and symbol of pruners and methods: those that their files declare (LOOK), else unused ones chosen by a rule.

A colour belongs to a pruner, or to a method that has none; a dash and a symbol belong to a method.
"""

from __future__ import annotations

import colorsys
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

from . import plugins
from .plugin_files import DASHES, SYMBOLS
from .plugins import Choice

_DARKEST, _LIGHTEST = 0.14, 0.28  # luminance that is readable on white and on the dark background
_SPARE_DASHES = (*DASHES, *(f"{long}px,{gap}px" for gap in (3, 6) for long in (4, 8, 14, 20)))


def colour(method: str, pruner: str) -> str:
    """The colour of a run, by its pruner, or by its method where no pruner decides."""
    return colour_of(pruner) if plugins.has_pruner(method) else colour_of(method)


def colour_of(name: str) -> str:
    """The colour of a pruner, or of a method that has none; one that is not installed here gets a spare colour chosen by its name."""
    return colours().get(name) or _SPARE[_number(name) % len(_SPARE)]


def another(taken: Iterable[str]) -> str:
    """A colour for a run whose own is taken: the spare one that differs most from those in use."""
    return _farthest([*taken])


def dash(method: str) -> str:
    """The dash of a method's lines."""
    return _dashes(plugins.folders()).get(method, "solid")


def symbol(method: str) -> str:
    """The symbol of a method's marks."""
    return _symbols(plugins.folders()).get(method, SYMBOLS[_number(method) % len(SYMBOLS)])


def colours() -> dict[str, str]:
    """The colour of every pruner, then of every method that has none."""
    return _colours(plugins.folders())


# Computed once for each list of plug-in folders, since charts ask for every run that they draw.


@cache
def _colours(_: tuple[Path, ...]) -> dict[str, str]:
    owners = [*plugins.choices("pruners").values(), *(c for c in plugins.choices("methods").values() if not plugins.has_pruner(c.name))]
    return _given(owners, "colour", _farthest)


@cache
def _dashes(_: tuple[Path, ...]) -> dict[str, str]:
    return _given(plugins.choices("methods").values(), "dash", lambda taken: _first_free(_SPARE_DASHES, taken))


@cache
def _symbols(_: tuple[Path, ...]) -> dict[str, str]:
    return _given(plugins.choices("methods").values(), "symbol", lambda taken: _first_free(SYMBOLS, taken))


def _given(owners: Iterable[Choice], key: str, spare: Callable[[list[str]], str]) -> dict[str, str]:
    """The value that each file declares; then, by name, an unused one for each file that declares none."""
    looks = {owner.name: owner.literal("LOOK").get(key, "") for owner in owners}
    found = {name: look for name, look in looks.items() if look}
    for name in sorted(looks.keys() - found.keys()):
        found[name] = spare(list(found.values()))
    return {name: found[name] for name in looks}


def _first_free(spares: Sequence[str], taken: list[str]) -> str:
    return next((one for one in spares if one not in taken), spares[len(taken) % len(spares)])


def _farthest(taken: list[str]) -> str:
    """The spare colour that differs most from those in use."""
    seen = [_as_seen(other) for other in taken]
    return max(_SPARE, key=lambda one: min((math.dist(_as_seen(one), other) for other in seen), default=0))


def _number(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0]


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))


@cache
def _as_seen(colour: str) -> tuple[float, float, float]:
    """Lightness, green to red and blue to yellow (OKLab): equal distances look equally different."""
    red, green, blue = _linear(_rgb(colour))
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _linear(rgb: tuple[int, ...]) -> list[float]:
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (value / 255 for value in rgb)]


def _luminance(rgb: tuple[int, ...]) -> float:
    """Relative luminance as in WCAG."""
    red, green, blue = _linear(rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _spares() -> Iterable[str]:
    """Colours of all hues that are readable on both backgrounds."""
    for hue in range(0, 360, 15):
        for lightness, saturation in ((0.35, 0.9), (0.5, 0.35), (0.45, 0.7), (0.6, 0.6), (0.3, 0.8)):
            rgb = tuple(round(255 * part) for part in colorsys.hls_to_rgb(hue / 360, lightness, saturation))
            if _DARKEST < _luminance(rgb) < _LIGHTEST:
                yield "#" + "".join(f"{part:02X}" for part in rgb)


_SPARE = tuple(_spares())
