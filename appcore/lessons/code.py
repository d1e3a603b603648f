"""Lesson 8: the density that a released code logs, and the one that it has. Recorded with both meanings."""

from .base import Chart, Choice, Curve, Depends, Less, Lesson, Link, Of, Option, Point, Recorded, Setting, Step
from .numbers import FAILS, HOLDS, UNDECIDED

CHOICES = {"code": "Read the code"}
NUMBER = {"code": 8}

_PAPER, _CODE, _ONCE = "study-8-app", "study-8-app-released", "study-8-osp"
_DEEP, _ONCE_DEEP = "study-8-app-deep", "study-8-osp-deep"  # both at the density where the code really ends


def lesson() -> Lesson:
    return Lesson(
        claim="The log of a training says how sparse the network became.",
        source="Anytime progressive pruning, [arXiv 2204.01640](https://arxiv.org/abs/2204.01640), and its released code",
        surprise="Most people believe a log: it was written by the program itself.",
        minutes=6,
        numbers={
            "parts": Setting(_CODE, "megabatches"),
            "asked": Recorded(_CODE, "density_requested", -1),
            "paper": Recorded(_PAPER, "density_mask", -1),
            "code": Recorded(_CODE, "density_mask", -1),
            "code_first": Recorded(_CODE, "density_mask", 0),
            "paper_accuracy": Recorded(_PAPER, "test_accuracy"),
            "code_accuracy": Recorded(_CODE, "test_accuracy"),
            "once": Recorded(_ONCE, "test_accuracy"),
            "deep": Recorded(_DEEP, "test_accuracy"),
            "once_deep": Recorded(_ONCE_DEEP, "test_accuracy"),
            "deep_left": Recorded(_DEEP, "density_mask", -1),
            "cost": Less(Of("paper_accuracy"), Of("code_accuracy")),
            "as_compared": Less(Of("code_accuracy"), Of("once")),
            "alike": Less(Of("deep"), Of("once_deep")),
        },
        steps=(
            Step(
                "A paper prunes before each of {parts} parts, by a rule that ends at {asked.mean} of the weights. Its released code logs "
                "the density at every part, and the last line says just that. Here the code's rule runs as it is written, and the weights "
                "are counted.",
                question=Curve(
                    "density",
                    "Draw the share of weights that the code really keeps, part after part.",
                    tuple(Point(str(part + 1), Recorded(_CODE, "density_mask", part)) for part in range(8)),
                    "part of the stream",
                    "weights kept",
                    start=80,
                ),
                why="It begins at {code_first.mean}, as logged, and ends at {code}, while the log says {asked.mean}. Nobody lied: the "
                "program printed a number that it had computed. It was the number of another thing.",
                notes="Let somebody guess what went wrong before you turn the page. A hint: pruned weights are zero; what is their rank?",
            ),
            Step(
                "Two lines did it. The code ranks all weights again at each part, those that are gone included, and logs the share of the "
                "new mask; then it multiplies new and old mask, so what either removed is gone. And it scores freshly drawn weights, "
                "because a checkpoint's names did not match and nobody was told.",
                Chart("truth-meter", (_CODE,)),
                why="The page of every run has this meter: what was asked for, and what was counted in the mask, in the tensors, and on a "
                "path.",
                notes="The loading was asked not to be strict about names. One argument, and no error message.",
            ),
            Step(
                "The paper's rule keeps {paper.mean}, the code's {code.mean}. Everything else is equal.",
                question=Choice(
                    "cost",
                    "Is the network of the paper's rule more accurate?",
                    "cost",
                    (
                        Option("Yes, clearly: it has many more weights", verdict=HOLDS),
                        Option("One cannot say", verdict=UNDECIDED),
                        Option("No, the small one is better", verdict=FAILS),
                    ),
                    "paper's rule minus code's",
                ),
                why=Depends(
                    "cost",
                    holds="{paper_accuracy} against {code_accuracy}: {cost.says}. And yet a network with {code} of its weights still "
                    "works, so that nobody looked.",
                    undecided="{paper_accuracy} against {code_accuracy}: {cost.says}. With {code} of the weights it does about as well. "
                    "From the accuracy nobody could have noticed.",
                    fails="{paper_accuracy} against {code_accuracy}: {cost.says}.",
                ),
                notes="An error need not flatter whoever makes it: this one hid how few weights were needed.",
            ),
            Step(
                "It matters for whoever compares. The paper sets its method beside pruning once, at what the log calls the same density. "
                "Pruning once really has that density.",
                question=Choice(
                    "alike",
                    "Both led to {deep_left.mean}, where the code really ends: is a little at a time better than all at once?",
                    "alike",
                    (
                        Option("Yes, clearly", verdict=HOLDS),
                        Option("One cannot say", verdict=UNDECIDED),
                        Option("No, all at once is better", verdict=FAILS),
                    ),
                    "a little at a time minus once",
                ),
                why=Depends(
                    "alike",
                    holds="{deep} against {once_deep}, both with {deep_left.mean} kept: {alike.says}. As it was compared, against pruning "
                    "once at {asked.mean}, the difference is {as_compared.mean}. Which of the two is in the table decides what one reads.",
                    undecided="{deep} against {once_deep}, both with {deep_left.mean} kept: {alike.says}. As it was compared, against "
                    "pruning once at {asked.mean}, the difference is {as_compared.mean}. Which of the two is in the table decides what "
                    "one reads.",
                    fails="{deep} against {once_deep}, both with {deep_left.mean} kept: {alike.says}.",
                ),
                notes="Not the authors' fault alone: the numbers were plausible, so nobody looked. Would you have?",
            ),
            Step(
                "So the claim fails, in the friendliest way: nobody cheated, every test passed, and the log was wrong. Count in the "
                "tensors, once, before you believe a number. This is the last lesson; now run something of your own, and count.",
                Chart(
                    "numbers",
                    title="Weights kept at the end",
                    numbers=(("in the log", "asked"), ("counted, paper's rule", "paper"), ("counted, code's rule", "code")),
                ),
                links=(
                    Link("The recorded run", "run", recordings=(_CODE,)),
                    Link("Both rules", "compare", recordings=(_PAPER, _CODE)),
                    Link("Try it for real", "run", {"arch": "resnet20", "method": "app", "semantics": "released-code", "megabatches": 8}),
                ),
                notes="docs/STUDY.md has all six rows on all of CIFAR-10; docs/FIDELITY.md, number two, the counts for both criteria.",
            ),
        ),
    )
