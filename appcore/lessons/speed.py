"""Lesson 7: what pruning saves: FLOPs on paper, bytes in a file, seconds on a clock. From recorded runs."""

from .base import Chart, Choice, Depends, Less, Lesson, Link, Of, Option, Recorded, Step, Timed, Times
from .numbers import FAILS, HOLDS, UNDECIDED

CHOICES = {"speed": "Is it faster?"}
NUMBER = {"speed": 7}

_APP, _DENSE, _DEEP = "app-snip", "dense", "app-snip-deep"


def lesson() -> Lesson:
    return Lesson(
        claim="A pruned network is smaller and faster.",
        source="Where pruning pays off is reviewed in [arXiv 2003.03033](https://arxiv.org/abs/2003.03033)",
        surprise="Most people read “sparse” as “fast”.",
        minutes=6,
        numbers={
            "gone": Recorded(_APP, "sparsity"),
            "left": Recorded(_APP, "density_mask", -1),
            "size": Recorded(_APP, "size"),
            "size_dense": Recorded(_DENSE, "size"),
            "smaller": Times(Of("size"), Of("size_dense")),
            "paper": Recorded(_APP, "flops_share"),
            "step": Timed("masked step / dense step, resnet20, batch 64"),
            "seconds": Recorded(_APP, "seconds"),
            "seconds_dense": Recorded(_DENSE, "seconds"),
            "longer": Less(Of("seconds"), Of("seconds_dense")),
            "deep_gone": Recorded(_DEEP, "sparsity"),
            "deep_size": Times(Recorded(_DEEP, "size"), Of("size_dense")),
        },
        steps=(
            Step(
                "A ResNet-20 of which {gone} of the weights are zero. To store it, write down the weights that are left, four bytes each, "
                "and one bit for every place to say where they belong.",
                question=Choice(
                    "bytes",
                    "How large is the file, as a multiple of the dense one?",
                    "smaller",
                    (
                        Option("About 0.4: as many bytes as weights", 0.3, 0.5),
                        Option("Less than 0.3", below=0.3),
                        Option("0.5 or more: the places cost too much", 0.5),
                    ),
                    "bytes, as a multiple of dense",
                ),
                why="{size.mean} in place of {size_dense.mean}: {smaller}. A bit is a thirty-second of a weight, so the places cost "
                "little. The claim's first half holds, by counting.",
                notes="Ask for another way to store the places. Lists of positions are worse until very few weights are left.",
            ),
            Step(
                "Training it takes sums of products. Those with a zero change nothing. Counted on paper, {paper.mean} of the training "
                "work of the dense network is left. We took a step with the mask and a step without, by turns, on an idle machine, "
                "{step.seeds}.",
                question=Choice(
                    "time",
                    "How long is a step of the pruned network, as a multiple of a dense one?",
                    "step",
                    (
                        Option("Below 0.75: as the paper says", below=0.75),
                        Option("0.75 to 0.95: some of it", 0.75, 0.95),
                        Option("0.95 to 1.1: no faster", 0.95, 1.1),
                        Option("Longer than 1.1", 1.1),
                    ),
                    "a step, as a multiple of dense",
                ),
                why="{step.mean}, interval {step.interval}. The machine multiplies by zero as carefully as by anything else. A mask says "
                "which weights count; it does not tell the processor to skip them.",
                notes="Everybody in the room has read “x times fewer FLOPs” as a speed-up. Single pairs lie far apart, and their mean "
                "does not.",
            ),
            Step(
                "The recordings have a clock, too: {seconds} for the pruned runs, {seconds_dense} for the dense ones. They were made one "
                "after the other, on a machine that others used.",
                question=Choice(
                    "clock",
                    "What does the interval of the differences say?",
                    "longer",
                    (
                        Option("Pruned takes longer", verdict=HOLDS),
                        Option("Nothing: it holds zero", verdict=UNDECIDED),
                        Option("Pruned is faster", verdict=FAILS),
                    ),
                    "seconds, pruned minus dense",
                ),
                why=Depends(
                    "longer",
                    holds="{longer.says}. Do not believe it. An interval covers what the seed draws, and not the neighbour whose work "
                    "slowed the machine down in between. Time is measured by turns, or not at all.",
                    undecided="{longer.says}. And had it been clear, you should not have believed it: an interval covers what the seed "
                    "draws, and not the neighbour whose work slowed the machine down. Time is measured by turns, or not at all.",
                    fails="Pruned minus dense {longer.mean}, interval {longer.interval}: pruned looks faster. Do not believe it. An "
                    "interval covers what the seed draws, and not the neighbour whose work slowed the machine down in between. Time is "
                    "measured by turns, or not at all.",
                ),
                notes="The best moment for: what else is not covered by an interval? (The data set; the one who chose what to show.)",
            ),
            Step(
                "Three numbers, and three different things: bytes that are saved for certain, work that is saved on paper, and time on a "
                "clock. Whoever gives you one of them as “compression” owes you the other two.",
                Chart(
                    "numbers",
                    title="As a multiple of the dense network",
                    numbers=(("bytes", "smaller"), ("bytes, pruned hard", "deep_size"), ("time of a step", "step")),
                ),
                why="With {deep_gone} gone the file is {deep_size.mean} the size. Zeros scattered over a tensor are no gift to hardware "
                "that works on whole blocks. What does pay: whole filters that go, patterns that the hardware knows, or a runtime made "
                "for sparse weights.",
                links=(
                    Link("Where the time goes", "run", recordings=(_APP,)),
                    Link("What a file would hold", "what_if", {"density": "0.366"}),
                    Link("Try it for real", "run", {"arch": "resnet20", "pruner": "snip", "megabatches": 8, "tau": 4.5}),
                ),
                notes="On the page Export a run of your own is measured: real files, real seconds for a forward pass.",
            ),
        ),
    )
