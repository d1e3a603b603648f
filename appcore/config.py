"""RunConfig: all settings that determine a run, validated when it is built. Imports no torch, so a form never starts CUDA."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from . import files, paths, plugins, quotas
from .errors import InputError
from .quotas import WEIGHT

# What an optimizer takes for fields left out: those whose usual values lie far from SGD's. Here torch's defaults, and those of the paper.
OPTIMIZER_RECIPES: dict[str, dict[str, Any]] = {"adamw": {"lr": 1e-3, "weight_decay": 1e-2}}
_WEIGHTS = re.compile(r"(?P<path>.+\.safetensors)(?:@(?P<digest>[0-9a-f]{32}))?", re.DOTALL)
PLUGIN_FIELDS = {"arch": "models", "dataset": "datasets", "method": "methods", "pruner": "pruners", "schedule": "schedules"}


def _setting(default: Any, help: str, group: str, **limits: Any) -> Any:
    return Field(
        default, description=help, json_schema_extra={"group": group}, allow_inf_nan=False if isinstance(default, float) else None, **limits
    )


class RunConfig(BaseModel):
    """All settings that determine a run. Fields left out take the recipe of the optimizer, then (RECIPE literal) of the method, then of the
    data set, then the defaults below, which are the recipe of the released APP code for CIFAR (arXiv 2204.01640; see docs), but for the
    initial weights of the small ResNets, which it draws by fan-in. Fractions are in [0, 1].
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    arch: str = _setting(
        "resnet20", "Network architecture; torchvision:NAME takes one of torchvision, file:PATH.py:FUNCTION one of your own", "Network"
    )
    dataset: str = _setting(
        "digits",
        "Data set; images:PATH takes a folder or zip laid out as train/CLASS/* and test/CLASS/* (or see split), .npz or .parquet",
        "Data",
    )
    method: str = _setting("app", "What happens over the stream: when the network is pruned, and how far", "Pruning")
    pruner: str = _setting("snip", "Criterion that ranks the weights", "Pruning")
    schedule: str = _setting("exponential", "How the density falls from megabatch to megabatch", "Pruning")
    megabatches: int = _setting(8, "Stream length T: equal parts that arrive one after another", "Stream", ge=1, le=1000)
    epochs: int = _setting(50, "Epochs of training per megabatch", "Training", ge=1, le=10_000)
    tau: float = _setting(4.5, "Final density is 0.8 ** tau (4.5: 0.366)", "Pruning", ge=0.0, le=60.0)
    replay: Literal["full", "none", "one", "buffer", "fraction"] = _setting(
        "full", "Earlier data seen again: all of it, none, the previous megabatch, a buffer of fixed size, or a fading fraction", "Stream"
    )
    buffer_size: int = _setting(1000, "Images kept for replay=buffer", "Stream", ge=1, le=10_000_000)
    replay_fraction: float = _setting(
        0.5, "Share of the earlier data that each new megabatch leaves in memory, for replay=fraction (ALMA; 1: full, 0: none)", "Stream",
        ge=0.0, le=1.0,
    )  # fmt: skip
    classes_per_megabatch: int = _setting(
        0, "Class-incremental stream: each megabatch brings all images of N new classes (0: some of every class)", "Stream",
        ge=0, le=100_000,
    )  # fmt: skip
    class_order: tuple[str, ...] = _setting(
        (), "Order in which classes come, by name or number, e.g. 3,1,0,2 (none: drawn by the seed, or with order native as stored)",
        "Stream",
    )  # fmt: skip
    budget: int = _setting(
        0, "At most N training images per megabatch and pass over its epochs, so that long streams cost linearly (0: no limit)", "Stream",
        ge=0, le=10**12,
    )  # fmt: skip
    shots: int = _setting(0, "Few-shot: N training images of each class in the whole stream (0: all)", "Data", ge=0, le=10_000_000)
    scope: Literal["global", "layer", "erk", "flops"] = _setting(
        "global",
        "Compare scores over the whole network, keep the same share of each layer, or Erdos-Renyi-kernel shares; flops: over the whole "
        "network, and densities are shares of its FLOPs that are left",
        "Pruning",
    )
    densities: tuple[str, ...] = _setting(
        (),
        "Densities of layers at the end, e.g. conv1=0.5,fc=0.1, reached at the pace of the schedule; layers left out stay dense (none: by "
        "scope)",
        "Pruning",
    )
    granularity: str = _setting(
        WEIGHT,
        "What is removed as one, ranked by the sum of its scores: weight, kernel, filter, channel, a block such as 4x4 (outputs x inputs), "
        "or N:M such as 2:4 (at most 2 of every 4 inputs stay)",
        "Pruning",
    )
    semantics: Literal["paper", "released-code"] = _setting(
        "paper", "paper: live weights, nested masks, exact density; released-code: the published code's two defects, on purpose", "Pruning"
    )
    prunable: Literal["auto", "conv", "hidden", "all"] = _setting(
        "auto", "Layers that may be pruned; auto: convolutions, or every layer where there are fewer than two of them", "Pruning"
    )
    exempt: tuple[str, ...] = _setting((), "Layers that are not pruned, by name, e.g. conv1,fc", "Pruning")
    init: Literal["kaiming-fan-out", "kaiming-fan-in", "torch"] = _setting(
        "kaiming-fan-out",
        "Initial weights: normal by fan-out (linear layers as torch), normal by fan-in for all layers, or torch's default", "Network",
    )  # fmt: skip
    weights: str = _setting(
        "", "Safetensors file that training begins with; what it lacks is drawn by the seed (none: everything is)", "Network"
    )
    seed: int = _setting(0, "Seed of initial weights, data order, augmentation and scoring batches", "Network", ge=0, le=2**31 - 1)
    batch_size: int = _setting(64, "Images per training step", "Training", ge=1, le=65_536)
    optimizer: Literal["sgd", "nesterov", "adamw"] = _setting(
        "sgd", "SGD with momentum, the same with Nesterov's, or AdamW (with weight decay 0: Adam)", "Training"
    )
    lr: float = _setting(
        0.1, "Learning rate at the start of each megabatch, or where it rises first, at its top (AdamW: 0.001 unless given)", "Training",
        gt=0.0, le=100.0,
    )  # fmt: skip
    momentum: float = _setting(0.9, "Momentum of SGD; beta1 of AdamW", "Training", ge=0.0, lt=1.0)
    beta2: float = _setting(0.999, "Decay of AdamW's mean of squared gradients", "Training", gt=0.0, lt=1.0)
    weight_decay: float = _setting(
        1e-4, "Weight decay: added to the gradients (L2) by SGD, taken off the weights by AdamW, there 0.01 unless given", "Training",
        ge=0.0, le=10.0,
    )  # fmt: skip
    label_smoothing: float = _setting(
        0.0, "Share of each training target that is spread over all classes; the train loss includes it, scores and other losses do not",
        "Training", ge=0.0, lt=1.0,
    )  # fmt: skip
    lr_schedule: Literal["steps", "cosine", "one-cycle"] = _setting(
        "steps",
        "The learning rate over each megabatch: drops, half a cosine down to 0, or up from lr / 25 and down to nearly 0",
        "Training",
    )
    lr_warmup: float = _setting(
        0.0, "Share of each megabatch over which the learning rate rises evenly to lr, step by step (0: none)", "Training", ge=0.0, lt=1.0
    )
    lr_drops: tuple[float, ...] = _setting((0.4, 0.8), "Fractions of a megabatch's epochs at which the learning rate drops", "Training")
    lr_gamma: float = _setting(0.1, "Factor of each drop", "Training", gt=0.0, le=1.0)
    restore_best: bool = _setting(True, "Carry on with the weights of the best validation accuracy of the megabatch", "Training")
    optimizer_state: Literal["carry", "reset", "restore"] = _setting(
        "carry", "Momentum at the next megabatch: carried over, zeroed, or taken from the restored best epoch", "Training"
    )
    reinit: bool = _setting(
        False, "Train from scratch: fresh initial values at each new megabatch, masks kept (separates warm-start from pruning)", "Training"
    )
    patience: int = _setting(
        0, "Stop a megabatch after N epochs without a better validation accuracy (0: never; ALMA: 25)", "Training", ge=0, le=10_000
    )
    val_fraction: float = _setting(0.1, "Share of each megabatch held out for validation", "Stream", gt=0.0, lt=1.0)
    order: Literal["shuffled", "native"] = _setting("shuffled", "Order of the stream: one seeded permutation, or as stored", "Stream")
    score_fraction: float = _setting(0.2, "Scoring set as a share of the megabatch", "Pruning", gt=0.0, le=1.0)
    score_batch_size: int = _setting(100, "Images per scoring batch", "Pruning", ge=1, le=65_536)
    crop_padding: int = _setting(4, "Random crops: zero padding in pixels (0: none)", "Data", ge=0, le=64)
    flip: bool = _setting(True, "Random horizontal flips", "Data")
    image_size: int = _setting(
        0, "Side in pixels that images are brought to (images:PATH, restricted-imagenet; 0: see there)", "Data", ge=0, le=512
    )
    split: float = _setting(
        0.0, "Share of each class drawn as test images, where images:PATH has no test/ folder; equal for every seed (0: none)", "Data",
        ge=0.0, lt=1.0,
    )  # fmt: skip
    limit_train: int = _setting(0, "Use at most N training images (0: all)", "Data", ge=0, le=100_000_000)
    limit_test: int = _setting(0, "Use at most N test images (0: all)", "Data", ge=0, le=100_000_000)
    subset_seed: int = _setting(
        -1, "Seed of the images that limit_train, limit_test and shots leave (-1: the run's own; else the same for all)", "Data",
        ge=-1, le=2**31 - 1,
    )  # fmt: skip
    device: Literal["auto", "cpu", "cuda"] = _setting("auto", "Where to compute; auto: the GPU when there is one", "Machine")
    precision: Literal["auto", "fp32", "bf16"] = _setting("auto", "Arithmetic of forward and backward", "Machine")
    options: dict[str, float | int | bool | str] = _setting({}, "Parameters of the chosen plug-ins, by name", "Pruning")

    @model_validator(mode="before")
    @classmethod
    def _fill_recipe(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        name = data.get("dataset", cls.model_fields["dataset"].default)
        method = data.get("method", cls.model_fields["method"].default)
        try:
            recipes = [plugins.find(kind, chosen).literal("RECIPE") for kind, chosen in (("datasets", name), ("methods", method))]
        except (ValueError, AttributeError, TypeError):
            return data  # the field's own check names the bad value
        merged = {**recipes[0], **recipes[1], **data}
        chosen = merged.get("optimizer", cls.model_fields["optimizer"].default)
        return {**merged, **OPTIMIZER_RECIPES.get(chosen if isinstance(chosen, str) else "", {}), **data}

    @field_validator("*", mode="before")
    @classmethod
    def _is_storable(cls, value: Any) -> Any:
        """Refuse text that a store cannot keep as it is, such as a path with bytes that are not UTF-8: the run would not find it again."""
        texts = [value, *value, *value.values()] if isinstance(value, dict) else [value] if isinstance(value, str) else value
        for text in texts if isinstance(texts, (list, tuple, set)) else ():
            if isinstance(text, str) and ("\0" in text or not is_unicode(text)):
                raise ValueError(f"{text!r} has characters that are not Unicode, or zero bytes; rename it, or choose another")
        return value

    @field_validator(*PLUGIN_FIELDS)
    @classmethod
    def _is_known(cls, value: str, info: Any) -> str:
        plugins.find(PLUGIN_FIELDS[info.field_name], value)
        return value

    @field_validator("granularity")
    @classmethod
    def _is_granularity(cls, value: str) -> str:
        quotas.check_granularity(value)
        return value

    @field_validator("weights")
    @classmethod
    def _is_file_of_weights(cls, value: str) -> str:
        if value and not _WEIGHTS.fullmatch(value):
            raise ValueError(
                f"{value!r} is no safetensors file; give the path of one, such as start.safetensors (safetensors.torch.save_file writes "
                "it; files of torch.save are pickles, which are never read)"
            )
        return value

    @field_validator("lr_drops")
    @classmethod
    def _are_fractions(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0.0 < fraction < 1.0 for fraction in value):
            raise ValueError("each fraction must lie between 0 and 1, e.g. 0.4,0.8")
        return tuple(sorted(value))

    @field_validator("exempt", mode="before")
    @classmethod
    def _are_names(cls, value: Any) -> Any:
        """Split "conv1, fc" from a form or command line, and sort, so that equal sets of names are equal settings."""
        names = value.split(",") if isinstance(value, str) else value
        if isinstance(names, (list, tuple, set)) and all(isinstance(name, str) for name in names):
            return tuple(sorted({name.strip() for name in names} - {""}))
        return value

    @field_validator("densities", mode="before")
    @classmethod
    def _are_densities(cls, value: Any) -> Any:
        """Take a mapping, or "conv1=0.5, fc=0.1" from a form or command line; sorted, so that equal densities are equal settings."""
        if not isinstance(value, (str, Mapping, list, tuple)):
            return value
        return tuple(f"{name}={density!r}" for name, density in quotas.by_layer(value).items())

    @field_validator("class_order", mode="before")
    @classmethod
    def _are_classes(cls, value: Any) -> Any:
        """Split "3, 1, 0" from a form or command line; numbers are names."""
        names = value.split(",") if isinstance(value, str) else value
        if isinstance(names, (list, tuple)) and all(isinstance(name, (str, int)) and not isinstance(name, bool) for name in names):
            return tuple(name for name in (str(name).strip() for name in names) if name)
        return value

    @model_validator(mode="after")
    def _combinations_make_sense(self) -> RunConfig:
        if self.semantics == "released-code" and self.method != "app":
            raise ValueError(
                f"semantics: released-code is a way of running app, and the method is {self.method}; choose paper, or method app"
            )
        if self.granularity != WEIGHT and plugins.declares("methods", self.method, "MOVES_WEIGHTS"):
            raise ValueError(
                f"granularity: {self.method} chooses single weights by itself; choose weight, or another method than {self.method}"
            )
        if self.densities and self.scope == quotas.FLOPS:
            raise ValueError("densities: scope flops chooses how much each layer keeps; leave these out, or choose scope global")
        if self.densities and 0.8**self.tau >= 1:
            raise ValueError(f"tau: {self.tau:g} prunes nothing, so densities of layers are never reached; choose more, such as 4.5")
        if self.optimizer == "nesterov" and not self.momentum:
            raise ValueError("momentum: nesterov needs one above 0, e.g. 0.9; choose that, or optimizer sgd")
        if self.lr_schedule == "one-cycle" and self.lr_warmup:
            raise ValueError("lr_warmup: one-cycle rises by itself; set it to 0, or choose cosine")
        if self.shots and self.limit_train:
            raise ValueError(
                f"shots: {self.shots} per class and limit_train {self.limit_train} contradict each other; set one of them to 0"
            )
        if self.split and not plugins.declares("datasets", self.dataset, "TAKES_SPLIT"):
            raise ValueError(f"split: {self.dataset} has test images of its own; set it to 0")
        if self.class_order and not self.classes_per_megabatch:
            raise ValueError("class_order: it has an effect with classes_per_megabatch only; set that, or leave the order empty")
        if self.budget and self.budget < 2 * self.epochs:
            raise ValueError(f"budget: {self.budget} images are fewer than two for each epoch; choose at least {2 * self.epochs}")
        return self

    @model_validator(mode="after")
    def _options_belong(self) -> RunConfig:
        known: dict[str, dict] = {}
        for field, kind in PLUGIN_FIELDS.items():
            known.update(plugins.find(kind, getattr(self, field)).options)
        for name, value in self.options.items():
            if name not in known:
                raise ValueError(f"options: {name!r} belongs to none of the chosen plug-ins; known: {', '.join(sorted(known)) or 'none'}")
            check_option(name, value, known[name])
        return self

    def anchored(self) -> RunConfig:
        """The same settings with paths in them made absolute, so that a run goes on from whichever folder it is resumed in, and a file of
        weights told by its content."""
        return self.model_copy(update={"dataset": anchored(self.dataset), "weights": anchored_weights(self.weights)})

    def option(self, field: str, name: str) -> Any:
        """A plug-in parameter, or its default: config.option("pruner", "rounds")."""
        return self.options.get(name, plugins.find(PLUGIN_FIELDS[field], getattr(self, field)).options[name]["default"])

    @property
    def counts_weights(self) -> bool:
        """Whether a density of the schedule is the share of all weights that is kept: not where a pruner cuts each layer to a density of
        its own, or counts FLOPs."""
        return quotas.counts_weights({"scope": self.scope, "densities": self.densities}) or not plugins.has_pruner(self.method)

    @property
    def is_subset(self) -> bool:
        """Whether only part of the images is used, drawn by `images_seed`."""
        return _is_subset(self.__dict__)

    @property
    def images_seed(self) -> int:
        """The seed by which that part is drawn."""
        return self.seed if self.subset_seed < 0 else self.subset_seed

    @property
    def fingerprint(self) -> str:
        """12 hex digits over every setting that differs from its first default, the device left out: equal for equal experiments.

        Images count by the seed that draws them, and parameters whose default has changed (`was`) by what they are.
        """
        defaults = {name: field.default for name, field in type(self).model_fields.items()} | {"subset_seed": 0}
        values = self.model_dump(mode="python", exclude={"device"})
        values |= {"subset_seed": self.images_seed if self.is_subset else 0, "options": self._first_options()}
        changed = {name: value for name, value in values.items() if value != defaults[name]}
        return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:12]

    def _first_options(self) -> dict[str, Any]:
        found: dict[str, Any] = dict(self.options)
        for name, option in _changed_options(self.__dict__).items():
            value = found.pop(name, option["default"])
            found |= {name: value} if value != option["was"] else {}
        return found


