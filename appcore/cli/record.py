"""`python -m appcore record`: make the recorded runs that come with the program (see recordings/catalog), one by one, resumable."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from .. import files, paths, plugins
from ..config import build
from ..errors import InputError
from ..names import counted
from ..recordings import catalog, shipped
from ..recordings.catalog import Picture, Recording
from ..service import recorded_scores
from ..service.manager import Manager
from ..statuses import RESUMABLE
from ..storage.store import Store
from ..transfer import bundle_export, bundle_recorded

IMAGES = "../shared/data/cifar10-small.zip"
_COMMAND = "python -m appcore record"


def listed(to: Path = shipped.FOLDER) -> list[dict[str, Any]]:
    """Each recording with its runs, and those that are made: their seconds and bytes."""
    made = shipped.runs(to)
    found = []
    for known in catalog.RECORDINGS:
        here = {run_id: made[run_id] for run_id in known.run_ids if run_id in made}
        sums = {what: sum(one[what] for one in here.values()) for what in ("seconds", "bytes")}
        found.append({"name": known.name, "title": known.title, "about": known.about, "runs": known.run_ids, "made": list(here), **sums})
    return found


def record(names: Iterable[str], images: str, work: Path, to: Path = shipped.FOLDER, *, anew: bool = False) -> list[str]:
    """Make the runs of these recordings that are not made yet (`anew`: all) into the folder `to`; returns their ids.

    They train in a store of their own in the folder `work`, where what was interrupted goes on.
    """
    wanted = [(known, seed) for known in map(catalog.recording, names) for seed in known.seeds]
    missing = [(known, seed) for known, seed in wanted if anew or not is_made(known, seed, to)]
    manager = Manager(Store(work / "appcore.db"))
    try:
        for place, (known, seed) in enumerate(missing, 1):
            run_id = catalog.run_id(known.name, seed)
            print(f"{place} of {counted(len(missing), 'run')}: {run_id}", file=sys.stderr, flush=True)
            keep(manager.store, trained(manager, known, seed, images), known, seed, to, f"{_COMMAND} {known.name}")
    finally:
        manager.close()
        draw(to)
    _score(images, to, anew=anew)
    return [catalog.run_id(known.name, seed) for known, seed in missing]


def is_made(known: Recording, seed: int, to: Path) -> bool:
    """Whether the run is there, with the settings that the catalog has now."""
    run_id = catalog.run_id(known.name, seed)
    made = shipped.runs(to).get(run_id)
    return made is not None and made["fingerprint"] == known.config(seed).fingerprint and shipped.file(run_id, to).exists()


def trained(manager: Manager, known: Recording, seed: int, images: str, launcher: str = plugins.DEFAULT_LAUNCHER) -> dict[str, Any]:
    """The finished run of a recording on these images: the one that is there, resumed where it was interrupted, or a new one."""
    run_id = catalog.run_id(known.name, seed)
    config = build({**known.config(seed).model_dump(mode="json"), "dataset": f"images:{images}"}).anchored()
    here = [row["run_id"] for row in manager.runs() if row["title"] == run_id and row["fingerprint"] == config.fingerprint]
    if here:
        manager.wait(here[0])  # another process may still be about to let go of it
        if manager.get(here[0])["status"] in RESUMABLE:
            manager.resume(here[0], launcher)
    else:
        here = manager.start([config.model_dump(mode="json")], launcher, [run_id])
    manager.wait(here[0])
    row = manager.get(here[0])
    if row["status"] != "done":
        why = row["error"] or "it was interrupted; the same command goes on with it"
        raise InputError(f"{run_id} is {row['status']}: {why}", "recording")
    return row


def keep(store: Store, row: dict[str, Any], known: Recording, seed: int, to: Path, command: str) -> None:
    """Write the light bundle of a finished run, and what is known of how it was made, such as the command."""
    from ..bench import timing  # it brings torch along, for which a list need not wait

    run_id, machine, config = catalog.run_id(known.name, seed), timing.machine(), known.config(seed)
    fields = {
        "run_id": run_id,
        "title": known.title_of(seed),
        "group": known.name,
        "config": {**row["config"], "dataset": config.dataset},
    }
    bundle_export.light_bundle(store, row["run_id"], shipped.file(run_id, to), fields)
    data = shipped.file(run_id, to).read_bytes()
    about = {
        "name": known.name,
        "date": datetime.fromisoformat(row["created"]).astimezone(UTC).isoformat(timespec="seconds"),
        "machine": f"{machine['processor']}, {machine['system']}, {counted((row['versions'] or {}).get('threads', 1), 'thread')}",
        "command": command,
        "seconds": round(row["totals"]["seconds"], 1),
        "sha256": shipped.digest(data),
        "bytes": len(data),
        "fingerprint": config.fingerprint,
    }
    _write(to / shipped.MADE, {**shipped.runs(to), run_id: about})
    shipped.runs.cache_clear()


def _score(images: str, to: Path, *, anew: bool) -> None:
    """Write the scores of the networks of the page What if that are not there yet (`anew`: all)."""
    for known in catalog.SCORED:
        missing = [name for name in known.criteria if anew or not shipped.scores(known.name, name, to).exists()]
        if missing:
            from ..engine import what_if_sketch

            config = build({**known.config.model_dump(mode="json"), "dataset": f"images:{images}"})
            state = what_if_sketch.present(config)
            for name in missing:
                found = what_if_sketch.sketch(state, what_if_sketch.scores(state, name))
                files.write(shipped.scores(known.name, name, to), recorded_scores.packed(found), files.REMEDY, "recording")


def _write(path: Path, found: dict[str, Any]) -> None:
    files.write(path, json.dumps(found, indent=1, sort_keys=True) + "\n", files.REMEDY, "recording")


# ---- the small pictures of the gallery


def draw(to: Path) -> None:
    """Write the points of all pictures whose recordings are there."""
    if not shipped.runs(to):
        return
    _write(to / shipped.PICTURES, {picture.name: curves for picture in catalog.GALLERY if (curves := points(picture, to))})
    shipped.pictures.cache_clear()


def points(picture: Picture, folder: Path = shipped.FOLDER) -> dict[str, list[list[float]]]:
    """The points [x, y] of each curve of a picture: of each stage of each recording the mean over its seeds."""
    made = shipped.runs(folder)
    found = {}
    for curve, names in picture.curves.items():
        stages: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
        for name in names:
            for run_id in catalog.run_ids(name):
                if run_id in made:
                    for place, point in enumerate(_points(picture, run_id, folder)):
                        stages[name, place].append(point)
        if stages:
            found[curve] = [[round(fmean(values), 5) for values in zip(*seeds)] for seeds in stages.values()]
    return found


def _points(picture: Picture, run_id: str, folder: Path) -> list[tuple[float, float]]:
    _, _, entries = bundle_recorded.read(shipped.read(run_id, folder))
    ends: list[Any] = [one.event for one in entries if one.round or one.megabatch]
    ends.sort(key=lambda end: end.segment)
    return [(end.megabatch + 1.0 if picture.over == "stream" else 1.0 - end.density_mask, _value(picture.measure, end)) for end in ends]


def _value(measure: str, end: Any) -> float:
    """A measure at the end of a stage."""
    if measure == "first_layer":
        return end.layers[0].kept / end.layers[0].total
    return 1.0 - end.density_mask if measure == "sparsity" else getattr(end, measure)


def default_work() -> Path:
    """Where recordings train unless another folder is named."""
    return paths.runs_folder() / "recordings"
