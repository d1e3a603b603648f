"""Lesson 6: does pruning close the gap between training and test accuracy? Recorded streams of eight and of a hundred parts."""

from .base import Chart, Choice, Curve, Depends, Less, Lesson, Link, Of, Option, Point, Recorded, Setting, Step
from .numbers import FAILS, HOLDS, UNDECIDED

CHOICES = {"gap": "Does the gap close?"}
NUMBER = {"gap": 6}

_DENSE, _APP, _DEEP = "dense", "app-snip", "app-snip-deep"
_LONG_DENSE, _LONG_APP = "long-dense", "long-app"
_SMALLER = (
    Option("Yes, clearly smaller", verdict=HOLDS),
    Option("One cannot say from these seeds", verdict=UNDECIDED),
    Option("No, it is larger", verdict=FAILS),
)


def lesson() -> Lesson:
    return Lesson(
        claim="Pruning a little at a time closes the gap between what a network knows of its training images and of new ones.",
        source="Anytime progressive pruning, [arXiv 2204.01640](https://arxiv.org/abs/2204.01640)",
        surprise="Most people take a mean for a result, and a small gap for a good network.",
        minutes=8,
        numbers={
            "parts": Setting(_DENSE, "megabatches"),
            "long_parts": Setting(_LONG_DENSE, "megabatches"),
            "dense": Recorded(_DENSE, "clean_gap"),
            "dense_first": Recorded(_DENSE, "clean_gap", 0),
            "once": Recorded("osp-snip", "clean_gap"),
            "app": Recorded(_APP, "clean_gap"),
            "left": Recorded(_APP, "density_mask", -1),
            "closes": Less(Of("dense"), Of("app")),
            "deep": Recorded(_DEEP, "clean_gap"),
            "deep_left": Recorded(_DEEP, "density_mask", -1),
            "closes_deep": Less(Of("dense"), Of("deep")),
            "dense_train": Recorded(_DENSE, "clean_train_accuracy", -1),
            "deep_train": Recorded(_DEEP, "clean_train_accuracy", -1),
            "train_first": Recorded(_DENSE, "clean_train_accuracy", 0),
            "test_first": Recorded(_DENSE, "test_accuracy", 0),
            "dense_test": Recorded(_DENSE, "test_accuracy"),
            "deep_test": Recorded(_DEEP, "test_accuracy"),
            "lost": Less(Of("dense_test"), Of("deep_test")),
            "long_dense": Recorded(_LONG_DENSE, "clean_gap"),
            "long_app": Recorded(_LONG_APP, "clean_gap"),
            "long_closes": Less(Of("long_dense"), Of("long_app")),
        },
        steps=(
            Step(
                "The gap is the accuracy on training images minus that on test images: what a network has learned by heart. Nothing is "
                "pruned here; the data arrive in {parts} parts, and all earlier ones are seen again.",
                question=Curve(
                    "dense-gap",
                    "Draw the gap of the network that is never pruned, part after part.",
                    tuple(Point(str(part + 1), Recorded(_DENSE, "clean_gap", part)) for part in range(8)),
                    "part of the stream",
                    "gap",
                    unit="points",
                ),
                why="From {dense_first} after the first part to {dense} at the end. Of its training images it knew {train_first} at first "
                "and {dense_train} in the end, of the test images {test_first} and {dense_test}. What lies between is learned by heart.",
                notes="The images are few and not augmented, so that the gap is wide and can be seen. In the paper it is narrower.",
            ),
            Step(
                "APP prunes a little before each part, to {left.mean} of the weights. Fewer weights can learn less by heart: a good "
                "reason, and the claim of the paper.",
                question=Choice("closes", "Is the gap smaller than without pruning, at the end?", "closes", _SMALLER, "dense minus APP"),
                why=Depends(
                    "closes",
                    holds="Dense {dense}, APP {app}: {closes.says}. A third of the weights are left, and the gap is still most of what it "
                    "was.",
                    undecided="Dense {dense}, APP {app}, pruned once {once}: {closes.says}. The means may even be in the paper's order; "
                    "the interval says that other seeds might not be. Our own check of this claim on other settings was inconclusive as "
                    "well.",
                    fails="Dense {dense}, APP {app}: {closes.says}. Here the pruned network learns more by heart, not less.",
                ),
                notes="Ask: how many seeds would it take? The width of the interval falls with their square root.",
            ),
            Step(
                "So prune harder. The same rule, down to {deep_left} of the weights.",
                question=Choice(
                    "closes-deep", "And now? Is the gap smaller than the dense one?", "closes_deep", _SMALLER, "dense minus APP, deep"
                ),
                why=Depends(
                    "closes_deep",
                    holds="Dense {dense}, pruned to {deep_left.mean} {deep}: {closes_deep.says}. The gap closes at last. Before you "
                    "celebrate, turn the page.",
                    undecided="Dense {dense}, pruned to {deep_left.mean} {deep}: {closes_deep.says}.",
                    fails="Dense {dense}, pruned to {deep_left.mean} {deep}: {closes_deep.says}.",
                ),
                notes="Do not discuss it yet. The next step asks what it was bought with.",
            ),
            Step(
                "A gap has two ends. It closes when the test accuracy rises, and it closes when the training accuracy falls.",
                question=Choice(
                    "lost",
                    "What happened to the test accuracy of the network with the small gap?",
                    "lost",
                    (
                        Option("It is lower than that of the dense network", verdict=HOLDS),
                        Option("About the same, as far as one can tell", verdict=UNDECIDED),
                        Option("It is higher: less learned by heart, more understood", verdict=FAILS),
                    ),
                    "test accuracy, dense minus deep",
                    beside=(
                        ("training images, dense", "dense_train"),
                        ("training images, deep", "deep_train"),
                        ("test images, dense", "dense_test"),
                        ("test images, deep", "deep_test"),
                    ),
                ),
                why=Depends(
                    "lost",
                    holds="Test {dense_test} against {deep_test}: {lost.says}. Training fell from {dense_train} to {deep_train}. A "
                    "network that knows nothing has no gap at all. Never show a gap without the accuracy beside it.",
                    undecided="Test {dense_test} against {deep_test}: {lost.says}. Training went from {dense_train} to {deep_train}. "
                    "Never show a gap without both of its ends.",
                    fails="Test {dense_test} against {deep_test}: {lost.says}, and the pruned network is the better one. It knew "
                    "{deep_train} of its training images in place of {dense_train}, and new ones a little better. This is the good case, "
                    "and one sees it only because both ends are shown.",
                ),
                notes="The line to remember: the gap of a coin is zero.",
            ),
            Step(
                "A long stream: {long_parts} small parts. The paper found that the gap goes up and comes down again, as more is pruned.",
                question=Curve(
                    "long-gap",
                    "Draw the gap of APP over the long stream.",
                    tuple(Point(str(part + 1), Recorded(_LONG_APP, "clean_gap", part)) for part in (0, 11, 22, 33, 44, 55, 66, 77, 88, 99)),
                    "part of the stream",
                    "gap",
                    unit="points",
                ),
                why=Depends(
                    "long_closes",
                    holds="At the end dense {long_dense}, APP {long_app}: {long_closes.says}.",
                    undecided="At the end dense {long_dense}, APP {long_app}: {long_closes.says}. Whether pruning bent the curve is left "
                    "open here.",
                    fails="At the end dense {long_dense}, APP {long_app}: {long_closes.says}.",
                ),
                notes="Compare with the dense curve on the page Compare before anybody gives pruning the credit for the shape.",
            ),
            Step(
                "What one may write after this lesson: a difference, its interval, the number of seeds, and the accuracy beside the gap. "
                "What one may not write is the order of the means.",
                Chart("gap", (_DENSE, _APP, _DEEP)),
                links=(
                    Link("Compare these runs", "compare", recordings=(_DENSE, _APP, _DEEP)),
                    Link("The long stream", "compare", recordings=(_LONG_DENSE, _LONG_APP)),
                    Link("Try it for real", "run", {"arch": "resnet20", "method": "app", "pruner": "snip", "megabatches": 8, "tau": 4.5}),
                ),
                notes="The bands are the range over seeds during training; the numbers in the texts are of the weights carried on.",
            ),
        ),
    )
