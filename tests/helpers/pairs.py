"""Two verbs on one run at one moment, in two processes: what one says that it did is so, and no run is left half.

Each round has a store of its own; the second process may be some milliseconds late.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import faults

from appcore import paths
from appcore.service.manager import Manager
from appcore.storage.store import Store
from appcore.transfer.backup import backup, restore
from appcore.transfer.bundle_export import export
from appcore.transfer.bundle_import import import_bundle

DONE, REFUSED = 10, 20  # exit codes: the verb said that it did it, or refused in one line
LATE = 0.010  # s
TO_CLAIM = 0.150  # s in which a resume looks at data and files before it takes the run; a deletion comes somewhere in them
# A deletion of a busy machine may come so late that the resumed run is done, which is no meeting: the store itself notes what was deleted.
NOTE = """CREATE TABLE deleted (status TEXT);
CREATE TRIGGER note AFTER DELETE ON runs BEGIN INSERT INTO deleted VALUES (OLD.status); END"""
Verb = Callable[[Path, str], Any]


def _manager(folder: Path) -> Manager:
    return Manager(Store(folder / "runs.db"))


def _resume(folder: Path, run_id: str) -> None:
    manager = _manager(folder)
    manager.resume(run_id)
    try:
        found = manager.wait(run_id, 60.0)
    except ValueError as error:  # it was resumed, so it must be there to its end
        if not _was_done(folder):
            raise RuntimeError(error) from error
        found = "done"
    manager.close()
    assert found == "done", found


def _was_done(folder: Path) -> bool:
    """Whether the run had ended well before it was deleted."""
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        return connection.execute("SELECT status FROM deleted").fetchall() == [("done",)]


def _delete(folder: Path, run_id: str) -> None:
    _manager(folder).delete(run_id)


def _label(folder: Path, run_id: str) -> None:
    _manager(folder).label(run_id, title="labelled")


def _import(folder: Path, run_id: str) -> None:
    import_bundle(Store(folder / "runs.db"), folder.parent / "to" / f"{run_id}.zip")


def _restore(folder: Path, run_id: str) -> None:
    restore(Store(folder / "runs.db"), folder.parent / "b.zip")


def _sweep(folder: Path, run_id: str) -> None:
    Store(folder / "runs.db").ablations.add_runs((folder.parent / "sweep").read_text(), [run_id])


def _delete_sweep(folder: Path, run_id: str) -> None:
    Store(folder / "runs.db").ablations.delete((folder.parent / "sweep").read_text())


VERBS: dict[str, Verb] = {
    "resume": _resume,
    "delete": _delete,
    "label": _label,
    "import": _import,
    "restore": _restore,
    "join an ablation": _sweep,
    "delete the ablation": _delete_sweep,
}
PAIRS = (
    ("delete", "resume"),
    ("delete", "delete"),
    ("delete", "label"),
    ("delete", "import"),
    ("delete", "join an ablation"),
    ("delete the ablation", "join an ablation"),
    ("import", "import"),
    ("restore", "restore"),
    ("import", "restore"),
    ("resume", "resume"),
)


def prepare(folder: Path) -> str:
    """A store with a run that stopped in the middle and an ablation, its bundle and its backup; the run's id."""
    run_id = faults.half_run(folder / "store", "app")
    with closing(Store(folder / "store" / "runs.db")) as store:
        (folder / "sweep").write_text(store.ablations.create("one", {}, {"seed": [0]}))
        export(store, run_id, folder / "to")
        backup(store, folder / "b.zip")
    with closing(sqlite3.connect(folder / "store" / "runs.db")) as connection:
        connection.executescript(NOTE)
    return run_id


def meet(prepared: Path, run_id: str, pair: tuple[str, str], draw: random.Random) -> tuple[tuple[bool, bool], list[str]]:
    """Which of the two verbs said that they did it, and a line for each thing that is not as it should be."""
    place = prepared / "round"
    shutil.copytree(prepared / "store", place)
    if "restore" in pair or pair == ("import", "import"):
        shutil.rmtree(place)  # these begin with an empty store
        Store(place / "runs.db").runs()
    when = time.time() + 0.15
    delays = draw.uniform(0.0, TO_CLAIM if pair == ("delete", "resume") else LATE), draw.uniform(0.0, LATE)

    def press(verb: Verb, delay: float) -> int:
        time.sleep(max(0.0, when + delay - time.time()))
        try:
            verb(place, run_id)
        except ValueError as error:
            assert hasattr(error, "message") and "\n" not in error.message, error
            return REFUSED
        return DONE

    started = [faults.fork(lambda verb=VERBS[name], delay=delay: press(verb, delay)) for name, delay in zip(pair, delays)]
    codes = [faults.code_of(child) for child in started]
    wrong = [] if {DONE, REFUSED} >= set(codes) else [f"ended with {codes}"]
    did = (codes[0] == DONE, codes[1] == DONE)
    if pair == ("delete", "resume") and all(did) and _was_done(place):
        shutil.rmtree(place)
        return meet(prepared, run_id, pair, draw)
    wrong += _judged(place, run_id, pair, did)
    shutil.rmtree(place)
    return did, [f"{' against '.join(pair)}: {line}" for line in wrong]


def _judged(place: Path, run_id: str, pair: tuple[str, str], did: tuple[bool, bool]) -> list[str]:
    """What is not as the two were told."""
    said = {name for name, is_done in zip(pair, did) if is_done}
    with closing(Store(place / "runs.db")) as store:
        row = next((row for row in store.runs() if row["run_id"] == run_id), None)
        folder = paths.run_folder(place, run_id)
        wrong = []
        if (row is None) != (not folder.exists()):
            wrong.append("files without a row" if row is None else "a row without files")
        if pair == ("delete", "resume") and all(did):
            wrong.append("both succeeded")
        if "resume" in said and (row is None or row["status"] != "done"):
            wrong.append(f"resumed, and it is {row and row['status']}")
        if said == {"delete"} and "import" not in pair and row is not None:
            wrong.append("deleted, and it is there")
        if pair == ("delete", "delete") and did.count(True) != 1:
            wrong.append(f"{did.count(True)} deleted it")
        if pair[0] in ("restore", "import") and row is None:
            wrong.append("nobody brought it")
        if row is None and any(run_id in sweep["run_ids"] for sweep in store.ablations.all()):
            wrong.append("an ablation with a run that is not there")
        left = [path.name for path in place.iterdir() if path.name not in ("runs.db", "runs.db-journal", run_id)]
        if left:
            wrong.append(f"left: {left}")
        if row is not None and not wrong:
            wrong += [f"differs: {name}" for name in _unlike(place, run_id, row)]
    return wrong


def _unlike(place: Path, run_id: str, row: dict[str, Any]) -> list[str]:
    """What a run that is still there ends with must be what it always ends with."""
    with closing(Store(place / "runs.db")) as store:
        if row["status"] not in ("done", "stopped"):
            store.update(run_id, status="stopped")
    return faults.differences(faults.resumed(place, run_id), faults.whole("app"))
