"""Lesson 5: what it costs to see earlier data again, and what it buys. Arithmetic of the plan, and recorded streams."""

from .base import Chart, Choice, Depends, Images, Less, Lesson, Link, Of, Option, Recorded, Setting, Step, Times
from .numbers import FAILS, HOLDS, UNDECIDED

CHOICES = {"replay": "What does remembering cost?"}
NUMBER = {"replay": 5}

_FULL, _NONE = "app-snip", "app-no-replay"
_STREAM = {"dataset": "cifar10", "arch": "resnet20", "epochs": 10}


def _images(parts: int, **more: object) -> Images:
    return Images({**_STREAM, "megabatches": parts, **more})


def lesson() -> Lesson:
    return Lesson(
        claim="A network that sees everything again at every part remembers, and pays for it with half the number of parts.",
        source="Anytime learning at macroscale, [arXiv 2106.09563](https://arxiv.org/abs/2106.09563)",
        surprise="Most people think that a stream is cheap because its parts are small, and that the last accuracy says how good it was.",
        minutes=6,
        numbers={
            "parts": Setting(_FULL, "megabatches"),
            "times": Times(_images(8), _images(8, replay="none")),
            "times_long": Times(_images(100, epochs=1), _images(100, epochs=1, replay="none")),
            "times_capped": Times(_images(8, budget=56_250), _images(8, replay="none")),
            "full_errors": Recorded(_FULL, "cer"),
            "none_errors": Recorded(_NONE, "cer"),
            "saved": Less(Of("none_errors"), Of("full_errors")),
            "full_accuracy": Recorded(_FULL, "test_accuracy"),
            "none_accuracy": Recorded(_NONE, "test_accuracy"),
            "lead": Less(Of("full_accuracy"), Of("none_accuracy")),
        },
        steps=(
            Step(
                "Data arrive in parts. Without replay each part is seen and put away. With full replay every part comes back at every "
                "later one: N is new, R is seen again.",
                Chart("timeline", settings={**_STREAM, "megabatches": 8, "replay": "full"}),
                notes="Read one column aloud: at part three the network trains on parts one, two and three.",
            ),
            Step(
                "Eight parts of equal size, ten epochs at each. Count the squares in the picture, if you like.",
                Chart("timeline", settings={**_STREAM, "megabatches": 8, "replay": "full"}),
                Choice(
                    "images",
                    "How many times as many training images as without replay?",
                    "times",
                    (Option("About twice as many", below=3), Option("Four to five times", 3, 6), Option("Eight times", 6)),
                    "images with full replay",
                ),
                "{times.mean}, and not by experiment but by counting: the first part is seen at every part, the last one once, so on "
                "average half of all parts and a half. With a hundred parts it is {times_long.mean}. The parts are small, the bill is "
                "not.",
                notes="Write (T + 1) / 2 on the board. Ask what happens to a method whose cost grows like that when data never end.",
            ),
            Step(
                "Now the other side: what does it buy? Two recordings of APP with SNIP, one with full replay and one with none. After the "
                "last part both are tested.",
                question=Choice(
                    "accuracy",
                    "Is the network with replay more accurate at the end?",
                    "lead",
                    (
                        Option("Yes, clearly", verdict=HOLDS),
                        Option("One cannot say", verdict=UNDECIDED),
                        Option("No, it is worse", verdict=FAILS),
                    ),
                    "full replay minus none",
                ),
                why=Depends(
                    "lead",
                    holds="{full_accuracy} against {none_accuracy}: {lead.says}. Remembering pays, if you can pay.",
                    undecided="{full_accuracy} against {none_accuracy}: {lead.says}. So many images more, and no difference one could "
                    "measure.",
                    fails="{full_accuracy} against {none_accuracy}: {lead.says}.",
                ),
                notes="Parts here are drawn at random from one pool. With parts that differ (new classes, new seasons) forgetting is "
                "worse.",
            ),
            Step(
                "A stream is used while it runs. So one counts the errors after every part and adds them up: the CER. Two networks may "
                "end alike and have made quite different numbers of mistakes on the way.",
                question=Choice(
                    "errors",
                    "Does replay save errors over the whole stream?",
                    "saved",
                    (
                        Option("Yes, clearly", verdict=HOLDS),
                        Option("One cannot say", verdict=UNDECIDED),
                        Option("No, it makes more", verdict=FAILS),
                    ),
                    "errors saved by replay",
                ),
                why=Depends(
                    "saved",
                    holds="{full_errors} against {none_errors}: {saved.says}. The last accuracy is one look at the end; the CER is the "
                    "life of everybody who had to use the network before.",
                    undecided="{full_errors} against {none_errors}: {saved.says}.",
                    fails="{full_errors} against {none_errors}: {saved.says}.",
                ),
                after=Chart("errors", (_FULL, _NONE)),
                notes="In the picture below: who is ahead after two parts, and who at the end?",
            ),
            Step(
                "There is something between all and nothing: a budget. Here every part may cost no more than it would without replay, old "
                "and new images mixed; the bill is {times_capped.mean} that of no replay, however long the stream is.",
                Chart("timeline", settings={**_STREAM, "megabatches": 8, "replay": "full", "budget": 56_250}),
                links=(
                    Link("Plan a stream", "stream", {"dataset": "cifar10", "megabatches": "8", "replay": "full", "epochs": "10"}),
                    Link("Try it for real", "run", {"megabatches": 8, "replay": "none", "arch": "resnet20"}),
                ),
                notes="On the page Stream every setting can be changed while the bill is drawn.",
            ),
        ),
    )
