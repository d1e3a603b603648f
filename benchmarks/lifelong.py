"""Does a lifelong ticket that may grow keep up where one that may not falls behind? Class-incremental CIFAR-10, an MLP, several seeds.

    python benchmarks/lifelong.py [--seeds 0,1,2] [--images FILE] [--only bottom-up]

Three arms of the same stream, of two new classes in each of five megabatches, with full replay: `ll-bu`, the same with its first ticket for
the whole stream (`growth=never`), and `ll-td`. In the first two a dense reference is trained beside the ticket from the same weights on the
same images, so what a ticket is behind it is measured within each run. Prints and writes lifelong.md: medians over seeds, and every seed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from appcore import RunConfig, run  # noqa: E402
from appcore.analysis.forgetting import measured, on_parts  # noqa: E402
from appcore.events import MegabatchDone, Pruned, RoundDone  # noqa: E402

HERE = Path(__file__).parent
STREAM: dict[str, Any] = {
    **{"arch": "mlp", "prunable": "all", "image_size": 16, "crop_padding": 0, "flip": False, "device": "cpu", "precision": "fp32"},
    **{"megabatches": 5, "classes_per_megabatch": 2, "epochs": 10, "lr": 0.02, "batch_size": 64, "val_fraction": 0.2},
}
BOTTOM_UP = {"search_steps": 20, "accept_gap": 0.02, "stop_gap": 0.03}
ARMS: dict[str, dict[str, Any]] = {
    "ll-bu": {"method": "ll-bu", "options": BOTTOM_UP},
    "ll-bu, growth=never": {"method": "ll-bu", "options": {**BOTTOM_UP, "growth": "never"}},
    "ll-td": {"method": "ll-td", "tau": 14.0},
}


@dataclass(frozen=True)
class End:
    """The end of a megabatch: density kept; validation of the ticket as it was and of the reference (None: not of this arm), test accuracy
    on the classes seen, of what is carried on and of the reference."""

    density: float
    behind: float | None
    grew: bool
    seen: float
    seen_of_reference: float | None


def ends(config: RunConfig) -> Iterator[tuple[End, MegabatchDone]]:
    """Each megabatch of a run."""
    reference: RoundDone | None = None
    ticket: RoundDone | None = None
    grew = False
    for event in run(config):
        if isinstance(event, Pruned):
            grew = grew or (config.method == "ll-bu" and event.round == 2)
        if isinstance(event, RoundDone) and config.method == "ll-bu":
            reference, ticket = (event, None) if event.round == 0 else (reference, event)
        if isinstance(event, MegabatchDone):
            behind = None
            if reference and event.megabatch:
                behind = reference.val_accuracy - (ticket or event).val_accuracy
            yield End(event.density_mask, behind, grew, event.seen_accuracy or 0.0, reference.seen_accuracy if reference else None), event
            grew = False


def main() -> None:
    """Run the arms, print the tables, write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--images", default="../shared/data/cifar10-small.zip")
    parser.add_argument("--only", default="", help="arms whose name has this word")
    args = parser.parse_args()
    seeds = [int(seed) for seed in args.seeds.split(",")]
    lines = [
        "# Lifelong tickets on a class-incremental stream",
        "",
        f"`python benchmarks/lifelong.py --seeds {args.seeds}`, images of {Path(args.images).name} at 16 x 16 pixels, MLP of three layers, "
        f"five megabatches of two classes in an order of the seed, full replay, {STREAM['epochs']} epochs. Accuracies in %, on the test "
        "images of the classes seen so far.",
    ]
    for arm, values in ARMS.items():
        if args.only not in arm:
            continue
        begun, found = time.perf_counter(), {}
        for seed in seeds:
            config = RunConfig(**{**STREAM, **values, "dataset": f"images:{args.images}", "seed": seed})
            found[seed] = list(ends(config))
            print(arm, seed, *(line(end) for end, _ in found[seed]), sep="\n  ", flush=True)
        lines += ["", f"## {arm}", "", *table(found), "", f"{(time.perf_counter() - begun) / len(seeds):.0f} s per seed."]
    text = "\n".join(lines) + "\n"
    print(text)
    if not args.only:
        (HERE / "lifelong.md").write_text(text, encoding="utf-8")


def line(end: End) -> str:
    """One end in words."""
    behind = "" if end.behind is None else f", {100 * end.behind:+.1f} points behind the reference before growing"
    beside = "" if end.seen_of_reference is None else f", reference {100 * end.seen_of_reference:.1f} %"
    return f"{100 * end.density:.2f} % kept{behind}{', grew' if end.grew else ''}; test {100 * end.seen:.1f} %{beside}"


def table(found: dict[int, list[tuple[End, MegabatchDone]]]) -> list[str]:
    """A row for each megabatch: medians, and the seeds in brackets."""
    rows = [
        "| megabatch | weights kept, % | behind the reference (validation), points | grew | test accuracy, % | of the reference, % |",
        "|---|---|---|---|---|---|",
    ]
    for t in range(STREAM["megabatches"]):
        now = [several[t][0] for several in found.values()]
        behind = spread([100 * end.behind for end in now if end.behind is not None], "+.1f")
        reference = spread([100 * end.seen_of_reference for end in now if end.seen_of_reference is not None], ".1f")
        kept, seen = spread([100 * end.density for end in now], ".2f"), spread([100 * end.seen for end in now], ".1f")
        rows.append(f"| {t + 1} | {kept} | {behind} | {sum(end.grew for end in now)} of {len(now)} | {seen} | {reference} |")
    values = [measured(on_parts(frame([event for _, event in several]), "run")) for several in found.values()]
    forgotten = spread([100 * one.average_forgetting for one in values if one], ".1f")
    moved = spread([100 * one.backward_transfer for one in values if one], "+.1f")
    return [*rows, "", f"At the end: average forgetting {forgotten} points, backward transfer {moved} points."]


def frame(events: list[MegabatchDone]) -> Any:
    """The ends of a run as a table of the store."""
    import pandas as pd

    return pd.DataFrame([{"run_id": "run", "megabatch": event.megabatch, "facts": event.facts} for event in events])


def spread(values: list[float], form: str) -> str:
    """The median, and each value."""
    return f"{median(values):{form}} ({' '.join(f'{value:{form}}' for value in values)})" if values else "–"


if __name__ == "__main__":
    main()
