"""Lesson 2: five criteria cut the same network to the same count before training. In the playground."""

from .base import Choice, Depends, Item, Less, Lesson, Link, Of, Option, Order, Play, Playground, RunsEmpty, Sketch, Step
from .numbers import FAILS, HOLDS, UNDECIDED

CHOICES = {"criteria": "Which edges?"}
NUMBER = {"criteria": 2}

_TWO = "data=spiral&net=32-32&lr=0.1&batch=0&seed=0&two=1"
_ONCE = ("synflow", "snip", "magnitude")  # whose scores of a VGG-16 come with the program
_NAMES = {"random": "Random", "magnitude": "Magnitude", "snip": "SNIP", "grasp": "GraSP", "synflow": "SynFlow"}


def lesson() -> Lesson:
    return Lesson(
        claim="Before training it is not the number of weights that counts, but whether a signal can still pass through them.",
        source="SNIP [arXiv 1810.02340](https://arxiv.org/abs/1810.02340), GraSP [2002.07376](https://arxiv.org/abs/2002.07376), SynFlow "
        "[2006.05467](https://arxiv.org/abs/2006.05467); the spiral of [2407.04075](https://arxiv.org/abs/2407.04075)",
        surprise="Most people think that the density tells it all, and that a weight which was kept is at work.",
        minutes=10,
        numbers={
            **{name: Playground(f"{name} 0.1") for name in _NAMES},
            **{f"{name}_path": Playground(f"{name} 0.1", "onPath") for name in _NAMES},
            **{f"{name}_empty": RunsEmpty("vgg16", name) for name in _ONCE},
            "snip_lead": Less(Of("snip"), Of("magnitude")),
            "synflow_lead": Less(Of("synflow"), Of("snip")),
        },
        steps=(
            Step(
                "Two networks with the same initial values. From each we take nine weights of ten before a single step of training: "
                "of A by lot, of B by SynFlow. Both keep equally many. Grey dashes are weights that were kept and do nothing.",
                Play(f"{_TWO}&crit=random&crit2=synflow&do=c90ry"),
                notes="Count aloud the blue and orange lines that run from left to right in network A. Then ask which one they would buy.",
            ),
            Step(
                "Five criteria, one count: a tenth of the weights stays. Then all are trained alike, as long as the network of the first "
                "lesson, which got every point right.",
                question=Order(
                    "five",
                    "Which network ends up the most accurate?",
                    tuple(Item(text, name) for name, text in _NAMES.items()),
                ),
                why="Random {random}, magnitude {magnitude}, SNIP {snip}, GraSP {grasp}, SynFlow {synflow}, over {snip.seeds}. The same "
                "number of weights, and everything from a coin to nearly all points. Density alone tells you nothing.",
                after=Play(f"{_TWO}&crit=magnitude&crit2=synflow&do=c90my.t800"),
                notes="Two means whose seeds do not separate them count either way, so be generous. Who had random last, and why?",
            ),
            Step(
                "A weight works only if something comes in and something goes out: it must lie on a path from an input to an output. SNIP "
                "looks at the whole network and asks of each weight how much the loss would feel it if it were gone.",
                question=Choice(
                    "on-a-path",
                    "SNIP keeps a tenth of the weights. How many of these lie on a path?",
                    "snip_path",
                    (Option("Nearly all of them", 80), Option("About half", 30, 80), Option("Fewer than a third", below=30)),
                    "SNIP, on a path",
                    beside=tuple((text, f"{name}_path") for name, text in _NAMES.items()),
                ),
                why="{snip_path}. Each kept weight was felt while all the others were there; that its path would break, SNIP did not see. "
                "The dead ones are kept, stored and counted. Random has {random_path} alive, magnitude {magnitude_path}, SynFlow "
                "{synflow_path}: it cuts a little at a time and looks after each cut which paths are left.",
                after=Play(f"{_TWO}&crit=snip&crit2=synflow&do=c90sy"),
                notes="This is why the product shows *alive* beside *kept* everywhere.",
            ),
            Step(
                "Magnitude asks only how large a weight is, and before training sizes are drawn by lot. SNIP asks the loss.",
                question=Choice(
                    "snip-or-magnitude",
                    "Does SNIP beat magnitude, seed by seed?",
                    "snip_lead",
                    (
                        Option("Yes: the interval of the differences lies above zero", verdict=HOLDS),
                        Option("Undecided: it holds zero", verdict=UNDECIDED),
                        Option("No: magnitude is better", verdict=FAILS),
                    ),
                    "SNIP minus magnitude",
                ),
                why=Depends(
                    "snip_lead",
                    holds="{snip_lead.says}. But look at the seeds: SNIP has {snip_path} of its weights alive, and single networks still "
                    "learn nothing.",
                    undecided="{snip_lead.says}. The seeds are too far apart for so few of them.",
                    fails="{snip_lead.says}.",
                ),
                notes="The interval is of the differences: seed by seed both began with the same values, so luck that both share cancels "
                "out.",
            ),
            Step(
                "SynFlow keeps every path alive and its mean is the highest: {synflow} against {snip} for SNIP.",
                question=Choice(
                    "synflow-or-snip",
                    "Is it better than SNIP here?",
                    "synflow_lead",
                    (
                        Option("Yes, that is a result", verdict=HOLDS),
                        Option("One cannot say from these seeds", verdict=UNDECIDED),
                        Option("No, it is worse", verdict=FAILS),
                    ),
                    "SynFlow minus SNIP",
                ),
                why=Depends(
                    "synflow_lead",
                    holds="{synflow_lead.says}.",
                    undecided="{synflow_lead.says}. A lead of {synflow_lead.mean} looks like a result, and is none: a few seeds carry it. "
                    "Paths are needed, and they are not enough; some of SynFlow's networks are alive all over and still learn little.",
                    fails="{synflow_lead.says}.",
                ),
                after=Play(f"{_TWO}&seed=6&crit=snip&crit2=synflow&do=c90sy.t800"),
                notes="The networks below are a seed in which SynFlow loses. *Next seed* until it wins: how many presses?",
            ),
            Step(
                "So far SynFlow cut a little, looked again, and cut a little more. Now a large network: VGG-16 at its initial values, for "
                "pictures. Each criterion scores it once, and one threshold cuts all layers. Lower what is kept, and sooner or later a "
                "whole layer is empty; then nothing of the picture gets through.",
                question=Choice(
                    "asked-once",
                    "SynFlow is asked only once. How much of the network is left when a whole layer is empty?",
                    "synflow_empty",
                    (
                        Option("More than 1\u00a0%: it fails early", 1),
                        Option("0.1 to 1\u00a0%", 0.1, 1),
                        Option("Less than 0.1\u00a0%: it keeps paths alive to the last", below=0.1),
                    ),
                    "SynFlow",
                    beside=tuple((_NAMES[name], f"{name}_empty") for name in _ONCE),
                ),
                why="{synflow_empty.mean}, long before SNIP ({snip_empty.mean}) and magnitude ({magnitude_empty.mean}). SynFlow gives "
                "every layer the same sum of scores, so where weights are many each has little, and one threshold empties the largest "
                "layers first. Scored again after a small cut, those that are left share the sum anew; it is the looking again that "
                "saves them. All of it was counted in one network.",
                after=Sketch("vgg16", _ONCE, 0.02),
                links=(Link("The same on What if", "what_if", {"run": "recorded-vgg16", "criteria": "SynFlow,SNIP", "sparsity": "98"}),),
                notes="This is called layer collapse. Ask which row would be the next to get a cross, and what a residual network does "
                "when one of its layers is empty: its shortcut still passes the picture on.",
            ),
            Step(
                "Two things to take home. Count what is alive, not what is kept. And ask for the seeds before you believe a mean. Here is "
                "the workbench: choose two criteria, drag the slider, train.",
                Play(f"{_TWO}&crit=snip&crit2=grasp&do=c90sg"),
                links=(
                    Link("Your own pair", "playground", {"data": "spiral", "two": "1", "crit": "snip", "crit2": "synflow", "do": "c90sy"}),
                    Link("The same for a ResNet-20", "what_if", {"density": "0.1"}),
                    Link(
                        "Try it for real",
                        "run",
                        {"dataset": "spiral", "arch": "mlp:32-32", "method": "osp", "pruner": "synflow", "tau": 10.3},
                    ),
                ),
                notes="What if shows the same question for a real network, layer by layer, without training.",
            ),
        ),
    )