def anchored(dataset: str) -> str:
    """The name of a data set, with the path that completes it made absolute."""
    head, _, path = dataset.partition(":")
    return f"{head}:{paths.absolute(path)}" if plugins.declares("datasets", dataset, "TAKES_PATH") else dataset


def file_of_weights(weights: str) -> tuple[Path, str]:
    """The path of the file that a run begins with, and the digest of its content; empty where a user has named the path alone."""
    found = _WEIGHTS.fullmatch(weights)
    if found is None:
        raise InputError(f"weights: {weights!r} is no safetensors file; give the path of one", "weights")
    return Path(paths.absolute(found["path"])), found["digest"] or ""


def anchored_weights(weights: str) -> str:
    """The same file with its path made absolute and the digest of its content, `PATH@DIGEST`. InputError for a file that is not there."""
    if not weights:
        return weights
    path, digest = file_of_weights(weights)
    return f"{path}@{digest or files.digest_of(path, 'weights')[:32]}"


def check_option(name: str, value: Any, option: dict[str, Any]) -> None:
    """ValueError unless this is a possible value of a plug-in's parameter."""
    wanted = type(option["default"])
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (isinstance(value, wanted) or (wanted is float and number)) or (wanted is not bool and isinstance(value, bool)):
        raise ValueError(f"options: {name} = {value!r} must be of type {wanted.__name__}, e.g. {option['default']!r}")
    if number and not option.get("ge", value) <= value <= option.get("le", value):
        raise ValueError(f"options: {name} = {value!r} must lie between {option.get('ge')} and {option.get('le')}")
    if "in" in option and value not in option["in"]:
        raise ValueError(f"options: {name} = {value!r} must be one of {', '.join(map(str, option['in']))}")


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8; file names and arguments with other bytes cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def group(name: str) -> str:
    """The heading under which the form and the command line list a field."""
    about = RunConfig.model_fields[name].json_schema_extra
    return str(about["group"]) if isinstance(about, dict) else ""


