"""Which machines drive runs of this store, judged by the rows of its active runs: what an engine says of them is in engine_nodes.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..runner.launcher import is_elsewhere

QUIET_SECONDS = 15.0  # several heartbeats late
_FORGOTTEN_SECONDS = 86_400.0  # then its runs are lost, and the list of runs says so


def hosts(rows: Iterable[Mapping[str, Any]], waiting: Mapping[str, int], here: str) -> list[dict[str, Any]]:
    """The machines of active runs, `here` first; `rows` as `Store.at_work` gives them, `waiting` as `Store.waiting`.

    {"host", "is_here", "quiet" (seconds since the last sign of life), "state" ("answers"; "quiet" where that is late; "watched" where only
    a clock speaks against it; "gone" where its runs are lost), "runs" (rows that this user sees, of processes that drive them or did when
    they were last heard of), "others" (how many that they do not see), "waiting" (how many wait there for their turn), "machine" (what the
    newest of them said of it, see runner/usage)}
    """
    by_host: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["host"] and row["quiet"] < _FORGOTTEN_SECONDS and not (row["host"] == here and row["life"] == "gone"):  # this one answers
            by_host.setdefault(row["host"], []).append(row)
    ordered = sorted(by_host.items(), key=lambda one: (one[0] != here, one[0]))
    return [_host(host, found, waiting.get(host, 0), here) for host, found in ordered]


def _host(host: str, rows: list[Mapping[str, Any]], waiting: int, here: str) -> dict[str, Any]:
    driven = [row for row in rows if row["status"] != "queued"]
    quiet, lives = min(row["quiet"] for row in rows), {row["life"] for row in rows}
    state = "answers" if host == here or ("alive" in lives and quiet <= QUIET_SECONDS) else "quiet" if "alive" in lives else "gone"
    said = [found for row in driven if (found := (row["progress"] or {}).get("machine") or {}).get("host") == host]
    state = "watched" if state == "gone" and "unsure" in lives else state
    return {
        "host": host,
        "is_here": host == here,
        "quiet": 0.0 if host == here else quiet,
        "state": state,
        "runs": [row for row in driven if row["is_seen"]],
        "others": sum(not row["is_seen"] for row in driven),
        "waiting": waiting if state != "gone" else 0,  # for nothing: they are lost too
        "machine": said[-1] if said else {},
    }


def at_engines(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The runs that this user sees and that wait at an engine, by time."""
    return [row for row in rows if row["is_seen"] and row["status"] == "queued" and is_elsewhere(row["launcher"])]
