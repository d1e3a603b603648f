"""Lesson 4: is a lottery ticket its mask or its initial values? The playground, then recorded runs on pictures."""

from .base import Chart, Choice, Depends, Item, Less, Lesson, Link, Of, Option, Order, Play, Playground, Recorded, Step
from .numbers import FAILS, HOLDS, UNDECIDED

CHOICES = {"lottery": "The mask or the values?"}
NUMBER = {"lottery": 4}

_NET = "data=spiral&net=32-32&lr=0.1&batch=0&seed=0"
_ROUNDS = ".".join(f"t300.c{sparsity}m.ra" for sparsity in (20, 36, 49, 59, 67, 74, 79, 83, 87, 89))
_VERDICTS = (
    Option("Yes: the ticket wins", verdict=HOLDS),
    Option("Undecided: the seeds disagree", verdict=UNDECIDED),
    Option("No: the new values win", verdict=FAILS),
)


def lesson() -> Lesson:
    return Lesson(
        claim="Hidden in a large network is a small one that learns as well, but only from the very values it began with.",
        source="The lottery ticket hypothesis, [arXiv 1803.03635](https://arxiv.org/abs/1803.03635)",
        surprise="Most people think that a ticket always wins, and that one run proves it.",
        minutes=7,
        numbers={
            "ticket": Playground("ticket", "ticket"),
            "redrawn": Playground("ticket", "redrawn"),
            "shuffled": Playground("ticket", "shuffled"),
            "left": Playground("ticket", "density"),
            "lead": Less(Of("ticket"), Of("redrawn")),
            "mask_lead": Less(Of("redrawn"), Of("shuffled")),
            "pictures": Recorded("imp-ticket", "test_accuracy"),
            "pictures_new": Recorded("imp-control", "test_accuracy"),
            "pictures_left": Recorded("imp-ticket", "density_mask", -1),
            "pictures_lead": Less(Of("pictures"), Of("pictures_new")),
        },
        steps=(
            Step(
                "Train, cut the smallest fifth, put what is left back to its first values, and again: ten rounds. You see them now, all of "
                "them. What stays at the end, with its first values, is called a winning ticket.",
                Play(f"{_NET}&do={_ROUNDS}"),
                notes="Let it run to the end while you say what rewinding is: not the trained values, the drawn ones. Then press "
                "*Retrain*.",
            ),
            Step(
                "We have {left.mean} of the weights. Now three networks of that size: the ticket; its mask with newly drawn values; and "
                "its mask shuffled within each layer, with the first values. All three are trained alike.",
                question=Order(
                    "three",
                    "Which learns the spiral best?",
                    (
                        Item("The mask, with new values", "redrawn"),
                        Item("The ticket", "ticket"),
                        Item("The shuffled mask, with the first values", "shuffled"),
                    ),
                ),
                why="The ticket {ticket}, new values {redrawn}, the shuffled mask {shuffled}, over {ticket.seeds}. Both halves matter: "
                "who is connected to whom, and where each weight begins.",
                notes="Before revealing: what would each order mean? If new values did as well, one would only need the mask.",
            ),
            Step(
                "The heart of the claim is one difference: ticket minus the same mask with new values.",
                question=Choice(
                    "lead",
                    "Does the ticket win, seed by seed?",
                    "lead",
                    _VERDICTS,
                    "ticket minus new values",
                ),
                why=Depends(
                    "lead",
                    holds="{lead.says}. The paper's claim, found again in a network of which you can see every weight.",
                    undecided="{lead.says}.",
                    fails="{lead.says}.",
                ),
                after=Play(f"{_NET}&do={_ROUNDS}.va.t800"),
                notes="Below: the same rounds, then *new values*, then training. Compare with the end of the first step.",
            ),
            Step(
                "Now pictures. A fully connected network, CIFAR-10, the same rounds down to {pictures_left.mean} of the weights, and the "
                "same control. On the spiral it was so clear.",
                question=Choice(
                    "pictures",
                    "Does the ticket beat the new values here too?",
                    "pictures_lead",
                    _VERDICTS,
                    "ticket minus new values",
                ),
                why=Depends(
                    "pictures_lead",
                    holds="{pictures} against {pictures_new}: {pictures_lead.says}. On the spiral it was {lead.mean}. A claim may travel; "
                    "its size does not.",
                    undecided="{pictures} against {pictures_new}: {pictures_lead.says}. On the spiral it was {lead.mean}; here we do not "
                    "know. That is a result, too: it says how much this experiment can see.",
                    fails="{pictures} against {pictures_new}: {pictures_lead.says}. The same recipe, another problem, the other answer.",
                ),
                notes="Our own check on smaller nets was inconclusive (docs/FIDELITY.md, number five). Nobody in the room should feel "
                "silly.",
            ),
            Step(
                "Look at the small marks: each is one seed. Any single one of them could have been the only run that somebody made, and "
                "its number would have been the headline.",
                Chart(
                    "numbers",
                    title="Ticket minus the same mask with new values",
                    numbers=(("spiral, in the playground", "lead"), ("pictures, recorded", "pictures_lead")),
                ),
                links=(
                    Link("The recorded ticket", "run", recordings=("imp-ticket",)),
                    Link("Ticket and control", "compare", recordings=("imp-ticket", "imp-control")),
                    Link("Try it for real", "run", {"preset": "lottery-lenet-small"}),
                ),
                notes="Which single seed would have made the best story? Which would have buried the paper?",
            ),
        ),
    )
