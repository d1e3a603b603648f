"""Recorded runs of this store as the evidence of a lesson, looked up once for as long as they stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appcore.errors import InputError
from appcore.lessons.base import Lesson
from appcore.recordings import catalog
from appcore.service import lessons
from appcore.statuses import ENDED

from ..app import page

_MOST = 32
_kept: dict[tuple[str, str], tuple[tuple, lessons.Evidence, dict[str, Any]]] = {}


def of(name: str, lesson: Lesson) -> tuple[lessons.Evidence, dict[str, Any]]:
    """The evidence of a lesson, and its numbers by name; those whose recording is not here are missing."""
    store, runs = page.store(), _all(lesson)
    if not all(runs.values()):  # a new store has them within seconds
        page.await_recorded()
        runs = _all(lesson)
    token = tuple((run["run_id"], run["status"], run["title"]) for found in runs.values() for run in found)
    kept = _kept.get((store.url, name))
    if kept is None or kept[0] != token:
        evidence = lessons.Evidence(lambda recording: runs.get(recording, []), store)
        kept = token, evidence, evidence.numbers(lesson)
        if len(_kept) >= _MOST:
            _kept.clear()
        _kept[store.url, name] = kept
    return kept[1], kept[2]


def _all(lesson: Lesson) -> dict[str, list[Mapping[str, Any]]]:
    return {recording: _runs(recording) for recording in lesson.recordings()}


def _runs(recording: str) -> list[Mapping[str, Any]]:
    """The runs of a recording that have ended and may be seen, one for each seed."""
    try:
        found = [page.find(run_id)[0] for run_id in catalog.run_ids(recording)]
    except InputError:
        return []  # of a plug-in that names a recording of another version
    return [run for run in found if run is not None and run["status"] in ENDED]
