"""The two-minute tour: one recorded pair, from its curves to its layers, and the way to a run of one's own."""

from .base import Chart, Depends, Kept, Less, Lesson, Link, Recorded, Setting, Step

CHOICES = {"tour": "The two-minute tour"}
NUMBER = {"tour": 0}

_PAIR = ("app-snip", "app-magnitude")


def lesson() -> Lesson:
    return Lesson(
        claim="Two networks began with the same weights and saw the same images. They differ in one setting: which weights were pruned.",
        source="A recorded pair, after [arXiv 2204.01640](https://arxiv.org/abs/2204.01640)",
        surprise="One recorded pair in five pictures: what this program shows, and where.",
        minutes=2,
        numbers={
            "images": Setting(_PAIR[0], "limit_train"),
            "parts": Setting(_PAIR[0], "megabatches"),
            "left": Recorded(_PAIR[0], "density_mask", -1),
            "snip": Kept(_PAIR[0]),
            "magnitude": Kept(_PAIR[1]),
            "lead": Less(Recorded(_PAIR[0], "test_accuracy"), Recorded(_PAIR[1], "test_accuracy")),
            "snip_errors": Recorded(_PAIR[0], "cer"),
            "magnitude_errors": Recorded(_PAIR[1], "cer"),
        },
        steps=(
            Step(
                "{images} small pictures of CIFAR-10 arrive in {parts} parts. Before each part a share of the weights goes for good, "
                "until {left.mean} are left. Line: the mean accuracy on pictures that were held back; band: the seeds. It is a small "
                "experiment, made for looking.",
                Chart("accuracy", _PAIR),
                notes="Say nothing about pruning criteria yet. Point at the bands: one seed could have told any story in them.",
            ),
            Step(
                "Both keep equally many weights, and not the same ones. Of the first layer, at the top, SNIP keeps {snip.mean} and "
                "magnitude {magnitude.mean}.",
                Chart("mirrored", _PAIR),
                notes="The third lesson is about this picture.",
            ),
            Step(
                "What does it cost? Errors on the test images, added up over the stream: SNIP {snip_errors.mean}, magnitude "
                "{magnitude_errors.mean}.",
                Chart("errors", _PAIR),
                why=Depends(
                    "lead",
                    holds="At the end SNIP is more accurate: {lead.says}.",
                    undecided="At the end one cannot tell which is more accurate: {lead.says}.",
                    fails="At the end magnitude is more accurate; SNIP minus magnitude: {lead.says}.",
                ),
                notes="Every comparison here says what its seeds decide.",
            ),
            Step(
                "Every number was counted in the tensors and not taken from a log: what was asked for, what the mask keeps, what the "
                "network uses, and what still lies on a path.",
                Chart("truth-meter", _PAIR[:1]),
                links=(Link("Open this run", "run", recordings=_PAIR[:1]), Link("Open the pair", "compare", recordings=_PAIR)),
                notes="The last lesson shows what happens where nobody counts.",
            ),
            Step(
                "Now you. A button on Start begins the same pair on this machine, small. Or cut a network while you watch, or take the "
                "first lesson, which asks you before it tells you.",
                links=(
                    Link("Cut a network while you watch", "playground", {"data": "spiral", "do": "t400.c80m"}),
                    Link("Take the first lesson", "lessons", {"lesson": "1", "step": "1"}),
                    Link("Set up a run", "run", {"pruner": "snip"}),
                ),
                notes="Most classes choose the playground. Let them.",
            ),
        ),
    )
