"""Lesson 1: what cutting a trained network costs at once, and what training again gives back. In the playground."""

from .base import Chart, Choice, Curve, Depends, Less, Lesson, Link, Of, Option, Play, Playground, Point, Step
from .numbers import FAILS, HOLDS, UNDECIDED

CHOICES = {"half": "Half of the edges"}
NUMBER = {"half": 1}

_NET = "data=spiral&net=32-32&lr=0.1&batch=0&seed=0"
_TRAINED = f"{_NET}&do=t800"


def _cut(density: str) -> Playground:
    return Playground("after", f"cut {density}")


def _again(density: str) -> Playground:
    return Playground("after", f"retrained {density}")


def lesson() -> Lesson:
    return Lesson(
        claim="A trained network can lose half of its weights, the smallest first, and hardly notice.",
        source="LeCun, Denker and Solla, *Optimal Brain Damage*, 1989; Han et al., [arXiv 1506.02626](https://arxiv.org/abs/1506.02626)",
        surprise="Most people expect damage in proportion: half of the weights, half of the skill.",
        minutes=10,
        numbers={
            "whole": Playground("after", "whole"),
            **{name: _cut(density) for name, density in (("half", "0.5"), ("fifth", "0.2"), ("tenth", "0.1"), ("twentieth", "0.05"))},
            **{f"{name}_again": _again(density) for name, density in (("half", "0.5"), ("fifth", "0.2"), ("tenth", "0.1"))},
            "twentieth_again": _again("0.05"),
            "gain_half": Less(Of("half_again"), Of("half")),
            "gain_tenth": Less(Of("tenth_again"), Of("tenth")),
        },
        steps=(
            Step(
                "Here is a network that you can see whole. Every line is a weight: blue adds, orange subtracts, wide is large. It is "
                "learning in your browser, now, to tell the two arms of a spiral apart.",
                Play(_TRAINED),
                notes="Let it train to the end before you speak. Ask where they see the spiral in the right picture. *Start again* and "
                "*Train* repeat it; *Next seed* shows another network that solves the same problem.",
            ),
            Step(
                "Now half of its weights go, the smallest first. Nothing else changes, and nothing is trained.",
                Play(_TRAINED),
                Choice(
                    "half-at-once",
                    "How accurate is what is left, right away? Guessing gets half of the points right.",
                    "half",
                    (
                        Option("About half: it is broken", below=62.5),
                        Option("Three quarters: half of its skill is gone", 62.5, 87.5),
                        Option("Nearly as good as before", 87.5),
                    ),
                    "half of the weights cut",
                ),
                "It scores {half}, over {half.seeds}. Half of the lines were drawn, trained and stored, and did next to nothing: training "
                "makes many weights small, and a small weight moves the answer little.",
                Play(f"{_TRAINED}.c50m"),
                notes="Take hands before you reveal. The slider is live: drag it to and fro and let somebody else call out when it breaks.",
            ),
            Step(
                "Go on cutting, each time from the whole trained network. Where does it break?",
                question=Curve(
                    "cliff",
                    "Draw the accuracy right after the cut.",
                    (
                        Point("all", Of("whole")),
                        Point("half", Of("half")),
                        Point("a fifth", Of("fifth")),
                        Point("a tenth", Of("tenth")),
                        Point("a twentieth", Of("twentieth")),
                    ),
                    "weights that are left",
                    "accuracy",
                    low=40,
                    start=100,
                ),
                why="It is a cliff and no slope: {half.mean} with a half, {fifth.mean} with a fifth, {tenth.mean} with a tenth, where a "
                "coin would get half right. One number for “how much was pruned” says little until you know on which side of the cliff it "
                "lies.",
                after=Play(f"{_TRAINED}.c80m"),
                notes="The usual drawing is a straight line. Ask whoever drew a cliff why. If nobody did, ask what the first half of the "
                "weights can have been good for.",
            ),
            Step(
                "At a tenth of its weights the network guesses. We train what is left, as long as it was trained the first time; what was "
                "cut stays cut.",
                Play(f"{_TRAINED}.c90m"),
                Choice(
                    "back-from-a-tenth",
                    "Does it come back, seed after seed?",
                    "gain_tenth",
                    (
                        Option("Yes: it gains, clearly", verdict=HOLDS),
                        Option("It depends on the seed: one cannot say", verdict=UNDECIDED),
                        Option("No: it gets worse", verdict=FAILS),
                    ),
                    "gained by training again",
                ),
                Depends(
                    "gain_tenth",
                    holds="{gain_tenth.says}. So damage is not final: the weights that are left take over. But they end at {tenth_again} "
                    "and not at {whole.mean}; what was lost was worth something.",
                    undecided="{gain_tenth.says}. Some seeds come back and some do not, so from this experiment nobody can promise "
                    "anything.",
                    fails="{gain_tenth.says}. Training again made it worse.",
                ),
                Play(f"{_TRAINED}.c90m.t800"),
                notes="Press *Retrain* and watch which lines grow. Then *Rewind* and train: the same weights from their first values; "
                "that is the fourth lesson.",
            ),
            Step(
                "One more guess. With half of the weights cut the network is as good as before. We train it again all the same, just as "
                "long.",
                question=Choice(
                    "nothing-to-repair",
                    "What does that do?",
                    "gain_half",
                    (
                        Option("It helps: more training is more training", verdict=HOLDS),
                        Option("It is a gamble: the seeds disagree", verdict=UNDECIDED),
                        Option("It does harm, clearly", verdict=FAILS),
                    ),
                    "gained by training again",
                ),
                why=Depends(
                    "gain_half",
                    holds="{gain_half.says}.",
                    undecided="{gain_half.says}. The picture shows it seed by seed: most change nothing, and a few fall a long way, so "
                    "that the mean goes from {half.mean} to {half_again}. Training at the full learning rate shakes a network that was "
                    "fine. Pruning papers that retrain have chosen a learning rate for it, and that choice is part of the method.",
                    fails="{gain_half.says}. Training at the full learning rate shakes a network that was fine.",
                ),
                after=Play(f"{_TRAINED}.c50m.t800"),
                notes="This is the surprise of the lesson. Lower the learning rate in the playground below and train again: the harm goes.",
            ),
            Step(
                "So the claim holds for this network: the first half was free. Everything after it was not, and what training gives back "
                "depends on how you train. All of it is one small network on one problem, {half.seeds} each.",
                Chart(
                    "numbers",
                    title="Accuracy after the cut, and trained again",
                    numbers=(
                        ("half, at once", "half"),
                        ("half, trained again", "half_again"),
                        ("a fifth, at once", "fifth"),
                        ("a fifth, trained again", "fifth_again"),
                        ("a tenth, at once", "tenth"),
                        ("a tenth, trained again", "tenth_again"),
                    ),
                ),
                links=(
                    Link("Your own spiral", "playground", {"data": "spiral", "lr": "0.1", "batch": "0", "do": "t800.c50m"}),
                    Link("Try it for real", "run", {"dataset": "spiral", "arch": "mlp:32-32", "method": "imp", "tau": 3.1, "epochs": 60}),
                ),
                notes="*Try it for real* opens the form with this problem: the engine trains, cuts by magnitude and trains again.",
            ),
        ),
    )
