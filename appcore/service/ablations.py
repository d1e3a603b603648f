"""Carrying out ablations: which cell has which run, which runs are missing, starting those. Plain data in and out, like the manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..config import RunConfig, anchored
from ..errors import InputError
from ..planning import ablation_grid
from ..runner.engine_port import Work
from ..statuses import ACTIVE, RESUMABLE
from ..storage.store import Store
from .labels import checked_title
from .same_runs import RANKS, SameRuns

TWICE_SECONDS = 5.0
_EVER_SECONDS = 3e9
_REMEMBERED = 16


class Ablations:
    """Commands and queries about ablations. `start` is that of `starting`, for the user of this store; `work` reads their data; `launcher`:
    where their runs train unless something else is asked for."""

    def __init__(self, store: Store, start: Callable[..., list[str]], work: Work, launcher: str):
        self._store, self._start, self._work, self._launcher = store, start, work, launcher
        # By id and number of picks, all of an ablation that can change; expanding it looks at a data set for each cell.
        self._expanded: dict[tuple[str, int], dict[str, Any]] = {}

    def create(
        self,
        title: str,
        base: Mapping[str, Any],
        axes: Mapping[str, Sequence[Any]],
        picks: Sequence[Sequence[int]] | None = None,
        *,
        once: bool = False,
    ) -> str:
        """Store an ablation, starting no run; the same one created twice within seconds is stored once, and with `once` whenever it was.

        InputError if it is empty. With `picks`, see ablation_grid.expand, it has only these combinations, and `add_picks` adds to them.
        """
        base, axes = _anchored(base, axes)
        base = {"subset_seed": RunConfig.model_fields["subset_seed"].default, **base}  # its absence tells the ablations of earlier versions
        ablation_grid.check_some(ablation_grid.expand(base, axes, picks))
        chosen = {name: list(values) for name, values in axes.items()}
        places = None if picks is None else [list(pick) for pick in picks]
        words = ablation_grid.title(axes, of_weights=ablation_grid.counts_weights(base, axes))
        apart = _EVER_SECONDS if once else TWICE_SECONDS
        return self._store.ablations.create(checked_title(title) or words, base, chosen, places, again_after=apart)

    def add_picks(self, sweep_id: str, picks: Sequence[Sequence[int]]) -> None:
        """Add combinations to an ablation that has only some of its axes'."""
        self._store.ablations.add_picks(sweep_id, [list(pick) for pick in picks])

    def board(self, sweep_id: str) -> dict[str, Any]:
        """The ablation with its cells, each with `run` (its row, or None where it has not been started)."""
        sweep = self._store.ablations.get(sweep_id)
        found = self._expand(sweep)
        mine = set(sweep["run_ids"])
        runs: dict[str, dict[str, Any]] = {}
        for run in self._store.runs():
            is_given_up = run.get("is_shared") and run["status"] in RESUMABLE  # by somebody else, who alone can go on with it
            if run["run_id"] in mine and not is_given_up:
                other = runs.get(run["fingerprint"])
                if other is None or RANKS[run["status"]] < RANKS[other["status"]]:
                    runs[run["fingerprint"]] = run
        cells = [{**cell, "run": runs.get(cell["fingerprint"]) or runs.get(cell["as_typed"])} for cell in found["cells"]]
        return {"sweep": sweep, "cells": cells, "left_out": found["left_out"]}

    def _expand(self, sweep: Mapping[str, Any]) -> dict[str, Any]:
        key = sweep["sweep_id"], len(sweep["picks"] or ())
        if key not in self._expanded:
            while len(self._expanded) >= _REMEMBERED:
                self._expanded.pop(next(iter(self._expanded)))
            self._expanded[key] = ablation_grid.expand(sweep["base"], sweep["axes"], sweep["picks"])
        return self._expanded[key]

    def reusable(self, cells: Sequence[Mapping[str, Any]], *, reads_data: bool = False) -> dict[str, str]:
        """{fingerprint: run id} of cells for which the store has a finished or active run, which is used instead of a new one.

        With `reads_data`, which takes seconds for large data, only runs that began with the images and labels that are there now.
        """
        wanted = {cell["fingerprint"] for cell in cells}
        found: dict[str, str] = {}
        same: dict[tuple[str, str], bool] = {}
        for run in sorted(self._store.runs(), key=lambda run: RANKS[run["status"]]):
            is_candidate = run["fingerprint"] in wanted and run["fingerprint"] not in found and run["status"] in ("done", *ACTIVE)
            if is_candidate and (not reads_data or self._has_same_data(run, same)):
                found[run["fingerprint"]] = run["run_id"]
        return found

    def _has_same_data(self, run: Mapping[str, Any], known: dict[tuple[str, str], bool]) -> bool:
        """Whether a run began with the data that its settings mean now. True where that cannot be known: no hash yet, or data not here."""
        then = (run["hashes"] or {}).get("data")
        if then is None:
            return True
        if (run["dataset"], then) not in known:
            known[run["dataset"], then] = True
            with suppress(InputError):  # settings of another version
                known[run["dataset"], then] = self._work.data_digest(self._work.config(run["config"])) in (None, then)
        return known[run["dataset"], then]

    def of_other_data(self, cells: Sequence[Mapping[str, Any]]) -> list[str]:
        """The runs of these cells that began with other images or labels than their settings mean now."""
        same: dict[tuple[str, str], bool] = {}
        return [cell["run"]["run_id"] for cell in cells if cell["run"] and not self._has_same_data(cell["run"], same)]

    def run_missing(self, sweep_id: str, launcher: str = "") -> dict[str, list[str]]:
        """Give every cell without a run one: a run that there is already, of whomever, else a new one. {"reused": ids, "started": ids}.

        They train side by side, as many at once as this machine has slots for, unless a `launcher` says otherwise.
        Runs are created and belong to the ablation in one step, so that a kill leaves all of them or none, and two presses one set.
        """
        board = self.board(sweep_id)
        missing = [cell for cell in board["cells"] if cell["run"] is None]
        known = self.reusable(missing, reads_data=True)
        new = [cell for cell in missing if cell["fingerprint"] not in known]
        if not new:
            self._store.ablations.add_runs(sweep_id, known.values())
            return {"reused": sorted(known.values()), "started": []}
        # One seed of every combination before the next: the board fills evenly, and an early look compares all of them.
        new.sort(key=lambda cell: board["sweep"]["axes"].get("seed", [None]).index(cell["values"].get("seed")))
        titles = [ablation_grid.label(cell, board["sweep"]["title"]) for cell in new]
        configs, launcher, same = [cell["config"] for cell in new], launcher or self._launcher, SameRuns(self._work)
        run_ids = self._start(configs, launcher, titles, group=sweep_id, ablation=(sweep_id, known.values()), known=same)
        started = [run_id for run_id in run_ids if run_id not in same.reused]
        return {"reused": sorted([*known.values(), *same.reused]), "started": started}

    def all(self) -> list[dict[str, Any]]:
        """Every ablation, newest first, with the ids of its runs."""
        return self._store.ablations.all()

    def survey(self) -> tuple[list[dict[str, Any]], list[Any]]:
        """As `all`, and those that cannot be read: (table, id, what is wrong)."""
        return self._store.ablations.survey()

    def get(self, sweep_id: str) -> dict[str, Any]:
        """One ablation; InputError when it is not in this store."""
        return self._store.ablations.get(sweep_id)

    def rename(self, sweep_id: str, title: str) -> None:
        """Change the title of an ablation."""
        self._store.ablations.rename(sweep_id, checked_title(title))

    def delete(self, sweep_id: str) -> None:
        """Delete an ablation; its runs stay."""
        self._store.ablations.delete(sweep_id)


def _anchored(base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> tuple[Mapping[str, Any], Mapping[str, Sequence[Any]]]:
    """The settings of an ablation with paths made absolute, so that its missing runs can be started from any folder."""

    def kept(name: str, value: Any) -> Any:
        return anchored(value) if name == "dataset" and isinstance(value, str) else value

    base = {name: kept(name, value) for name, value in base.items()}
    return base, {name: [kept(name, value) for value in values] for name, values in axes.items()}
