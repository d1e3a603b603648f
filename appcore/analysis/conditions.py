"""The search of the library: words, and conditions such as `sparsity>90 pruner=snip,magnitude seed<3`.

Numbers are in the unit of their column (percent, points). Quotes make a word of what would be a condition: "a=b".
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .. import names
from ..errors import InputError
from . import run_fields
from .run_fields import Field

MOST_CHARACTERS = 1_000
_TOKEN = re.compile(r'"([^"]*)"|([^\s"]+(?:"[^"]*")?)')
_CONDITION = re.compile(r"([^\W\d][\w-]*)(<=|>=|!=|=|<|>)(.*)", re.DOTALL)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}
_SHORTEST_ID = 4  # its last characters, as they are shown beside names


@dataclass(frozen=True)
class Condition:
    """One condition, as it was typed."""

    name: str
    sign: str
    value: str

    @property
    def text(self) -> str:
        return f"{self.name} {self.sign} {self.value}"


def parsed(text: str) -> tuple[list[str], list[Condition]]:
    """(words, conditions) of a search. InputError for a condition without a value, or a text that is too long."""
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"search: {len(text):,} characters are too many; use at most {MOST_CHARACTERS:,}", "search")
    words, found = [], []
    for quoted, token in _TOKEN.findall(_joined(text)):
        condition = _CONDITION.fullmatch(token)
        if condition is None:
            words.append((quoted or token).casefold())
            continue
        name, sign, value = condition[1], condition[2], condition[3]
        if not value:
            raise InputError(f"search: {name}{sign} lacks a value, such as {name}{sign}3", "search")
        found.append(Condition(name, sign, value))
    return [word for word in words if word], found


def _joined(text: str) -> str:
    """`tau > 3` as `tau>3`."""
    return re.sub(r"(?<=\w)\s*(<=|>=|!=|=|<|>)\s*(?=\S)", r"\1", text)


def search(frame: pd.DataFrame, text: str) -> pd.DataFrame:
    """The rows of `run_library.overview` that have every word and meet every condition; case is ignored."""
    words, conditions = parsed(text)
    if words and len(frame):
        frame = _rows(frame, [all(_has(row, word) for word in words) for row in _texts(frame)])
    known = run_fields.fields(frame) if conditions else {}
    for condition in conditions:
        frame = _rows(frame, _meets(frame, run_fields.find(known, condition.name), condition))
    return frame


def _rows(frame: pd.DataFrame, chosen: Sequence[bool]) -> pd.DataFrame:
    return frame[pd.Series(chosen, frame.index, dtype=bool)]


def _texts(frame: pd.DataFrame) -> Sequence[tuple[str, str, str]]:
    """(name, note and tags of each run, its settings and state as well, its id)."""
    settings = ["method", "pruner", "dataset", "arch"]
    shown = {name: {value: names.display(value) for value in frame[name].unique()} for name in settings}
    found = []
    for (title, note, *values), tags, run_id in zip(
        frame[["title", "note", "status", "error", *settings]].astype(str).to_numpy(), frame["tags"], frame["run_id"]
    ):
        written = "\n".join([title, note, *tags]).casefold()
        display = [shown[name].get(value, "") for name, value in zip(settings, values[2:])]
        found.append((written, "\n".join([written, *values, *display]).casefold(), run_id))
    return found


def _has(row: tuple[str, str, str], word: str) -> bool:
    """Whether a run has a word: a number as a whole number that somebody wrote (not the 20 of ResNet-20), an id by its beginning with a
    dash in it, or by its end."""
    written, text, run_id = row
    if run_id == word or ("-" in word and run_id.startswith(word)) or (len(word) >= _SHORTEST_ID and run_id.endswith(word)):
        return True
    if _NUMBER.fullmatch(word):
        return re.search(rf"(?<![\d.]){re.escape(word)}(?![\d]|\.\d)", written) is not None
    return word in text


def _meets(frame: pd.DataFrame, field: Field, condition: Condition) -> list[bool]:
    values = field.values(frame)
    if condition.sign in _ORDER:
        return _ordered(values, field, condition)
    typed = [condition.value[1:-1]] if condition.value.startswith('"') else condition.value.split(",")
    wanted = [_same(part.strip(), field) for part in typed if part.strip()]
    if not wanted:
        raise InputError(f"search: {condition.name}{condition.sign} lacks a value, such as {condition.name}{condition.sign}3", "search")
    is_equal = condition.sign == "="
    return [any(same(value) for same in wanted) == is_equal if _is_known(value) else False for value in values]


def _ordered(values: pd.Series, field: Field, condition: Condition) -> list[bool]:
    text = condition.value.rstrip("%").strip()
    if not _NUMBER.fullmatch(text) or any(isinstance(value, (str, list, bool)) for value in values):
        raise InputError(f"search: {condition.text!r} compares what is no number; use = or != for words", "search")
    limit, compare = float(text), _ORDER[condition.sign]
    return [_is_known(value) and compare(float(value), limit) for value in values]


def _same(text: str, field: Field) -> Callable[[Any], bool]:
    """Whether a value is the one that was typed, as it is stored or as it is shown."""
    number = float(text.rstrip("%")) if _NUMBER.fullmatch(text.rstrip("%").strip()) else None
    digits = field.measure.digits if field.measure else 9
    word = text.casefold()

    def same(value: Any) -> bool:
        if isinstance(value, list):
            return any(word == part.casefold() for part in value)
        if isinstance(value, bool):
            return _TRUTH.get(word) is value
        if isinstance(value, str):
            return word in (value.casefold(), names.display(value).casefold())
        return number is not None and round(float(value), digits) == round(number, digits)

    return same


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))
