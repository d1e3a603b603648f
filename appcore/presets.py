"""Named starting points: settings for RunConfig with the source that they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """`settings` go to RunConfig; fields left out follow the data set's recipe."""

    title: str
    row: str  # of the form, see ROWS
    sentence: str  # what one sees with it
    source: str
    settings: dict[str, Any] = field(default_factory=dict)


_DIGITS = "digits instead: real images that everybody has, offline, and small enough for two CPU cores in minutes"
_POSTER = {"megabatches": 8, "epochs": 50, "method": "app", "pruner": "snip", "tau": 4.5}
_TWIN = {"dataset": "digits", "arch": "resnet20", "init": "kaiming-fan-in", **_POSTER}  # the published small ResNets begin by fan-in
_LENET5 = {"arch": "lenet5", "method": "osp", "pruner": "snip", "prunable": "all", "megabatches": 1, "options": {"batches": "one"}}
_ADAM = {"optimizer": "adamw", "lr": 1.2e-3, "weight_decay": 0.0, "lr_drops": ()}
_LOTTERY = {"arch": "mlp", "method": "imp", "prunable": "all", "megabatches": 1, "tau": 7.0, **_ADAM}
_LOTTERY_RESNET = {"arch": "resnet20", "init": "kaiming-fan-in", "method": "imp", "megabatches": 1, "tau": 7.0, "lr": 0.03}
_LOTTERY_RESNET |= {"lr_warmup": 0.476, "lr_drops": (0.508, 0.762)}
_CS = {"arch": "resnet20", "method": "cs", "megabatches": 1, "lr_drops": (0.66, 0.84), "options": {"search_rounds": 3, "rewind_epoch": 2}}

_LIFELONG = {"megabatches": 5, "classes_per_megabatch": 2, "lr_drops": (0.6, 0.8), "weight_decay": 5e-4}
_LIFELONG_CIFAR = {"dataset": "cifar10", "arch": "resnet18", **_LIFELONG, "epochs": 100, "lr": 0.01, "batch_size": 256}
_LIFELONG_DIGITS = {"dataset": "digits", "arch": "resnet20", **_LIFELONG, "epochs": 6}

ROWS = {  # of the form: title, and what its presets have in common
    "here": ("Minutes here", "small versions on digits, for two processor cores; nothing is downloaded"),
    "gpu": ("Hours on a GPU", "the published settings, on CIFAR-10 where no other data are named; data are downloaded or yours"),
}
USUAL_DATA = ", CIFAR-10"  # ends titles of the second row, which says it once

