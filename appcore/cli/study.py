"""`python -m appcore study`: run the study of six rows (see recordings/study), several runs at a time, resumable, and write what came out.

Runs go seed by seed, so that an interrupted study has whole seeds. What is kept of each is its light bundle; with these alone another
machine goes on.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import InputError
from ..names import counted
from ..recordings import catalog, shipped, study
from ..recordings.recording import Recording
from ..recordings.study import Study
from . import flags
from .one_thread import one_thread
from .terminal import answer

IMAGES = "../shared/data/cifar10.zip"
MOST_WORKERS = 64
AUGMENTATION = {"off": (False,), "on": (True,), "both": (False, True)}
_COMMAND = "python -m appcore study"
_SIZES = [one for one in fields(Study) if one.name != "megabatches"]


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.add_argument("rows", nargs="*", default=[], metavar="ROW", help=f"rows to run: {', '.join(study.BY_NAME)} [all]")
    parser.add_argument("--quick", action="store_true", help="1,600 images, seed 0, without augmentation: some minutes")
    parser.add_argument("--seeds", metavar="N,...", help="seeds [0,1,2]")
    parser.add_argument("--augmentation", choices=AUGMENTATION, help="crops and flips [both]")
    parser.add_argument("--megabatches", type=int, choices=study.STUDIES, default=8, help="length of the stream [8]")
    for one in _SIZES:
        usual = ", ".join(f"{getattr(known, one.name):g}" for known in study.STUDIES.values())
        what = f"as of `run`, by length of the stream [{usual}]; another value needs a folder of its own"
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=type(one.default), metavar="N", help=what)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="runs at a time, each in a process with one thread [1]")
    parser.add_argument("--images", type=flags.file, default=IMAGES, metavar="FILE", help=f"zip of CIFAR-10 [{IMAGES}]")
    parser.add_argument("--to", type=flags.path, metavar="DIR", help="folder of the light bundles [that of the recorded runs]")
    parser.add_argument("--work", type=flags.path, metavar="DIR", help="folder in which runs train [study, beside the runs]")
    parser.add_argument("--write", type=flags.path, metavar="FILE", help="write what came out so far, after each run, e.g. docs/STUDY.md")
    parser.add_argument("--list", action="store_true", help="train nothing: say which runs there are (and --write)")
    flags.add_share(parser)


def carry_out(args: argparse.Namespace) -> int:
    """Carry out the verb; 1 where a run has failed."""
    with one_thread():
        return _carry_out(args, _wanted(args), _folder(args))


def _carry_out(args: argparse.Namespace, wanted: list[tuple[Recording, int]], to: Path) -> int:
    work = Path(args.work) if args.work else paths.runs_folder() / "study"
    from . import record

    _refuse_others(wanted, to)
    missing = [(known, seed) for known, seed in wanted if not record.is_made(known, seed, to)]

    def report() -> None:
        if args.write:
            from ..checks import study_report

            study_report.write(args.write, to, _COMMAND)

    report()  # a file that cannot be written is told of before hours are spent
    if args.list:
        missing_ids = [catalog.run_id(known.name, seed) for known, seed in missing]
        lines = [f"{counted(len(wanted) - len(missing), 'run')} made, {len(missing)} missing", *missing_ids]
        answer(args, {"made": len(wanted) - len(missing), "missing": missing_ids}, "\n".join(lines))
        return 0
    problems = _run(missing, args, work, to, report)
    text = "\n".join(problems) or _summary(to, args)
    answer(args, {"runs": [catalog.run_id(known.name, seed) for known, seed in missing], "problems": problems}, text)
    return 1 if problems else 0


def _summary(to: Path, args: argparse.Namespace) -> str:
    from ..checks import study_report

    return study_report.table(to, args.megabatches)


def _wanted(args: argparse.Namespace) -> list[tuple[Recording, int]]:
    """The runs, in the order in which they are made: seed by seed."""
    if unknown := [name for name in args.rows if name not in study.BY_NAME]:
        raise InputError(f"row: unknown name {unknown[0]!r}; choose among {', '.join(study.BY_NAME)}", "row")
    if not 1 <= args.workers <= MOST_WORKERS:
        raise InputError(f"workers: {args.workers} is not possible; choose 1 to {MOST_WORKERS}", "workers")
    rows = tuple(row for row in study.ROWS if not args.rows or row.name in args.rows)
    augmentation = AUGMENTATION[args.augmentation or ("off" if args.quick else "both")]
    recordings = _study(args).recordings(rows, augmentation)
    return [(known, seed) for seed in _seeds(args.seeds or ("0" if args.quick else "0,1,2")) for known in recordings]


def _study(args: argparse.Namespace) -> Study:
    usual = study.quick(args.megabatches) if args.quick else study.STUDIES[args.megabatches]
    given = {one.name: getattr(args, one.name) for one in _SIZES if getattr(args, one.name) is not None}
    chosen = replace(usual, **given)
    if chosen != study.STUDIES[chosen.megabatches] and not args.to and not args.quick:
        raise InputError("to: runs of other sizes than docs/STUDY.md shows need a folder of their own, --to DIR", "to")
    return chosen


def _folder(args: argparse.Namespace) -> Path:
    if args.to:
        return Path(args.to)
    return paths.runs_folder() / "study-quick" if args.quick else shipped.FOLDER


def _refuse_others(wanted: list[tuple[Recording, int]], to: Path) -> None:
    """InputError where runs of other sizes would be replaced."""
    for known, seed in wanted:
        made = shipped.runs(to).get(catalog.run_id(known.name, seed))
        if made and made["fingerprint"] != known.config(seed).fingerprint:
            raise InputError(f"to: {to} has {known.name} of seed {seed} with other settings; name another folder, or empty it", "to")


def _seeds(text: str) -> list[int]:
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise InputError(f"seeds: {text!r} must be numbers, e.g. 0,1,2", "seeds") from None
    if unknown := [seed for seed in found if seed not in study.SEEDS]:
        raise InputError(f"seeds: {unknown[0]} is not possible; choose from 0 to {study.SEEDS[-1]}", "seeds")
    return found


def _run(missing: list[tuple[Recording, int]], args: argparse.Namespace, work: Path, to: Path, report: Callable[[], None]) -> list[str]:
    """Make the runs; returns what went wrong. Ctrl-C and SIGTERM stop those that train, resumable."""
    from ..service.manager import Manager
    from ..storage.store import Store
    from . import record

    waiting, lock, is_ending = deque(enumerate(missing, 1)), threading.Lock(), threading.Event()
    problems: list[str] = []

    def serve(manager: Any) -> None:
        while waiting and not is_ending.is_set():
            with suppress(IndexError):  # the last one went to another worker
                place, (known, seed) = waiting.popleft()
                make(manager, place, known, seed)

    def make(manager: Any, place: int, known: Recording, seed: int) -> None:
        run_id, begun = catalog.run_id(known.name, seed), time.monotonic()
        _say(f"{place} of {counted(len(missing), 'run')}: {run_id}")
        try:
            row = record.trained(manager, known, seed, args.images, "process")
            with lock:
                record.keep(manager.store, row, known, seed, to, _command(known, seed, args))
                if to == shipped.FOLDER:
                    record.draw(to)
                report()
        except InputError as error:
            if not is_ending.is_set():
                problems.append(error.message)
                _say(error.message)
            return
        speed = row["totals"]["images_per_second"]
        _say(f"{run_id} is done: {(time.monotonic() - begun) / 60:.1f} minutes, {speed:,.0f} training images a second")

    # A manager trains one run at a time. They share the store, and the machine's cores with all other programs (runner/slots.py).
    managers = [Manager(Store(work / "appcore.db")) for _ in range(min(args.workers, len(missing)))]
    with ThreadPoolExecutor(max(1, len(managers))) as pool:
        try:
            for served in as_completed([pool.submit(serve, manager) for manager in managers]):
                served.result()
        finally:
            is_ending.set()
            for manager in managers:
                manager.close()
    return problems


def _command(known: Recording, seed: int, args: argparse.Namespace) -> str:
    """The command that makes this one run again."""
    found = study.place(known.name)
    assert found is not None
    length, row, is_augmented = found
    sizes = [(one.name, getattr(args, one.name)) for one in _SIZES if getattr(args, one.name) is not None]
    given = [("megabatches", length if length != 8 else None), ("seeds", seed), ("augmentation", "on" if is_augmented else "off"), *sizes]
    words = [_COMMAND, row, *(["--quick"] if args.quick else [])]
    return " ".join([*words, *(f"--{name.replace('_', '-')} {value}" for name, value in given if value is not None)])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
