"""A run in a terminal: progress on stderr while it runs, its numbers on stdout at the end."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

POLL_SECONDS = 1.0
STOP_SECONDS = 60.0  # a step of a large network on a slow machine may take this long
_CODES = {"done": 0, "failed": 1, "lost": 1}


def follow(manager: Any, run_id: str, as_json: bool) -> int:
    """Show progress until the run ends, then its result; returns the exit code. Ctrl-C stops the run, which stays resumable."""
    print(f"run {run_id}", file=sys.stderr)
    try:
        _watch(manager, run_id)
    except KeyboardInterrupt:
        print(f"stopping; go on with: python -m appcore resume {run_id}", file=sys.stderr)
        manager.stop(run_id)
        manager.wait(run_id, timeout=STOP_SECONDS)
    row = manager.get(run_id)
    if row["error"]:
        print(f"error: {one_line(row['error'])}", file=sys.stderr)
    print_result(manager.result(run_id), as_json)
    return _CODES.get(row["status"], 130)


def one_line(message: str) -> str:
    """A message as one printable line, shortened in the middle when it is very long."""
    text = " ".join("".join(character if character.isprintable() else " " for character in message).split())
    return text if len(text) <= 2000 else f"{text[:1000]} ... {text[-1000:]}"


def print_result(result: dict[str, Any], as_json: bool) -> None:
    """Print the result as JSON (the public contract) or as a table."""
    if as_json:
        print(json.dumps(result))
        return
    print(f"run {result['run_id']}: {result['status']}" + (f" ({one_line(result['error'])})" if result["error"] else ""))
    print("megabatch  density requested / effective / alive   train    val   test  gap (points)  CER")
    for row in result["megabatches"]:
        densities = "  ".join(f"{row[f'density_{kind}']:.4f}" for kind in ("requested", "effective", "alive"))
        accuracies = "  ".join(f"{100 * row[f'{part}_accuracy']:5.1f}" for part in ("train", "val", "test"))
        print(f"{row['megabatch']:9d}            {densities}      {accuracies}  {100 * row['generalization_gap']:12.1f}  {row['cer']}")


def _watch(manager: Any, run_id: str) -> None:
    """Show a progress bar on a terminal, else a line for each megabatch."""
    from tqdm import tqdm

    megabatch, said = -1, ""
    with tqdm(total=100, file=sys.stderr, disable=not sys.stderr.isatty(), bar_format="{percentage:3.0f}% {bar} {postfix}") as bar:
        while not manager.wait(run_id, timeout=POLL_SECONDS):
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
