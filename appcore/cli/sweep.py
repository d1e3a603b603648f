"""`python -m appcore sweep`: every combination of values for some settings, or a search among them, one run for each and each seed.

It is an ablation as the page Ablations starts it. The same command finds the same ablation again, so it completes what is missing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from .. import installation, plugins
from ..errors import InputError
from ..names import counted
from ..planning import ablation_grid, search
from ..runner import signals
from ..runner.slots import MOST_WORKERS, WORKERS_VARIABLE
from ..statuses import ACTIVE, BROKEN, LEFT, RESUMABLE
from ..storage.interrupts import held_back
from . import flags, sweep_request
from .endings import code_of
from .sweep_request import Request
from .terminal import POLL_SECONDS, STOP_SECONDS, answer, one_line

_MOST_LINES = 10  # of combinations that are left out
_BAR = "{percentage:3.0f}% {bar} {postfix}"
_DESCRIPTION = (
    "Values are listed with commas (--pruner snip,magnitude), lists of values with semicolons; numbers also as 0-4, or 0.5:0.99:5 for "
    "five at equal distances, 0.001:0.1:3:log at equal ratios. With --search a number may be a range to draw from, 0.001:0.1 or "
    "0.001:0.1:log. A setting with one value holds for all runs."
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    group = parser.add_argument_group("Sweep")
    group.add_argument("--title", metavar="TEXT", default="", help="title on the page Ablations [what is varied]")
    group.add_argument("--dry-run", action="store_true", help="say which runs there would be, which exist, and what the rest costs")
    group.add_argument("--workers", type=int, metavar="N", help="how many runs train at once [as many as this machine has slots for]")
    group.add_argument(
        "--search",
        choices=("random", "halving"),
        help="instead of all combinations: draw some (needs the package optuna); halving: try the best of them for longer",
    )
    group.add_argument("--trials", type=int, metavar="N", help=f"combinations to draw, each run with every seed [{sweep_request.TRIALS}]")
    group.add_argument("--search-seed", type=int, metavar="N", help="seed of the draw [0]")
    group.add_argument("--metric", metavar="NAME", help=f"number of the table to rank by, a mean over the seeds [{sweep_request.METRIC}]")
    group.add_argument("--rungs", metavar="NAME=A,B,...", help="halving: a setting and its rising values, e.g. epochs=1,3,9")
    group.add_argument("--keep", type=int, metavar="K", help=f"halving: one of K goes on from a rung to the next [{search.KEEP}]")
    flags.add(parser, several=True)
    parser.description = f"{parser.description} {_DESCRIPTION}".replace("%", "%%")


def carry_out(args: argparse.Namespace, manager_of: Callable[[], Any]) -> int:
    """Carry out the verb; returns the exit code: 0 all done, 1 a run failed or was lost, 130, 143 or 129 interrupted."""
    wanted, found = sweep_request.read(args)
    _take_workers(args)
    if problem := installation.mismatch():
        raise InputError(problem)
    manager = manager_of()
    manager.rehearse([cell["config"] for cell in found["cells"]], args.launcher)
    _say_left_out(wanted, found["left_out"])
    return _dry_run(args, manager, wanted, found) if args.dry_run else _run(args, manager, wanted, len(found["cells"]))


def _take_workers(args: argparse.Namespace) -> None:
    if args.workers is None:
        return
    if not 1 <= args.workers <= MOST_WORKERS:
        raise InputError(f"workers: {args.workers} is not possible; choose 1 to {MOST_WORKERS}", "workers")
    if plugins.declares("launchers", args.launcher, "IN_THIS_PROCESS"):
        raise InputError(f"workers: with launcher {args.launcher} runs train one after another; leave one of the two out", "workers")
    os.environ[WORKERS_VARIABLE] = str(args.workers)


def _run(args: argparse.Namespace, manager: Any, wanted: Request, count: int) -> int:
    from . import sweep_results  # brings pandas along, for which refused input need not wait

    sweep_id, end, number = "", "", 0
    with signals.noted() as ending:
        try:
            with held_back():  # an ablation that there is has somebody who says how it goes on
                sweep_id = manager.ablations.create(args.title, wanted.base, wanted.axes, wanted.picks, once=True)
            print(f"ablation {sweep_id}: {counted(count, 'run')}", file=sys.stderr)
            _climb(manager, sweep_id, wanted, args.launcher, ending)
            end, number = ("preempt" if ending.is_asked else ""), ending.number
        except KeyboardInterrupt:
            if not sweep_id:
                raise
            end = "stop"
        if end:
            print("stopping; the same command completes it", file=sys.stderr)
            _end(manager, sweep_id, end)
    board = manager.ablations.board(sweep_id)
    document = sweep_results.document(manager, board, wanted)
    answer(args, document, sweep_results.text(document, wanted))
    return code_of(number) if end else _code(board)


def _say_left_out(wanted: Request, left_out: Sequence[Mapping[str, Any]]) -> None:
    for one in left_out[:_MOST_LINES]:
        print(f"left out: {one_line(wanted.label(one['values']))}: {one_line(one['reason'])}", file=sys.stderr)
    if len(left_out) > _MOST_LINES:
        print(f"left out: {len(left_out) - _MOST_LINES} more; --dry-run --json lists all", file=sys.stderr)


# ---- dry run


def _dry_run(args: argparse.Namespace, manager: Any, wanted: Request, found: Mapping[str, Any]) -> int:
    cells = found["cells"]
    known = manager.ablations.reusable(cells) if manager.store.exists() else {}
    states = {run_id: status for run_id, _, status in manager.store.revision(known.values())} if known else {}
    runs = [
        {"values": cell["values"], "run_id": (run_id := known.get(cell["fingerprint"])), "status": states.get(run_id) if run_id else None}
        for cell in cells
    ]
    new = [cell for cell in cells if cell["fingerprint"] not in known]
    total = ablation_grid.cost(new, manager.estimate)
    cost = {name: total[name] for name in ("seconds", "at_once", "samples", "training_flops")} if total else None
    title = args.title or ablation_grid.title(wanted.axes, of_weights=ablation_grid.counts_weights(wanted.base, wanted.axes))
    document = {"dry_run": True, "title": title, "axes": wanted.axes, "runs": runs}
    lines = [f"{run['status'] or 'new':8s}  {ablation_grid.label(cell, 'the base')}" for cell, run in zip(cells, runs, strict=True)]
    lines.append(f"{counted(len(runs), 'run')}, {len(new)} of them new{_cost_words(cost)}{_rungs_words(wanted)}")
    answer(args, {**document, "left_out": found["left_out"], "cost": cost}, "\n".join(lines))
    return 0


def _cost_words(cost: Mapping[str, Any] | None) -> str:
    if not cost or cost["seconds"] is None:
        return ""
    seconds, many = cost["seconds"], cost["at_once"]
    how = f"up to {many} at once" if many > 1 else "one after another"
    return f": about {seconds / 60:.0f} min, {how}" if seconds >= 120 else f": about {seconds:.0f} s, {how}"


def _rungs_words(wanted: Request) -> str:
    if not wanted.halving:
        return ""
    counts = [len(wanted.picks or ())]
    for _ in wanted.halving.rungs[1:]:
        counts.append(max(1, counts[-1] // wanted.halving.keep))
    listed = [f"{count} with {wanted.shown[-1]} {rung}" for count, rung in zip(counts, wanted.halving.rungs)]
    return f"; combinations on each rung: {', '.join(listed)}"


# ---- running


def _climb(manager: Any, sweep_id: str, wanted: Request, launcher: str, ending: signals.Ending) -> None:
    """Run what is missing, by halving rung after rung, until all of it has ended or this process is asked to end."""
    from . import sweep_results

    picks = wanted.picks or []
    for rung in range(len(wanted.halving.rungs) if wanted.halving else 1):
        if rung and wanted.halving:
            scores = sweep_results.scores(manager, manager.ablations.board(sweep_id), wanted, picks)
            chosen = search.survivors(scores, wanted.halving.keep, sweep_results.METRICS[wanted.metric].better)
            picks = [[*picks[place][:-1], rung] for place in chosen]
            if not picks:
                return
            manager.ablations.add_picks(sweep_id, picks)
        with held_back():
            _begin(manager, sweep_id, launcher)
        _watch(manager, [cell["run"] for cell in manager.ablations.board(sweep_id)["cells"] if cell["run"]], ending)
        if ending.is_asked:
            return


def _begin(manager: Any, sweep_id: str, launcher: str) -> None:
    """Start runs that there are not, and go on with those that ended before they were done."""
    runs = [cell["run"] for cell in manager.ablations.board(sweep_id)["cells"] if cell["run"]]
    manager.store.settle([run["run_id"] for run in runs])
    for run in runs:
        if manager.get(run["run_id"])["status"] in RESUMABLE:
            try:
                manager.resume(run["run_id"], launcher)
            except InputError as error:  # e.g. of other versions: the others are run all the same
                print(f"left as it is: {one_line(error.message)}", file=sys.stderr)
    manager.ablations.run_missing(sweep_id, launcher)


def _watch(manager: Any, runs: Sequence[Mapping[str, Any]], ending: signals.Ending) -> None:
    """Show a progress bar on a terminal, else a line for each run that ends, until all have ended or this process is asked to."""
    from tqdm import tqdm

    titles = {run["run_id"]: run["title"] for run in runs}
    over: dict[str, str] = {run["run_id"]: run["status"] for run in runs if run["status"] == "done"}
    said = ""
    with tqdm(total=len(titles), initial=len(over), file=sys.stderr, disable=not sys.stderr.isatty(), bar_format=_BAR) as bar:
        while not ending.is_asked:
            states = {run_id: status for run_id, _, status in manager.store.revision(titles)}
            returning = [run_id for run_id in states if states[run_id] in LEFT and manager.queue_position(run_id) is not None]
            states |= dict.fromkeys(returning, "queued")  # its worker is gone, and another one is going to have it
            for run_id in titles:
                status = states.get(run_id, "deleted")
                if status not in ACTIVE and run_id not in over:
                    over[run_id] = status
                    if bar.disable or status != "done":
                        line = f"{time.strftime('%H:%M:%S')} {len(over)} of {len(titles)}: {titles[run_id]}: {status}"
                        bar.write(one_line(line), file=sys.stderr)
            moving = sorted((run_id for run_id in titles if states.get(run_id) in ACTIVE), key=lambda run_id: states[run_id] != "running")
            if not moving:
                return
            said = _say_waiting(manager, said)
            _advance(bar, manager, [run_id for run_id in moving if states[run_id] == "running"], over, titles)
            with suppress(InputError):  # deleted meanwhile
                manager.wait(moving[0], timeout=POLL_SECONDS)


def _advance(bar: Any, manager: Any, running: Sequence[str], over: Mapping[str, str], titles: Mapping[str, str]) -> None:
    if bar.disable:
        return
    share = 0.0
    for run_id in running:
        with suppress(InputError):
            progress = manager.get(run_id)["progress"] or {}
            share += progress.get("samples_seen", 0) / max(1, progress.get("samples_total", 1))
    bar.n = len(over) + share
    broken = sum(status in BROKEN for status in over.values())
    others = [f"{len(running) - 1} more"] if len(running) > 1 else []
    words = [
        f"{len(over)} of {len(titles)}",
        *([f"{broken} failed"] if broken else []),
        *(titles[run_id] for run_id in running[:1]),
        *others,
    ]
    bar.set_postfix_str(one_line(", ".join(words)))


def _say_waiting(manager: Any, said: str) -> str:
    """Say for which other program the next run waits, once."""
    waiting = manager.waiting()[:1]
    words = manager.waits_for(waiting[0]) if waiting else ""
    if words and words != said:
        print(f"waiting for {words}; to train at once, beside it: --share", file=sys.stderr)
    return words or said


def _end(manager: Any, sweep_id: str, command: str) -> None:
    """Stop the runs of an ablation that this process drives; those of other programs go on."""
    run_ids = manager.ablations.get(sweep_id)["run_ids"]
    mine = [run_id for run_id in run_ids if manager.queue_position(run_id) is not None]
    manager.send(mine, command)
    deadline = time.monotonic() + STOP_SECONDS
    for run_id in mine:
        with suppress(InputError):
            manager.wait(run_id, timeout=max(0.0, deadline - time.monotonic()))
    manager.store.settle(mine)


def _code(board: Mapping[str, Any]) -> int:
    statuses = {cell["run"]["status"] if cell["run"] else "missing" for cell in board["cells"]}
    return 0 if statuses == {"done"} else 1 if statuses.intersection((*BROKEN, "missing")) else code_of(0)
