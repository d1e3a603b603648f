"""A run in a terminal: progress on stderr while it runs, its numbers on stdout at the end."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from ..runner import signals
from ..storage.interrupts import held_back
from .endings import code_of

POLL_SECONDS = 1.0
STOP_SECONDS = 60.0  # a step of a large network on a slow machine may take this long
_CODES = {"done": 0, "failed": 1, "lost": 1}


def follow(manager: Any, begin: Callable[[], str], args: argparse.Namespace) -> int:
    """Let `begin` start or resume a run, show its progress until it ends, then its result; returns the exit code.

    Ctrl-C stops the run, which stays resumable; SIGTERM and SIGHUP do so too, and cost no more than the work of one segment.
    """
    run_id, end = "", None
    with signals.noted() as ending:
        try:
            with held_back():  # a run that there is has somebody who stops it
                run_id = begin()
            print(f"run {run_id}", file=sys.stderr)
            _watch(manager, run_id, ending)
            end = manager.preempt if ending.is_asked else None
        except KeyboardInterrupt:
            if not run_id:
                raise
            end = manager.stop
        if end:
            print(f"stopping; go on with: python -m appcore resume {run_id}", file=sys.stderr)
            end(run_id)
            manager.wait(run_id, timeout=STOP_SECONDS)
    row = manager.get(run_id)
    if row["error"]:
        print(f"error: {one_line(row['error'])}", file=sys.stderr)
    found = manager.result(run_id)
    answer(args, found, result_text(found))
    is_refused = row["status"] == "stopped" and row["error"]  # it could not go on, and is as it was
    return 2 if is_refused else _CODES.get(row["status"], code_of(ending.number))


def answer(args: argparse.Namespace, document: Any, text: str) -> None:
    """Print what a command found: with --json as the one JSON document on stdout, else as text."""
    if args.json:
        from ..storage.schema import plain  # brings the database along, for which refused input need not wait

        text = json.dumps(plain(document), default=str)
    text = text.replace("\u00a0", " ")  # between a number and its unit
    print("".join(character if character.isprintable() or character == "\n" else "?" for character in text), file=args.out)


def one_line(message: str) -> str:
    """A message as one printable line, shortened in the middle when it is very long."""
    text = " ".join("".join(character if character.isprintable() else " " for character in message).split())
    return text if len(text) <= 2000 else f"{text[:1000]} ... {text[-1000:]}"


def result_text(result: dict[str, Any]) -> str:
    """The result of a run as a table."""
    lines = [f"run {result['run_id']}: {result['status']}" + (f" ({one_line(result['error'])})" if result["error"] else "")]
    lines.append("megabatch  density requested / effective / alive   train    val   test  gap (points)  clean gap  CER")
    for row in result["megabatches"]:
        densities = "  ".join(f"{row[f'density_{kind}']:.4f}" for kind in ("requested", "effective", "alive"))
        accuracies = "  ".join(f"{100 * row[f'{part}_accuracy']:5.1f}" for part in ("train", "val", "test"))
        clean = "-" if row["clean_gap"] is None else f"{100 * row['clean_gap']:.1f}"  # earlier versions did not measure it
        gaps = f"{100 * row['generalization_gap']:12.1f}  {clean:>9}"
        lines.append(f"{row['megabatch']:9d}            {densities}      {accuracies}  {gaps}  {row['cer']}")
    lines += [f"note: {one_line(note)}" for note in result["notes"]]
    return "\n".join(lines)


def _watch(manager: Any, run_id: str, ending: signals.Ending) -> None:
    """Show a progress bar on a terminal, else a line for each megabatch, until the run ends or this process is asked to."""
    from tqdm import tqdm

    megabatch, said = -1, ""
    with tqdm(total=100, file=sys.stderr, disable=not sys.stderr.isatty(), bar_format="{percentage:3.0f}% {bar} {postfix}") as bar:
        while not ending.is_asked and not manager.wait(run_id, timeout=POLL_SECONDS):
            waits_for = manager.waits_for(run_id)
            if waits_for and waits_for != said:
                said = waits_for
                print(f"waiting for {waits_for}; to train at once, beside it: --share", file=sys.stderr)
            progress = manager.get(run_id)["progress"]
            if not progress:
                continue
            bar.n = 100 * progress["samples_seen"] / max(1, progress["samples_total"])
            bar.set_postfix_str(_place(progress))
            if bar.disable and progress["megabatch"] > megabatch:
                megabatch = progress["megabatch"]
                print(f"{time.strftime('%H:%M:%S')} {_place(progress)}", file=sys.stderr)


def _place(progress: dict[str, Any]) -> str:
    parts = [f"megabatch {progress['megabatch'] + 1}", f"epoch {progress['epoch'] + 1}"]
    if progress["images_per_second"]:
        parts.append(f"{progress['images_per_second']:.0f} images/s")
    if progress["eta_seconds"]:
        parts.append(f"{progress['eta_seconds']:.0f} s left")
    return ", ".join(parts)
