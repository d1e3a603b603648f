"""Runs all experiments and reports them in a terminal, as JSON and as docs/FIDELITY.md; also the sanity card of a finished run."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy
import torch

from .. import files, paths
from ..analysis.pairing import require_same_data
from ..analysis.samples import HOLDS
from ..bench import timing
from ..config import build
from ..engine.data import load_data, pick_device
from ..errors import InputError
from ..storage import checkpoint
from ..storage.store import Store
from . import collapse, early_layers, exact, gap, lottery, released, replay, sanity, shuffle
from .experiment import Finding, Lab, Part, markdown

INTRODUCTION = (
    "Statements of the literature, tested at small scale through this engine. `python -m appcore check --write FILE` wrote this file, "
    "experiment by experiment (`--only` replaces some and leaves the others); do not edit it by hand."
)
READING = (
    "Numbers are mean ± standard deviation over n seeds. A claim of more or less *holds* when the 95 % confidence interval of the "
    "differences, paired by seed, leaves 0 out on the claimed side, or the least difference where the statement names one; it *does not "
    "hold at this scale* when it does so on the other side, and is *inconclusive* otherwise. A claim of no difference holds when the "
    f"interval lies within ±{100 * sanity.MARGIN:.0f} points, and does not hold when it lies wholly outside. An experiment has the "
    "verdict of its worst part. Statements marked exact must be true to the last weight or image, or the command exits with 1. "
    "Networks, images and epochs are far fewer than in the papers: a claim that does not hold here is not thereby refuted."
)
COVERED = (
    "An interval covers what the seed draws: initial values, the order of the stream, its split, augmentation and scoring batches, and, "
    "where only part of the images is used (limit_train, limit_test, shots), which images these are, test images included; at one seed "
    "they are the same for every method and criterion. (Experiments dated before 2026-11-27 had the same images at every seed.) It does "
    "not cover the data set itself: with all images of a data set every seed has the same test images. Images are normalised by the "
    "mean and standard deviation of all training images of the run, as published "
    "recipes do, so a megabatch is normalised with numbers to which later ones have contributed: a look ahead, small, and equal for all "
    "methods."
)
EXPERIMENTS = {module.NUMBER: module for module in (exact, released, early_layers, collapse, lottery, shuffle, replay, gap)}


def measure(lab: Lab, numbers: Iterable[int]) -> Iterable[Finding]:
    """Carry out experiments one by one."""
    torch.set_num_threads(1)  # the last bits, and so the numbers, do not then depend on the machine's cores
    for number in numbers:
        lab.say(f"experiment {number}: {EXPERIMENTS[number].TITLE}")
        yield EXPERIMENTS[number].measure(lab)


def surroundings(command: str, is_quick: bool) -> dict[str, Any]:
    """Date, machine, versions and command, for judging the numbers."""
    versions = {name: metadata.version(name) for name in ("torch", "torchvision", "numpy")}
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": timing.machine()["processor"], "system": platform.system()}
    return {**about, "versions": {"python": platform.python_version(), **versions}, "command": command, "is_quick": is_quick}


def lines(finding: Finding) -> str:
    """A finding for a terminal."""
    head = f"{finding.number}. {finding.title}: {finding.verdict}\n   claim: {finding.claim}\n   source: {finding.source}"
    return "\n".join([head, *(f"   - {part.statement}: {part.measured}: {_verdict(part)}" for part in finding.parts)])


def document(findings: Iterable[Finding], about: dict[str, Any], before: str = "") -> str:
    """docs/FIDELITY.md: sections of these findings, and those of the other experiments as they stand in `before`."""
    sections = _sections(before) | {finding.number: _section(finding, about) for finding in findings}
    rows = [_row(number, sections[number]) for number in sorted(sections)]
    blocks = ["# Fidelity", INTRODUCTION, READING, COVERED, markdown(["#", "claim", "verdict"], rows)]
    return "\n\n".join([*blocks, *(sections[number] for number in sorted(sections))]) + "\n"


def _sections(text: str) -> dict[int, str]:
    parts = re.split(r"^(?=## \d+\. )", text, flags=re.MULTILINE)[1:]
    return {int(part[3:].partition(".")[0]): part.strip() for part in parts}


def _row(number: int, section: str) -> list[str]:
    """A line of the summary, read from the section itself."""
    claim, verdict = (re.search(rf"^{what}: (.*)$", section, flags=re.MULTILINE) for what in ("Claim", "Verdict"))
    return [str(number), _escaped(claim[1]) if claim else "", verdict[1] if verdict else ""]


def _section(finding: Finding, about: dict[str, Any]) -> str:
    rows = [[_escaped(part.statement), _escaped(part.measured), _verdict(part)] for part in finding.parts]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    quick = " Quick settings: a smoke test, not evidence." if about["is_quick"] else ""
    blocks = [
        f"## {finding.number}. {finding.title}",
        f"Claim: {finding.claim}",
        f"Verdict: **{finding.verdict}**",
        f"Source: {finding.source}.",
        f"Settings: {finding.settings}.",
        f"Measured by `{about['command']}`, {about['date']}, {about['machine']} ({about['system']}, one thread), {versions}.{quick}",
        markdown(["statement", "measured", "verdict"], rows),
        finding.table,
        "\n".join(f"- {remark}" for remark in finding.remarks),
    ]
    return "\n\n".join(block for block in blocks if block)


def _verdict(part: Part) -> str:
    return f"{part.verdict} (exact)" if part.is_exact and part.verdict == HOLDS else part.verdict


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


# ---- the sanity card of a run


def card_of(store: Store, run_id: str, repeats: int, lab: Lab) -> sanity.Card:
    """The sanity card of a finished run, for its final masks. InputError where there are none."""
    row = store.get(run_id)
    if row["status"] != "done":
        raise InputError(f"run {row['run_id']} is {row['status']}; a sanity card needs a finished run", "run")
    stored = checkpoint.stored(paths.run_folder(store.folder, row["run_id"]))
    if not stored:
        raise InputError(f"run {row['run_id']} was never pruned, so it has no masks to check", "run")
    found = {name: torch.from_numpy(numpy.array(mask)) for name, mask in checkpoint.load_masks(stored[-1]).items()}

    def watch(arm: str, repeat: int, accuracy: float) -> None:
        lab.say(f"{arm}, repeat {repeat + 1}: {100 * accuracy:.1f} %")

    config = build(row["config"])
    data = load_data(config, pick_device(config.device))
    require_same_data(config.dataset, row["hashes"], {"data": data.digest})
    return sanity.card(config, found, repeats=repeats, watch=watch)


def card_lines(card: sanity.Card) -> str:
    """A card for a terminal."""
    rows = [f"  {arm:24s} {found.text():>14s} %   {sanity.MEANING[arm]}" for arm, found in card.accuracy.items()]
    about = f"density {card.density:.4f}; all arms but the redrawn ones start at {card.start}"
    return "\n".join([card.verdict, about, *rows, *(f"  {remark}" for remark in card.remarks)])


def write(path: str | Path, findings: Iterable[Finding], about: dict[str, Any]) -> None:
    """Write findings into the document at `path`, atomically."""
    target = Path(path)
    files.refuse_store(target, "write")
    try:
        before = files.read(target).decode()
    except FileNotFoundError:
        before = ""
    except (*files.ABSENT, UnicodeDecodeError) as error:
        raise InputError(
            f"write: {target} cannot be read ({getattr(error, 'strerror', None) or error}); name another file", "write"
        ) from None
    files.write(target, document(findings, about, before), "name another file", "write")
