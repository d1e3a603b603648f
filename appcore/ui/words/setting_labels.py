"""Display names of settings and of their values."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from appcore.names import display
from appcore.planning import sparsity

LABELS = {
    "arch": "Network",
    "dataset": "Data set",
    "megabatches": "Megabatches (T)",
    "epochs": "Epochs per megabatch",
    "tau": "Tau",
    "lr": "Learning rate",
    "lr_schedule": "Learning rate over a megabatch",
    "lr_warmup": "Warm-up, share of a megabatch",
    "lr_drops": "Learning-rate drops",
    "lr_gamma": "Factor of a drop",
    "limit_train": "Training images at most",
    "limit_test": "Test images at most",
    "subset_seed": "Seed of the images",
    "val_fraction": "Validation share",
    "score_fraction": "Scoring share",
    "score_batch_size": "Scoring batch size",
    "split": "Share drawn as test images",
    "image_size": "Image side, pixels",
    "crop_padding": "Crop padding, pixels",
    "flip": "Horizontal flips",
    "restore_best": "Carry on with the best weights",
    "optimizer_state": "Momentum between megabatches",
    "beta2": "Beta 2",
    "order": "Order of the stream",
    "prunable": "Prunable layers",
    "init": "Initial weights",
    "weights": "File of weights to begin with",
    "replay": "Earlier data seen again",
    "replay_fraction": "Share that stays in memory",
    "buffer_size": "Images in the buffer",
    "classes_per_megabatch": "New classes per megabatch",
    "class_order": "Order of the classes",
    "budget": "Images per megabatch at most",
    "shots": "Images of each class (few-shot)",
    "semantics": "APP as defined by",
    "exempt": "Layers that are not pruned",
    "densities": "Densities of layers at the end",
    "batch_size": "Batch size",
    "reinit": "Fresh weights at each megabatch",
    "patience": "Stop after epochs without progress",
    "schedule": "Way down to the final sparsity",
    "precision": "Arithmetic",
    "device": "Computes on",
    # parameters of plug-ins
    "batches": "Scoring images",
    "accept_gap": "Grows from this far behind",
    "control": "The last training starts from",
    "growth": "The ticket grows",
    "most_density": "A search goes on down to density",
    "rate": "Removed in each round, share",
    "rewind_epoch": "Rewind to epoch",
    "rewind_step": "Rewind to step",
    "rounds": "Rounds of scoring",
    "search_steps": "Steps of a search at most",
    "stop_gap": "A search ends this far behind",
    "tune_lr": "Learning rate between two cuts, share",
    "tune_share": "Epochs between two cuts, share",
}
VALUE_LABELS = {
    "replay": {
        "full": "all earlier data",
        "none": "none",
        "one": "the previous one",
        "buffer": "a fixed buffer",
        "fraction": "a fading share",
    },
    "scope": {"global": "whole network", "layer": "each layer alike", "erk": "ERK shares", "flops": "whole network, by FLOPs"},
    "granularity": {
        "weight": "single weights",
        "kernel": "kernels",
        "filter": "filters",
        "channel": "input channels",
        "2:4": "2 of every 4",
        "4x4": "blocks of 4 x 4",
    },
    "semantics": {"paper": "paper (exact)", "released-code": "released code (its defects)"},
    "init": {"kaiming-fan-out": "Kaiming, fan-out", "kaiming-fan-in": "Kaiming, fan-in", "torch": "torch's default"},
    "control": {"none": "the rewound weights", "reinit": "fresh weights (control)"},
    "batches": {"all": "all", "one": "one batch"},
    "optimizer": {"sgd": "SGD with momentum", "nesterov": "SGD, Nesterov momentum", "adamw": "AdamW"},
    "lr_schedule": {"steps": "drops", "cosine": "cosine", "one-cycle": "one cycle"},
    "device": {"auto": "auto", "cpu": "CPU", "cuda": "GPU"},
}


def label_of_words(name: str, *, of_weights: bool = True) -> str:
    """The display name of a setting beside its `value_words`: tau is shown as the sparsity that it leads to, `of_weights` (see
    quotas.counts_weights)."""
    return "Final sparsity" if name == "tau" and of_weights else label(name)


def value_words(name: str, text: str, *, of_weights: bool = True) -> str:
    """The display name of a setting's value, given as text: 4.5 of tau is 63.36 % (tau 4.5), where it leads to a share of weights."""
    if name == "tau" and of_weights:
        with suppress(ValueError):
            return f"{sparsity.text(sparsity.of_tau(float(text)))} (tau {text})"
    return VALUE_LABELS.get(name, {}).get(text, display(text))


def label(name: str) -> str:
    """A setting's display name."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def shown(name: str, value: Any) -> str:
    """A setting's value for display."""
    return value_words(name, value) if isinstance(value, str) else display(value)
