"""`python -m appcore check` on the command line. Imports torch only after its input has been checked."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import paths
from ..checks.experiment import Lab
from ..checks.memory import Memory
from ..errors import InputError
from ..planning.plan import check
from ..runner import slots
from . import flags
from .one_thread import one_thread
from .terminal import answer

NUMBERS = range(1, 9)
MOST_SEEDS = 100
MOST_WORKERS = 64
CARD_REPEATS = 3


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.add_argument("--quick", action="store_true", help="small networks and one seed, under a minute: a smoke test, not evidence")
    parser.add_argument("--only", default="", metavar="N,...", help="numbers of experiments, 1 to 8 [all]")
    parser.add_argument(
        "--seeds", type=int, default=0, metavar="K", help="seeds of each experiment, or repeats of a card [2 to 5, by cost]"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes, each with one thread, that share the seeds [1]")
    parser.add_argument("--anew", action="store_true", help="forget what earlier checks of this version have measured")
    parser.add_argument("--dataset", default="digits", metavar="NAME", help="data set, e.g. images:PATH for CIFAR-10 as a zip [digits]")
    parser.add_argument(
        "--write", type=flags.path, metavar="FILE", help="put the results into this Markdown file too, e.g. docs/FIDELITY.md"
    )
    parser.add_argument("--run", metavar="RUN", help="instead: the sanity card of this finished run's masks")


def carry_out(args: argparse.Namespace, find: Callable[[str], tuple[Any, str]]) -> int:
    """Carry out the verb; `find` gives (store, id) of a run. Returns the exit code: 1 where something exact is broken."""
    if not 0 <= args.seeds <= MOST_SEEDS:
        raise InputError(f"seeds: {args.seeds} is not possible; choose 1 to {MOST_SEEDS}, or leave it out", "seeds")
    if not 1 <= args.workers <= MOST_WORKERS:
        raise InputError(f"workers: {args.workers} is not possible; choose 1 to {MOST_WORKERS}", "workers")
    lab = Lab(args.dataset, args.quick, args.seeds, args.workers)
    if args.run is not None:
        store, run_id = find(args.run)
        with slots.turn("cpu", 1, f"the sanity card of {run_id}"):
            return _card(args, lab, store, run_id)
    numbers = chosen(args.only)
    check(lab.stream())  # refuses an unknown or unusable data set before minutes are spent
    with one_thread(), slots.turn("cpu", args.workers, "check"):
        return _carry_out(args, lab, numbers)


def _carry_out(args: argparse.Namespace, lab: Lab, numbers: list[int]) -> int:
    from ..checks import fidelity_report

    lab.memory = Memory(_memory_file(anew=args.anew))
    about, findings = fidelity_report.surroundings(_command(args), args.quick), []
    if args.write:
        fidelity_report.write(args.write, [], about)  # report a file that cannot be written now
    for finding in fidelity_report.measure(lab, numbers):  # what was interrupted goes on with the seeds that are missing
        findings.append(finding)
        if args.write:
            fidelity_report.write(args.write, [finding], about)  # one by one, so that an interruption keeps finished ones
        if not args.json:
            print(fidelity_report.lines(finding), flush=True)
    is_broken = any(finding.is_broken for finding in findings)
    if args.json:
        answer(args, {**about, "is_broken": is_broken, "findings": [finding.plain() for finding in findings]}, "")
    return 1 if is_broken else 0


def _memory_file(*, anew: bool) -> Path:
    file = paths.runs_folder() / "checks.jsonl"
    if anew:
        file.unlink(missing_ok=True)
    return file


def chosen(text: str) -> list[int]:
    """Experiment numbers from text such as "1,4"; all of them for an empty text. InputError for anything else."""
    try:
        numbers = sorted({int(part) for part in text.split(",")}) if text else list(NUMBERS)
    except ValueError:
        raise InputError(f"only: {text!r} must be numbers of experiments, e.g. 1,4; there are 1 to {NUMBERS[-1]}", "only") from None
    if unknown := [number for number in numbers if number not in NUMBERS]:
        raise InputError(f"only: there is no experiment {unknown[0]}; choose from 1 to {NUMBERS[-1]}", "only")
    return numbers


def _card(args: argparse.Namespace, lab: Lab, store: Any, run_id: str) -> int:
    from ..checks import fidelity_report

    card = fidelity_report.card_of(store, run_id, args.seeds or CARD_REPEATS, lab)
    answer(args, {"run_id": run_id, **card.plain()}, fidelity_report.card_lines(card))
    return 0


def _command(args: argparse.Namespace) -> str:
    """The command as typed, with flags in the order of the help."""
    given = [("--only", args.only), ("--seeds", args.seeds), ("--dataset", args.dataset), ("--write", args.write)]
    words = ["python -m appcore check", *(["--quick"] if args.quick else [])]
    return " ".join([*words, *(f"{flag} {value}" for flag, value in given if value)])
