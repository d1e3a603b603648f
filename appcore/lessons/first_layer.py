"""Lesson 3: which layers SNIP and magnitude take, along a recorded stream."""

from .base import Chart, Choice, Curve, Depends, Kept, Less, Lesson, Link, Of, Option, Point, Recorded, Setting, Step
from .numbers import FAILS, HOLDS, UNDECIDED

CHOICES = {"first-layer": "Who prunes the first layer?"}
NUMBER = {"first-layer": 3}

_SNIP, _MAGNITUDE = "app-snip", "app-magnitude"
_PARTS = 8


def lesson() -> Lesson:
    return Lesson(
        claim="SNIP spares the first layer. Magnitude does not.",
        source="Anytime progressive pruning, [arXiv 2204.01640](https://arxiv.org/abs/2204.01640)",
        surprise="Most people think that criteria which remove equally many weights prune alike.",
        minutes=6,
        numbers={
            "images": Setting(_SNIP, "limit_train"),
            "parts": Setting(_SNIP, "megabatches"),
            "all": Recorded(_SNIP, "density_mask", -1),
            "all_first": Recorded(_SNIP, "density_mask", 0),
            "snip": Kept(_SNIP, 0, -1),
            "magnitude": Kept(_MAGNITUDE, 0, -1),
            "snip_early": Kept(_SNIP, 0, 0),
            "magnitude_early": Kept(_MAGNITUDE, 0, 0),
            "snip_last": Kept(_SNIP, -1, -1),
            "magnitude_last": Kept(_MAGNITUDE, -1, -1),
            "share": Less(Of("magnitude"), Of("all")),
            "spared": Less(Of("snip"), Of("magnitude")),
            "snip_accuracy": Recorded(_SNIP, "test_accuracy"),
            "magnitude_accuracy": Recorded(_MAGNITUDE, "test_accuracy"),
            "lead": Less(Of("snip_accuracy"), Of("magnitude_accuracy")),
        },
        steps=(
            Step(
                "A ResNet-20 learns from {images} small pictures of CIFAR-10, which arrive in {parts} parts. Before each part some "
                "weights go for good, over the whole network at once, until {all} are left. Two recordings, equal in every setting but "
                "one: which weights go.",
                Chart("staircase", (_SNIP,)),
                notes="Each part is a megabatch. Everything earlier is seen again (full replay), so nothing is forgotten for want of data.",
            ),
            Step(
                "Magnitude removes the smallest weights, wherever they are. Over all layers {all} are kept.",
                question=Choice(
                    "magnitude-first",
                    "How much of the first layer does magnitude keep?",
                    "magnitude",
                    (
                        Option("Less than its share: it is pruned harder than the rest", below=32),
                        Option("About its share", 32, 42),
                        Option("More than its share, but a good part goes", 42, 80),
                        Option("Nearly all of it", 80),
                    ),
                    "first layer, magnitude",
                ),
                why=Depends(
                    "share",
                    holds="{magnitude}: more than its share, by an accident of how networks begin. A weight of the first layer has few "
                    "neighbours that feed the same unit, so it is drawn larger, and what is large survives. Nobody asked whether it "
                    "matters.",
                    undecided="{magnitude}: about its share. To magnitude a weight is a size and has no place.",
                    fails="{magnitude}: less than its share. To magnitude a weight is a size and has no place.",
                ),
                notes="If somebody asks: initial values are drawn with a spread that falls with the number of inputs of a unit.",
            ),
            Step(
                "SNIP asks another question: how much would the loss feel it if this weight were gone?",
                question=Curve(
                    "snip-first",
                    "Draw how much of the first layer SNIP keeps, part after part.",
                    tuple(Point(str(part + 1), Kept(_SNIP, 0, part)) for part in range(_PARTS)),
                    "part of the stream",
                    "kept of the first layer",
                    start=100,
                ),
                why="From {snip_early} to {snip}. Everything the network ever sees passes through these few weights, and the loss feels "
                "each of them. {spared.says}, SNIP minus magnitude.",
                notes="The answer of the paper, found again here. Ask which layer must pay for it: the next step shows.",
            ),
            Step(
                "What one spares, another must pay: both keep {all} in all. Long bars were spared, short ones were cut. Of the last layer "
                "shown SNIP keeps {snip_last} and magnitude {magnitude_last}.",
                Chart("mirrored", (_SNIP, _MAGNITUDE)),
                links=(Link("Compare these runs", "compare", recordings=(_SNIP, _MAGNITUDE)),),
                notes="Find the layers where the bars lean the other way. They are large, so a few percent pay for the whole first layer.",
            ),
            Step(
                "So they build different networks from the same weights. SNIP looks the wiser.",
                question=Choice(
                    "who-is-better",
                    "After the last part, whose network is more accurate?",
                    "lead",
                    (
                        Option("SNIP's, clearly", verdict=HOLDS),
                        Option("One cannot tell them apart", verdict=UNDECIDED),
                        Option("Magnitude's, clearly", verdict=FAILS),
                    ),
                    "SNIP minus magnitude",
                ),
                why=Depends(
                    "lead",
                    holds="{lead.says}. The wiser choice pays here.",
                    undecided="SNIP {snip_accuracy}, magnitude {magnitude_accuracy}: {lead.says}. They take different layers and end "
                    "alike, as far as {lead.seeds} can tell. A reason that sounds good is not yet a difference that can be measured.",
                    fails="{lead.says}. The reason sounded good, and the measurement went the other way.",
                ),
                notes="At this density there is room in the network. Ask what they expect at a hundredth of the weights, and where to "
                "look.",
            ),
            Step(
                "The claim is about layers, and there it holds at every seed. It is not a claim about accuracy, though it is often told "
                "as one. Try a network of your own: What if needs no training.",
                Chart(
                    "numbers",
                    title="Kept of the first layer",
                    numbers=(
                        ("SNIP, first part", "snip_early"),
                        ("SNIP, last part", "snip"),
                        ("magnitude, first part", "magnitude_early"),
                        ("magnitude, last part", "magnitude"),
                    ),
                ),
                links=(
                    Link("What if", "what_if", {"density": "0.366"}),
                    Link("Watch where weights die", "masks", recordings=(_SNIP,)),
                    Link("Try it for real", "run", {"arch": "resnet20", "pruner": "magnitude", "megabatches": _PARTS, "tau": 4.5}),
                ),
                notes="On What if choose SNIP and magnitude side by side and drag the density down until a layer is empty.",
            ),
        ),
    )
