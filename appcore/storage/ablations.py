"""Ablations in the store (tables `sweeps`, `sweep_runs`): base settings, varied settings and runs. Knows not how they are run."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, delete, func, insert, or_, select, update

from ..config import as_then
from ..errors import InputError
from ..statuses import RESUMABLE
from .database import Database
from .rows import Unreadable, judged
from .schema import plain, runs, sweep_runs, sweeps


class AblationTable:
    """The ablations that a store shows. Each call is one short transaction, as in Store."""

    def __init__(self, database: Database, owner: str = "", sees_all: bool = True):
        self._database, self._owner = database, owner
        self._mine = () if sees_all else (sweeps.c.owner == owner,)

    def create(
        self,
        title: str,
        base: dict[str, Any],
        axes: dict[str, list[Any]],
        picks: list[list[int]] | None = None,
        *,
        again_after: float = 0.0,
    ) -> str:
        """Add an ablation; returns its id, or that of an equal one which is less than `again_after` seconds old. With `picks` it has only
        these combinations, and an equal one begins with them."""
        now = datetime.now(UTC)
        sweep_id = f"s{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        # As a list of pairs: PostgreSQL's JSON keeps the order of keys, its JSONB and other tools may not.
        values = {
            "owner": self._owner,
            "title": plain(title),
            "base": plain(base),
            "axes": [[name, plain(list(chosen))] for name, chosen in axes.items()],
            "picks": picks,
        }
        with self._database.alone() as connection:
            apart = timedelta(seconds=again_after)
            about_now = sweeps.c.created.between((now - apart).isoformat(), (now + apart).isoformat())
            of_mine = select(sweeps).where(about_now, sweeps.c.owner == self._owner).order_by(sweeps.c.created.desc())
            for known in connection.execute(of_mine).mappings() if again_after else ():
                if (known["base"], known["axes"]) == (values["base"], values["axes"]) and _begins_with(known["picks"], picks):
                    return known["sweep_id"]
            connection.execute(insert(sweeps).values(sweep_id=sweep_id, created=now.isoformat(), **values))
        return sweep_id

    def get(self, sweep_id: str) -> dict[str, Any]:
        """An ablation with the ids of its runs, oldest first. InputError where it cannot be read."""
        with self._database.read() as connection:
            return self._get(connection, sweep_id)

    def _get(self, connection: Connection, sweep_id: str) -> dict[str, Any]:
        row = connection.execute(select(sweeps).where(sweeps.c.sweep_id == sweep_id, *self._mine)).mappings().one_or_none()
        if row is None:
            raise _unknown(sweep_id)
        _, bad = judged(sweeps, [row])
        if bad:
            raise InputError(
                f"ablation {sweep_id} cannot be read: {bad[0].problem}; `python -m appcore doctor --repair` quarantines it", "sweep"
            )
        query = select(sweep_runs.c.run_id).where(sweep_runs.c.sweep_id == sweep_id).order_by(sweep_runs.c.run_id)
        return {**_settings(row), "run_ids": list(connection.scalars(query))}

    def all(self) -> list[dict[str, Any]]:
        """Every ablation that can be read, with the ids of its runs, newest first."""
        return self.survey()[0]

    def survey(self) -> tuple[list[dict[str, Any]], list[Unreadable]]:
        """As `all`, and those that cannot be read."""
        with self._database.read() as connection:
            rows = connection.execute(select(sweeps).where(*self._mine).order_by(sweeps.c.created.desc())).mappings().all()
            members = connection.execute(select(sweep_runs)).all()
        run_ids: dict[str, list[str]] = {}
        for sweep_id, run_id in members:
            run_ids.setdefault(sweep_id, []).append(run_id)
        good, bad = judged(sweeps, rows)
        return [{**_settings(row), "run_ids": sorted(run_ids.get(row["sweep_id"], []))} for row in good], bad

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The ablations whose runs were started last: id, title, when, and how many runs they have and how many of them are done."""
        count, last = func.count(runs.c.run_id), func.max(runs.c.created)
        done = func.sum(case((runs.c.status == "done", 1), else_=0))
        query = (
            select(sweeps.c.sweep_id, sweeps.c.title, last.label("created"), count.label("runs"), done.label("done"))
            .join(sweep_runs, sweep_runs.c.sweep_id == sweeps.c.sweep_id)
            .join(runs, runs.c.run_id == sweep_runs.c.run_id)
            .where(*self._mine)
            .group_by(sweeps.c.sweep_id, sweeps.c.title)
            .order_by(last.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def add_picks(self, sweep_id: str, picks: Iterable[list[int]]) -> None:
        """Add combinations to an ablation that a search drew, but for those that it has already."""
        with self._database.alone() as connection:
            known = self._get(connection, sweep_id)["picks"] or []
            wanted = [*known, *(pick for pick in picks if pick not in known)]
            connection.execute(update(sweeps).where(sweeps.c.sweep_id == sweep_id).values(picks=wanted))

    def add_runs(self, sweep_id: str, run_ids: Iterable[str]) -> None:
        """Add runs to an ablation, but for those that it has already, and those that were deleted meanwhile."""
        with self._database.alone() as connection:
            wanted, known = list(dict.fromkeys(run_ids)), set(self._get(connection, sweep_id)["run_ids"])
            there = set(connection.scalars(select(runs.c.run_id).where(runs.c.run_id.in_(wanted))))
            new = [{"sweep_id": sweep_id, "run_id": run_id} for run_id in wanted if run_id in there - known]
            if new:
                connection.execute(insert(sweep_runs), new)

    def fingerprints(self, sweep_id: str) -> set[str]:
        """The fingerprints of its runs, but for those of others that these have given up."""
        query = select(runs.c.fingerprint).join(sweep_runs, sweep_runs.c.run_id == runs.c.run_id).where(sweep_runs.c.sweep_id == sweep_id)
        if self._mine:
            query = query.where(or_(runs.c.owner == self._owner, runs.c.status.not_in(RESUMABLE)))
        with self._database.read() as connection:
            return set(connection.scalars(query))

    def rename(self, sweep_id: str, title: str) -> None:
        """Change the title of an ablation; InputError where there is none to be seen here."""
        with self._database.write() as connection:
            done = connection.execute(update(sweeps).where(sweeps.c.sweep_id == sweep_id, *self._mine).values(title=plain(title)))
        if not done.rowcount:
            raise _unknown(sweep_id)

    def delete(self, sweep_id: str) -> None:
        """Delete an ablation; its runs stay."""
        with self._database.alone() as connection:
            if not connection.scalar(select(sweeps.c.sweep_id).where(sweeps.c.sweep_id == sweep_id, *self._mine)):
                raise _unknown(sweep_id)
            connection.execute(delete(sweep_runs).where(sweep_runs.c.sweep_id == sweep_id))
            connection.execute(delete(sweeps).where(sweeps.c.sweep_id == sweep_id))


def _begins_with(known: list[list[int]] | None, picks: list[list[int]] | None) -> bool:
    return known is picks if known is None or picks is None else known[: len(picks)] == picks


def _settings(row: Any) -> dict[str, Any]:
    """A row with its settings as they were meant: with a base of before `subset_seed` seed 0 drew the images, whichever axes limit them."""
    return {**row, "base": {**as_then(row["base"]), "subset_seed": row["base"].get("subset_seed", 0)}, "axes": dict(row["axes"])}


def _unknown(sweep_id: str) -> InputError:
    return InputError(f"no ablation {sweep_id!r} in this store; the page Ablations lists those that are", "sweep")
