"""All experiments in turn, their results in a terminal, as JSON and as docs/FIDELITY.md; and the sanity card of a finished run."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy
import torch

from .. import checkpoint, paths, sanity, timing
from ..config import InputError, build
from ..spread import HOLDS
from ..store import Store
from . import collapse, early_layers, exact, gap, lottery, released, replay, shuffle
from .base import Finding, Lab, Part, markdown

INTRODUCTION = (
    "Statements of the literature, tested at small scale through this engine. The command below wrote this file; do not edit it by hand."
)
READING = (
    "Numbers are mean ± standard deviation over n seeds. A claim of more or less *holds* when the 95 % confidence interval of the "
    "differences, paired by seed, leaves 0 out on the claimed side; it *does not hold at this scale* when it does so on the other, and "
    f"is *inconclusive* otherwise. A claim of no difference holds when the interval lies within ±{100 * sanity.MARGIN:.0f} points. An "
    "experiment has the verdict of its worst part. Statements marked exact must be true to the last weight or image, or the command exits "
    "with 1. Networks, images and epochs are far fewer than in the papers: a claim that does not hold here is not thereby refuted."
)
EXPERIMENTS = {module.NUMBER: module for module in (exact, released, early_layers, collapse, lottery, shuffle, replay, gap)}


def measure(lab: Lab, numbers: Iterable[int]) -> Iterable[Finding]:
    """Carry out experiments one by one."""
    torch.set_num_threads(1)  # the last bits, and so the numbers, do not then depend on the machine's cores
    for number in numbers:
        lab.say(f"experiment {number}: {EXPERIMENTS[number].TITLE}")
        yield EXPERIMENTS[number].measure(lab)


def surroundings(command: str) -> dict[str, Any]:
    """Date, machine, versions and command: what a reader needs to judge the numbers."""
    versions = {name: metadata.version(name) for name in ("torch", "torchvision", "numpy")}
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": timing.machine()["processor"], "system": platform.system()}
    return {**about, "versions": {"python": platform.python_version(), **versions}, "command": command}


def lines(finding: Finding) -> str:
    """A finding for a terminal."""
    head = f"{finding.number}. {finding.title}: {finding.verdict}\n   claim: {finding.claim}\n   source: {finding.source}"
    return "\n".join([head, *(f"   - {part.statement}: {part.measured}: {_verdict(part)}" for part in finding.parts)])


def document(findings: list[Finding], about: dict[str, Any], is_quick: bool) -> str:
    """docs/FIDELITY.md."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    quick = " Quick settings: a smoke test, not evidence." if is_quick else ""
    summary = markdown(
        ["#", "claim", "verdict"], [[str(finding.number), _escaped(finding.claim), f"**{finding.verdict}**"] for finding in findings]
    )
    return "\n\n".join([
        "# Fidelity",
        INTRODUCTION,
        f"`{about['command']}`, {about['date']}, {about['machine']} ({about['system']}, one thread), {versions}.{quick}",
        READING,
        summary,
        *(_section(finding) for finding in findings),
    ]) + "\n"  # fmt: skip


def _section(finding: Finding) -> str:
    rows = [[_escaped(part.statement), _escaped(part.measured), _verdict(part)] for part in finding.parts]
    blocks = [
        f"## {finding.number}. {finding.title}",
        f"Claim: {finding.claim}",
        f"Source: {finding.source}.",
        f"Settings: {finding.settings}.",
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
    """The sanity card of a run that is done, for the masks that it ended with. InputError where there are none."""
    row = store.get(run_id)
    if row["status"] != "done":
        raise InputError(f"run {row['run_id']} is {row['status']}; a sanity card needs a finished run", "run")
    files = sorted(paths.masks(paths.run_folder(store.folder, row["run_id"]), 0).parent.glob("*.safetensors"))
    if not files:
        raise InputError(f"run {row['run_id']} was never pruned, so it has no masks to check", "run")
    found = {name: torch.from_numpy(numpy.array(mask)) for name, mask in checkpoint.load_masks(files[-1]).items()}

    def watch(arm: str, repeat: int, accuracy: float) -> None:
        lab.say(f"{arm}, repeat {repeat + 1}: {100 * accuracy:.1f} %")

    return sanity.card(build(row["config"]), found, repeats=repeats, watch=watch)


def card_lines(card: sanity.Card) -> str:
    """A card for a terminal."""
    rows = [f"  {arm:24s} {found.text():>14s} %   {sanity.MEANING[arm]}" for arm, found in card.accuracy.items()]
    about = f"density {card.density:.4f}; all arms but the redrawn ones start at {card.start}"
    return "\n".join([card.verdict, about, *rows, *(f"  {remark}" for remark in card.remarks)])


def write(path: str | Path, text: str) -> None:
    """Write the document, whole or not at all."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        paths.temporary(target).write_text(text, encoding="utf-8")
        paths.temporary(target).replace(target)
    except OSError as error:
        raise InputError(f"write: {target} cannot be written ({error.strerror or error})", "write") from None