# In the order of the form: a first look, small versions of the published settings, then these.
PRESETS: dict[str, Preset] = {
    "quick": Preset(
        "First look",
        "here",
        "A ResNet-20 is pruned with SNIP before each of six parts of the data, in half a minute.",
        "digits of 8 x 8 pixels, ResNet-20, full replay; made for a first look",
        {},
    ),
    "poster-r50-cifar100-small": Preset(
        "Anytime pruning",
        "here",
        "Anytime progressive pruning: eight parts, a little pruned before each, down to 37 % of the weights.",
        f"Small twin of “Anytime pruning, CIFAR-100”: T, tau and pruner of arXiv 2204.01640 with ResNet-20 and 10 epochs; {_DIGITS}",
        {**_TWIN, "epochs": 10},
    ),
    "poster-r50-cifar10-small": Preset(
        "SNIP against magnitude",
        "here",
        "The run for comparing criteria: start it, then again with the pruner magnitude, and see which layers each one takes.",
        f"Small twin of “SNIP against magnitude, CIFAR-10”: run it again with pruner magnitude; ResNet-20 and 6 epochs; {_DIGITS}",
        {**_TWIN, "epochs": 6},
    ),
    "long-r50-cifar10-small": Preset(
        "Long stream",
        "here",
        "A hundred small parts in place of eight: how the gap between training and test accuracy moves.",
        f"Small twin of “Long stream, CIFAR-10”: T = 100 with ResNet-20, 2 epochs and batches of 32; {_DIGITS}",
        {**_TWIN, "megabatches": 100, "epochs": 2},
    ),
    "few-shot-540-small": Preset(
        "Few shots",
        "here",
        "Only 40 images of each class: does pruning help where data are few?",
        f"Small twin of “Few shots, ImageNet”: 40 shots of each class, ResNet-20 and 10 epochs; {_DIGITS}",
        {**_TWIN, "shots": 40, "batch_size": 32, "epochs": 10},
    ),
    "snip-lenet-small": Preset(
        "SNIP before training",
        "here",
        "One cut to 95 % before any training, from one batch of images.",
        f"Small twin of “SNIP before training, MNIST” at 95 % sparsity, 20 epochs, lr 0.05; {_DIGITS}",
        {"dataset": "digits", **_LENET5, "tau": 13.43, "weight_decay": 5e-4, "epochs": 20, "lr_drops": (0.5, 0.75), "score_fraction": 0.07},
    ),
    "lottery-lenet-small": Preset(
        "Lottery ticket",
        "here",
        "Train, remove a fifth, rewind, seven times: the ticket that is left learns from its first weights.",
        f"Small twin of “Lottery ticket, MNIST”: seven rounds of 20 %, 15 epochs each, with Adam; {_DIGITS}",
        {"dataset": "digits", **_LOTTERY, "epochs": 15},
    ),
    "lottery-resnet-small": Preset(
        "Ticket with warm-up",
        "here",
        "The lottery ticket of a deeper network, whose learning rate rises for half of the training; without that, tickets were not found.",
        f"Small twin of “Ticket with warm-up, CIFAR-10”: the same learning rate over 12 epochs in each of seven rounds; {_DIGITS}",
        {"dataset": "digits", **_LOTTERY_RESNET, "epochs": 12},
    ),
    "cs-resnet-small": Preset(
        "Learned masks",
        "here",
        "Continuous Sparsification: the mask is learned with the weights, in three rounds, and then trained as a ticket.",
        f"Small twin of “Learned masks, CIFAR-10”: three rounds of 12 epochs, then the ticket; {_DIGITS}",
        {"dataset": "digits", **_CS, "epochs": 12},
    ),
    "lifelong-td-small": Preset(
        "Lifelong, cut",
        "here",
        "Two new digits in each of five parts; after each a few more weights go, and what is left starts again from its first values.",
        f"Small twin of “Lifelong, cut, CIFAR-10”: ResNet-20 and 6 epochs; {_DIGITS}",
        {**_LIFELONG_DIGITS, "method": "ll-td", "tau": 14.0},
    ),
    "lifelong-bu-small": Preset(
        "Lifelong, grown",
        "here",
        "Two new digits in each of five parts; a small ticket grows when it falls behind the dense network trained beside it.",
        f"Small twin of “Lifelong, grown, CIFAR-10”: ResNet-20 and 6 epochs; {_DIGITS}",
        {**_LIFELONG_DIGITS, "method": "ll-bu"},
    ),
    "poster-r50-cifar100": Preset(
        "Anytime pruning, CIFAR-100",
        "gpu",
        "ResNet-50 over eight parts of CIFAR-100: the main result of arXiv 2204.01640.",
        "arXiv 2204.01640, short sequence: published are +17.97 points over dense and +11.12 over Anytime OSP. A GPU's work",
        {"dataset": "cifar100", "arch": "resnet50", **_POSTER},
    ),
    "poster-r50-cifar10": Preset(
        "SNIP against magnitude, CIFAR-10",
        "gpu",
        "ResNet-50 over eight parts of CIFAR-10, where arXiv 2204.01640 compares criteria layer by layer.",
        "arXiv 2204.01640, T = 8: where SNIP and magnitude are compared layer by layer. A GPU's work",
        {"dataset": "cifar10", "arch": "resnet50", **_POSTER},
    ),
    "long-r50-cifar10": Preset(
        "Long stream, CIFAR-10",
        "gpu",
        "ResNet-50 over a hundred parts; the setting budget makes its cost grow with the stream and not with its square.",
        "arXiv 2204.01640, T = 100: the generalization gap is not monotonic in the megabatch. Days on a GPU; budget makes it linear",
        {"dataset": "cifar10", "arch": "resnet50", **_POSTER, "megabatches": 100},
    ),
    "few-shot-540": Preset(
        "Few shots, ImageNet",
        "gpu",
        "ResNet-50 with 540 images of each of 14 superclasses. Needs your copy of ImageNet.",
        "arXiv 2204.01640, 540 shots of each of 14 superclasses, batch 32: published are about +7 points over dense, about -22 % "
        "generalization gap, a third of the size. Needs your copy of ImageNet, and a GPU",
        {"dataset": "restricted-imagenet", "arch": "resnet50", **_POSTER, "shots": 540, "batch_size": 32},
    ),
    "snip-lenet": Preset(
        "SNIP before training, MNIST",
        "gpu",
        "One cut to 98 % before any training, as in SNIP's paper.",
        "Lee et al., arXiv 1810.02340: 0.8 % error at 98 %, dense 0.9 %. SGD 0.1, x 0.1 every 25,000 steps, batch 100, weight decay "
        "5e-4, one scoring batch of 100; stopped after 100,000 steps here",
        {"dataset": "mnist", **_LENET5, "tau": 17.53, "batch_size": 100, "weight_decay": 5e-4, "epochs": 186, "crop_padding": 0}
        | {"lr_drops": (0.25, 0.5, 0.75), "score_fraction": 0.00167},
    ),
    "lottery-lenet": Preset(
        "Lottery ticket, MNIST",
        "gpu",
        "LeNet-300-100 down to 21 % of its weights, as in the lottery-ticket paper.",
        "Frankle and Carbin, arXiv 1803.03635: the ticket at 21 % learns faster than its re-initialisation (option control). 50,000 steps "
        "of batch 60 in each round, Adam 0.0012; here ranked over the whole network, as in open_lth, with torch's initial values",
        {"dataset": "mnist", **_LOTTERY, "batch_size": 60, "epochs": 56, "crop_padding": 0},
    ),
    "lottery-resnet": Preset(
        "Ticket with warm-up, CIFAR-10",
        "gpu",
        "The lottery ticket of a ResNet-20, found from its first weights because the learning rate rises slowly.",
        "Frankle et al., arXiv 1912.05671, ResNet-20 with warm-up: 63,000 steps of batch 128 in each round, SGD rising to 0.03 "
        "over 30,000 steps, x 0.1 after 32,000 and 48,000; seven rounds of 20 % here",
        {"dataset": "cifar10", **_LOTTERY_RESNET, "batch_size": 128, "epochs": 179},
    ),
    "cs-resnet": Preset(
        "Learned masks, CIFAR-10",
        "gpu",
        "Continuous Sparsification of a ResNet-20 on CIFAR-10, as in its paper: three rounds of 85 epochs and the ticket.",
        "Savarese et al., arXiv 1912.04427: 91.5 to 92.0 % on CIFAR-10 against 90 to 91 % dense; three rounds of 85 epochs, then the "
        "ticket. Initial weights by Xavier's rule there, Kaiming fan-out here",
        {"dataset": "cifar10", **_CS, "epochs": 85, "batch_size": 128},
    ),
    "lifelong-td": Preset(
        "Lifelong, cut, CIFAR-10",
        "gpu",
        "Top-down lifelong tickets: two new classes in each of five parts, down to 4.4 % of the weights of a ResNet-18.",
        "Chen et al., Long Live the Lottery, ICLR 2021: published are 80, 64, 32.8, 13.4 and 4.4 % of the weights and some 72.5 % at the "
        "end (read off a figure). Full replay here; exemplars, distillation and unlabelled images there",
        {**_LIFELONG_CIFAR, "method": "ll-td", "tau": 14.0},
    ),
    "lifelong-bu": Preset(
        "Lifelong, grown, CIFAR-10",
        "gpu",
        "Bottom-up lifelong tickets: two new classes in each of five parts, and a ticket that gains weights when it falls behind.",
        "Chen et al., Long Live the Lottery, ICLR 2021: published are 2.81 % of the weights that become 3.64 % and some 73.5 % at the end "
        "(read off a figure). Judged by validation and with full replay here; by test images, with exemplars and distillation there",
        {**_LIFELONG_CIFAR, "method": "ll-bu"},
    ),
}
