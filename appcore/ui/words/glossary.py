"""The words of the dashboard, each with a sentence or two, and links to them on the page Glossary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from appcore.analysis.measures import MEASURES

PAGE = "glossary"  # its address


class Term(NamedTuple):
    """A word as it stands in texts (an expression that finds it, plurals too), and what it means."""

    title: str
    pattern: str
    text: str


def _number(name: str, pattern: str, more: str) -> Term:
    """A number of the registry that texts speak of."""
    return Term(MEASURES[name].short, pattern, f"{MEASURES[name].about} {more}")


TERMS = {
    "alive": _number(
        "density_alive", "alive", "A kept weight that no signal from the input to the output passes costs memory and does nothing."
    ),
    "baseline": Term(
        "Random baseline",
        "random baselines?|baselines?",
        "What chance alone would give: the overlap of two random masks that keep as many weights in each layer as the two at hand.",
    ),
    "cer": _number("cer", "CERs?", "It asks who was right on the way, not only at the end."),
    "checkpoint": Term(
        "Checkpoint",
        "checkpoints?",
        "The whole state of a run as files. A run that is stopped or killed goes on from its newest one, bit by bit.",
    ),
    "collapse": Term(
        "Collapse",
        "collapses?|collapsed",
        "A layer in which no weight is left, or none that is alive: no signal passes, and the accuracy falls to that of guessing.",
    ),
    "control": Term(
        "Control",
        "controls?",
        "The mask of a lottery ticket with other initial weights. Where it learns as well, the rewound values were not what mattered.",
    ),
    "criterion": Term(
        "Pruner",
        "pruners?|criterion|criteria",
        "The criterion that gives each weight a score; those with the lowest are removed. Magnitude takes the absolute value, "
        "SNIP how much the loss would change without it.",
    ),
    "dense": Term(
        "Dense network",
        "dense",
        "Without pruning: every weight is kept. A dense run of equal settings is the reference for all others.",
    ),
    "density": Term(
        "Density",
        "density|densities",
        "The share of the prunable weights that is kept. Sparsity is 1 minus density.",
    ),
    "early-layers": Term(
        "Early layers",
        "early layers",
        "The first third of the prunable layers, nearest the input.",
    ),
    "epoch": Term(
        "Epoch",
        "epochs?",
        "One pass over the training images of a megabatch, replay included.",
    ),
    "gap": _number(
        "generalization_gap",
        "generali[sz]ation gap|clean gap|gap",
        "The clean gap is measured without augmentation against the test images.",
    ),
    "class-incremental": Term(
        "Class-incremental",
        "class-incremental",
        "A stream in which each megabatch brings classes of its own. The network is tested on all classes, and on those seen so far.",
    ),
    "interval": Term(
        "95 % interval",
        "95 % intervals?|intervals?",
        "Where the true mean lies with 95 % confidence, as far as the seeds at hand can say. It is wide for two seeds and needs "
        "at least that many.",
    ),
    "iou": Term(
        "IoU",
        "IoU",
        "Intersection over union of two masks: weights that both keep, divided by weights that at least one keeps.",
    ),
    "ticket": Term(
        "Lottery ticket",
        "lottery tickets?|tickets?",
        "A mask found by training, pruning and rewinding, round after round, together with the early values of the weights that it keeps.",
    ),
    "mask": Term(
        "Mask",
        "masks?",
        "Which weights are kept: one yes or no for each. Removed ones are 0 and stay so unless a method brings them back.",
    ),
    "megabatch": Term(
        "Megabatch",
        "megabatch(?:es)?",
        "One part of the stream. Data arrive in T equal parts; the network is trained, tested and mostly pruned for each.",
    ),
    "method": Term(
        "Method",
        "methods?",
        "What happens over the stream: when the network is pruned, how far, and whether weights come back. APP, OSP, IMP, GMP, ...",
    ),
    "nats": Term(
        "Nat",
        "nats?",
        "The unit of the loss: 0 is certainty of the right class, ln of the number of classes is guessing.",
    ),
    "paired": Term(
        "Paired",
        "paired|pairs?|pairing",
        "Runs of one seed begin with equal weights and see equal images in equal order. What differs between them is then the method's.",
    ),
    "prune-point": Term(
        "Prune point",
        "prune points?",
        "The moment at which scores are computed and weights are removed.",
    ),
    "replay": Term(
        "Replay",
        "replay",
        "Training again on images of earlier megabatches. Full replay keeps all of them and costs ever more.",
    ),
    "granularity": Term(
        "Granularity",
        "granularity",
        "What is removed as one: a weight, kernel, filter, channel or block, ranked by the sum of its scores; or N of every M inputs.",
    ),
    "rewind": Term(
        "Rewind",
        "rewinds?|rewound",
        "Putting the kept weights back to the values that they had early in training.",
    ),
    "round": Term(
        "Round",
        "rounds?",
        "Of a lottery ticket: train, prune a share, rewind. Of an iterative criterion: score and cut a little, several times.",
    ),
    "scope": Term(
        "Scope",
        "scope",
        "Whether scores are compared over the whole network, to a density or to a share of its FLOPs, within each layer, or so that each "
        "layer keeps a share of its own (ERK).",
    ),
    "score": Term(
        "Score",
        "scores?",
        "What a pruner gives a weight; the highest are kept.",
    ),
    "seed": Term(
        "Seed",
        "seeds?",
        "The number from which initial weights, order of the data and scoring batches are drawn. Repeats over seeds show what luck does.",
    ),
    "sparsity": _number("sparsity", "sparsity", "It is 1 minus the density."),
    "spread": Term(
        "Standard deviation",
        "standard deviations?|spread",
        "How far single runs lie from their mean, written after ±.",
    ),
    "stream": Term(
        "Stream",
        "streams?",
        "Data that arrive one megabatch after another instead of all at once.",
    ),
    "tau": Term(
        "Tau",
        "tau",
        "How far is pruned: the final density is 0.8 to the power of tau. 4.5 keeps 36.6 %, 10 keeps 10.7 %.",
    ),
    "flops": Term(
        "FLOPs",
        "FLOPs?|TFLOP",
        "Floating-point operations. Dense ones are what this machine computes; sparse ones are what would be left if zeros cost "
        "nothing, which they do not.",
    ),
}

_TOLD = ("density_alive", "generalization_gap")  # numbers that are terms under another name


def numbers() -> dict[str, tuple[str, str]]:
    """{anchor: (title, text)} of the registry's numbers that are no terms."""
    found = {name.replace("_", "-"): (measure.title, measure.about) for name, measure in MEASURES.items() if name not in _TOLD}
    return {anchor: words for anchor, words in found.items() if anchor not in TERMS}


def pieces(text: str, known: set[str] | None = None) -> Iterator[tuple[str, str]]:
    """(part of the text, anchor of the term that it is or ""): each term where it stands first. Those in `known` are left, and it grows."""
    seen, place = known if known is not None else set(), 0
    for found in _pattern().finditer(text):
        anchor = next(name for name, hit in zip(TERMS, found.groups()) if hit)
        if anchor in seen:
            continue
        seen.add(anchor)
        yield text[place : found.start()], ""
        yield found[0], anchor
        place = found.end()
    yield text[place:], ""


def linked(text: str) -> str:
    """A text of this program (no names of users) as Markdown in which its terms lead to the glossary."""
    return "".join(f"[{part}]({PAGE}?term={anchor})" if anchor else part for part, anchor in pieces(text))


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(f'({term.pattern})' for term in TERMS.values())})(?![\w-])", re.IGNORECASE)