def build(values: dict[str, Any]) -> RunConfig:
    """RunConfig(**values) with the first problem as an InputError of one line that names field, value and remedy."""
    try:
        return RunConfig(**values)
    except ValidationError as error:
        problem = problems(error)[0]
        raise InputError(problem.message, problem.field) from None


def completed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as an earlier version recorded them, in JSON's types; those that came later at the defaults by which its runs ran."""
    known = as_then(values)
    later = {name: field.default for name, field in RunConfig.model_fields.items() if name not in known}
    return {**known, **json.loads(json.dumps(later))}


def as_then(values: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings with what they meant: those without `subset_seed` are older than it, when seed 0 drew the images of every run and
    parameters that have a `was` had it as their default."""
    if "subset_seed" in values:
        return dict(values)
    found, options = {**values, "subset_seed": 0 if _is_subset(values) else -1}, values.get("options", {})
    if isinstance(options, dict) and (changed := _changed_options(values)):
        found["options"] = {name: option["was"] for name, option in changed.items()} | options
    return found


def _is_subset(values: Mapping[str, Any]) -> bool:
    return any(values.get(name) for name in ("limit_train", "limit_test", "shots"))


def _changed_options(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters of the chosen plug-ins whose default is another one than it was."""
    found: dict[str, dict[str, Any]] = {}
    for field, kind in PLUGIN_FIELDS.items():
        choice = plugins.choices(kind).get(str(values.get(field)))
        found |= {name: option for name, option in (choice.options if choice else {}).items() if "was" in option}
    return found


def problems(error: ValidationError) -> list[InputError]:
    """Every problem of a pydantic error in plain words, for the form that shows each at its field."""
    found = []
    for item in error.errors():
        field = str(item["loc"][0]) if item["loc"] else ""
        text = item["msg"].removeprefix("Value error, ")
        if not field and text.partition(":")[0] in RunConfig.model_fields:  # a conflict of several settings, which names its field itself
            field, _, text = text.partition(": ")
        if item["type"] == "extra_forbidden":
            text = f"unknown setting; known settings: {', '.join(RunConfig.model_fields)}"
        elif field and item["type"] != "value_error":
            text = f"{item['input']!r} is not possible: {text[0].lower()}{text[1:]}"
        found.append(InputError(f"{field}: {text}" if field else text, field))
    return found
