"""Lessons and the numbers in their texts: which lessons there are, and what recordings and kept measurements say, seed by seed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from .. import files, installation, plugins
from ..analysis import what_if
from ..analysis.measures import MEASURES, Measure, fraction_kept, newest
from ..config import RunConfig
from ..errors import InputError
from ..lessons.base import (
    Depends,
    Images,
    Kept,
    Less,
    Lesson,
    Number,
    Of,
    Playground,
    Quantity,
    Recorded,
    RunsEmpty,
    Setting,
    Text,
    Timed,
    Times,
)
from ..lessons.questions import Choice, Curve, Order, Question
from ..planning import plan, stream_timeline
from ..recordings import catalog, shipped
from . import recorded_scores

KEPT = installation.APP / "benchmarks"
_SPIRAL, _BENCH = "spiral.jsonl", "results-amd-epyc-2-threads.json"
_SEED = re.compile(r"(.+) seed (\d+)")
Runs = Sequence[Mapping[str, Any]]


class MissingError(InputError):
    """A recording, or a kept measurement, that a number comes from is not here."""

    def __init__(self, message: str, recording: str = ""):
        super().__init__(message)
        self.recording = recording


# ---- which lessons there are


def found() -> dict[str, plugins.Choice]:
    """All lessons by name: in the order of their numbers, then those without one."""
    known = plugins.choices("lessons")
    return dict(sorted(known.items(), key=lambda item: item[1].literals.get("NUMBER", {}).get(item[0], math.inf)))


def number(choice: plugins.Choice) -> int | None:
    """The number of a lesson among those that are taught one after the other; None of others, which stand before them as number 0."""
    return choice.literal("NUMBER") or None


def address(choice: plugins.Choice) -> str:
    """What stands in ?lesson=: its number, or its name."""
    return str(number(choice) or choice.name)


def at(text: str) -> str | None:
    """The name of the lesson with this address; None where there is none."""
    return next((name for name, choice in found().items() if text in {name, address(choice)}), None)


def load(name: str) -> Lesson:
    """The lesson of this name."""
    return _made(name, plugins.find("lessons", name).path)


@cache
def _made(name: str, path: Path) -> Lesson:
    return plugins.load("lessons", name).lesson()


# ---- what its numbers are


def scored(network: str) -> catalog.Scored:
    """The network of this name whose scores come with the program."""
    return next(known for known in catalog.SCORED if known.name == network)


@cache
def falls(network: str, criterion: str) -> pd.DataFrame:
    """When each layer runs empty by shipped scores, see `deaths` of analysis/what_if; MissingError where they are not here."""
    path = shipped.scores(network, criterion)
    if not path.exists():
        raise MissingError(f"{path.name} is not here; `python -m appcore record` makes it")
    return what_if.deaths(recorded_scores.read(path))


class Evidence:
    """Looks numbers up. `runs_of` gives the runs of a recording, one for each seed; `store` has their tables."""

    def __init__(self, runs_of: Callable[[str], Runs], store: Any, kept: Path = KEPT):
        self._runs_of, self._store, self._kept = runs_of, store, kept
        self._tables: dict[tuple[str, str], pd.DataFrame] = {}

    def runs(self, recording: str) -> Runs:
        """The runs of a recording by seed; MissingError where there are none."""
        runs = sorted(self._runs_of(recording), key=lambda run: run["config"]["seed"])
        if not runs:
            raise MissingError(f"the recording {recording} is not in this store; import it, or record it", recording)
        return runs

    def numbers(self, lesson: Lesson) -> dict[str, Number]:
        """All numbers of a lesson by name; those whose recording is missing are left out."""
        looked_up: dict[str, Number] = {}
        for name in lesson.numbers:
            try:
                looked_up[name] = self.number(Of(name), lesson)
            except MissingError:
                continue
        return looked_up

    def number(self, quantity: Quantity, lesson: Lesson) -> Number:
        """A number, seed by seed; MissingError where it cannot be known here."""
        if isinstance(quantity, Of):
            return self.number(lesson.numbers[quantity.name], lesson)
        if isinstance(quantity, (Less, Times)):
            return _combined(quantity, self.number(quantity.first, lesson), self.number(quantity.second, lesson))
        if isinstance(quantity, Playground):
            return self._of_playground(quantity)
        if isinstance(quantity, Timed):
            return self._timed(quantity)
        if isinstance(quantity, RunsEmpty):
            left = 100 * float(falls(quantity.network, quantity.criterion)["density"].iloc[0])
            return Number({scored(quantity.network).config.seed: left}, "%", 2, limits=(0.0, 100.0))
        if isinstance(quantity, Images):
            return Number({0: float(_images(json.dumps(dict(quantity.settings), sort_keys=True)))}, "images", 0, is_exact=True)
        runs = self.runs(quantity.recording)
        if isinstance(quantity, Setting):
            return Number({run["config"]["seed"]: float(run["config"][quantity.name]) for run in runs}, digits=_digits(runs, quantity.name))
        if isinstance(quantity, Kept):
            return Number({run["config"]["seed"]: 100 * self._kept_of(quantity, run) for run in runs}, "%", limits=(0.0, 100.0))
        values = {run["config"]["seed"]: self._value(quantity, run) for run in runs}
        if any(math.isnan(value) for value in values.values()):
            raise MissingError(f"the recording {quantity.recording} has no {quantity.measure}", quantity.recording)
        return _measured(MEASURES[quantity.measure], values)

    def _of_playground(self, quantity: Playground) -> Number:
        rows = self._read(_SPIRAL, "python benchmarks/spiral.py", _rows)
        by_seed = {seed: 100 * value[quantity.field] for (key, seed), value in rows.items() if key == quantity.key}
        if not by_seed:
            raise MissingError(f"{_SPIRAL} has no {quantity.key}; `python benchmarks/spiral.py` measures it")
        return Number(by_seed, "%", limits=(0.0, 100.0))

    def _timed(self, quantity: Timed) -> Number:
        rows = self._read(_BENCH, "python -m appcore bench --write benchmarks", _benchmarks)
        if quantity.row not in rows:
            raise MissingError(f"{_BENCH} has no row {quantity.row}")
        unit, values = rows[quantity.row]
        return Number(dict(enumerate(values)), {"x": "times"}.get(unit, unit), 2, each="pair")

    def _read(self, name: str, command: str, read: Callable[[Path, int], dict[Any, Any]]) -> dict[Any, Any]:
        path = self._kept / name
        try:
            return read(path, path.stat().st_mtime_ns)
        except OSError:
            raise MissingError(f"{name} is not here; `{command}` measures it") from None

    def _table(self, name: str, run: Mapping[str, Any]) -> pd.DataFrame:
        key = (name, run["run_id"])
        if key not in self._tables:
            self._tables[key] = getattr(self._store, name)(run["run_id"])
        return self._tables[key]

    def _value(self, quantity: Recorded, run: Mapping[str, Any]) -> float:
        rows = _at(self._table("megabatches", run), -1 if quantity.megabatch is None else quantity.megabatch, quantity.recording)
        row = rows.iloc[-1].to_dict()
        return float(row[quantity.measure] if quantity.megabatch is not None else newest(run, row)[quantity.measure])

    def _kept_of(self, quantity: Kept, run: Mapping[str, Any]) -> float:
        rows = _at(self._table("layers", run), quantity.megabatch, quantity.recording).sort_values("segment").drop_duplicates("layer")
        return float(fraction_kept(rows.sort_values("seq").iloc[quantity.layer]))


def _at(rows: pd.DataFrame, megabatch: int, recording: str) -> pd.DataFrame:
    """The rows of one megabatch (from 0, -1: the last); MissingError where there are none."""
    found = rows[rows["megabatch"] == (rows["megabatch"].max() if megabatch < 0 else megabatch)]
    if not len(found):
        raise MissingError(f"the recording {recording} has no megabatch {megabatch + 1}", recording)
    return found


def _combined(quantity: Less | Times, first: Number, second: Number) -> Number:
    if len(first.by_seed) == 1 and len(second.by_seed) == 1:  # what is counted has no seed
        pairs = {0: (first.sample.mean, second.sample.mean)}
    else:
        pairs = {seed: (first.by_seed[seed], second.by_seed[seed]) for seed in sorted(first.by_seed.keys() & second.by_seed.keys())}
    if not pairs:
        raise MissingError("no seed is common to the recordings that are compared")
    is_exact = first.is_exact and second.is_exact
    if isinstance(quantity, Times):
        shares = {seed: one / other for seed, (one, other) in pairs.items()}
        return Number(shares, "times", 2, limits=(0.0, math.inf), is_exact=is_exact)
    unit = {"%": "points"}.get(first.unit, first.unit)
    differences = {seed: one - other for seed, (one, other) in pairs.items()}
    return Number(differences, unit, first.digits, is_difference=True, is_exact=is_exact)


def _measured(measure: Measure, by_seed: dict[int, float]) -> Number:
    shown = {seed: float(measure.shown(value)) for seed, value in by_seed.items()}
    return Number(shown, measure.unit, measure.digits, measure.is_difference, measure.limits)


def _digits(runs: Runs, setting: str) -> int:
    return 0 if isinstance(runs[0]["config"][setting], int) else 1


@cache
def _images(settings: str) -> int:
    config = RunConfig(**json.loads(settings))
    return int(stream_timeline.by_megabatch(config, plan.check(config))["samples"].sum())


@cache
def _rows(path: Path, changed: int) -> dict[tuple[str, int], dict[str, float]]:
    found = {}
    for line in files.read(path).decode().splitlines():
        row = json.loads(line)
        if match := _SEED.fullmatch(row["key"]):
            found[match[1], int(match[2])] = row["value"]
    return found


@cache
def _benchmarks(path: Path, changed: int) -> dict[str, tuple[str, list[float]]]:
    return {row["what"]: (row["unit"], row["values"]) for row in json.loads(files.read(path))["rows"] if row["values"]}


# ---- texts and questions with their numbers


def filled(text: Text, numbers: Mapping[str, Number]) -> str:
    """The text with its numbers; MissingError where one is not known."""
    try:
        words: str = getattr(text, numbers[text.of].verdict) if isinstance(text, Depends) else text
        return words.format_map(numbers)
    except KeyError as error:
        raise MissingError(f"the number {error.args[0]} is not known here") from None


def truth(question: Question, lesson: Lesson, evidence: Evidence) -> list[Number]:
    """What was measured of the question: one number of a choice, one for each item or point of the others."""
    if isinstance(question, Choice):
        return [evidence.number(Of(question.of), lesson)]
    if isinstance(question, Order):
        return [evidence.number(Of(item.of), lesson) for item in question.items]
    assert isinstance(question, Curve)
    return [evidence.number(point.of, lesson) for point in question.points]
