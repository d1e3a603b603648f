"""RunState: everything that changes during a run. What a resume needs is in `snapshot`; the rest follows from the configuration."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..config import RunConfig
from ..events import LayerDensity
from ..masks import selection
from ..masks.alive import alive_masks
from ..masks.reads import Asking, together
from ..models import base as models
from ..models import start_weights
from ..planning.plan import plan
from ..quotas import FLOPS, Costs, by_layer, fitted, on_the_way
from . import compute, digests, flops, memory, memory_formats, no_compiler, optimizers, weights
from .folding import Folded
from .steps import dtype_for
from .stream import Stream, load_data, pick_device
from .threads import threads_for, use_threads

OTHER_REDRAW = (
    "this run was begun by an earlier version, whose prune points of released-code scored weights drawn from another distribution than "
    "torch's default: those from here on end at other densities; start it again to compare it with new runs"
)
Changes = tuple[tuple[int, int], ...]  # by which changed masks are known
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_FACTS = (
    "cursor",
    "samples_seen",
    "cer",
    "order_hash",
    "density_requested",
    "flops_dense",
    "flops_sparse",
    "phase_seconds",
    "megabatch_seconds",
    "stale_epochs",
    "top_val_accuracy",
    "numbers",
)
_LATER = ("other_flops", "cumulative_parameters")  # facts that checkpoints of earlier versions lack: of such a run they stay unknown


@dataclass
class Best:
    """The best epoch of the megabatch, which training continues from: accuracies, weights, masks, momentum (empty when not kept)."""

    epoch: int
    train_accuracy: float
    val_accuracy: float
    weights: dict[str, Tensor] = field(default_factory=dict)
    momentum: dict[str, Tensor] = field(default_factory=dict)
    masks: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class RunState:
    """A run between two events. Build with `create` or `restore`; `cursor` is the next segment of the plan."""

    config: RunConfig
    device: torch.device
    dtype: torch.dtype
    stream: Stream
    model: nn.Module
    optimizer: torch.optim.Optimizer
    masks: dict[str, Tensor]
    flops: flops.Flops
    init_hash: str
    cursor: int = 0
    samples_seen: int = 0
    cer: int = 0
    order_hash: str = ""
    density_requested: float = 1.0
    best: Best | None = None
    flops_dense: int = 0
    flops_sparse: int = 0
    other_flops: dict[str, int] | None = field(default_factory=compute.none)  # beside training
    cumulative_parameters: int | None = 0  # kept at the end of each megabatch, summed over them
    phase_seconds: dict[str, float] = field(default_factory=dict)
    megabatch_seconds: float = 0.0
    stale_epochs: int = 0  # epochs without a better validation accuracy, for patience
    top_val_accuracy: float = -1.0
    notes: tuple[str, ...] = ()  # remarks for users, beside those of the data
    extra: dict[str, Tensor] = field(default_factory=dict)  # a method's own, as "group/name of a weight or buffer"
    numbers: dict[str, float] = field(default_factory=dict)  # a method's own, by name
    _folded: Folded | None = None
    _kept: tuple[Changes, dict[str, int]] | None = None
    _layers: tuple[Changes, tuple[LayerDensity, ...]] | None = None

    @classmethod
    def create(cls, config: RunConfig) -> RunState:
        """The state before the first segment. InputError for a missing device or unusable data."""
        device = pick_device(config.device)
        _make_deterministic(device)
        memory.keep_freed()
        memory.give_back()  # what earlier runs left does not count as this one's
        memory.forget_peak(device)
        data = load_data(config, device)
        model = models.create(config.arch, data.shape, len(data.classes), config.seed, config.init)
        notes = (start_weights.put(model, config.weights),) if config.weights else ()
        init_hash = digests.digest(model.state_dict())
        cost = flops.count(config.arch, data.shape, len(data.classes))
        dtype = dtype_for(config.precision, device, cost.training * config.batch_size)
        model = memory_formats.arrange(model, cost, dtype, device)
        names = selection.prunable_names(model, config.prunable, config.exempt)
        return cls(
            config=config,
            device=device,
            dtype=dtype,
            stream=Stream(config, data),
            model=model,
            optimizer=optimizers.create(config, model),
            masks=selection.full_masks(model, names),
            flops=cost,
            init_hash=init_hash,
            notes=notes,
        )

    @classmethod
    def restore(cls, config: RunConfig, tensors: dict[str, Tensor], facts: dict[str, Any]) -> RunState:
        """The state that `snapshot` described."""
        state = cls.create(config)
        groups: dict[str, dict[str, Tensor]] = {}
        for path, tensor in tensors.items():
            group, _, name = path.partition("/")
            groups.setdefault(group, {})[name] = tensor
        weights.put_back(state.model, groups["model"])
        with torch.no_grad():
            for name, mask in state.masks.items():
                mask.copy_(groups["masks"][name])
        state.set_momentum(groups.get("momentum", {}))
        shapes = state.model.state_dict()
        for path, tensor in ((path.partition("/")[2], tensor) for path, tensor in tensors.items() if path.startswith("extra/")):
            # The memory format of the weight that it belongs to, for the same reason as in set_momentum.
            state.extra[path] = torch.empty_like(shapes[path.partition("/")[2]], dtype=tensor.dtype).copy_(tensor)
        state.dtype = _DTYPES[facts.get("precision", state.precision)]  # a run keeps its arithmetic wherever it goes on
        for name in _FACTS:
            setattr(state, name, copy.copy(facts.get(name, getattr(state, name))))
        for name in _LATER:
            setattr(state, name, copy.copy(facts.get(name)))
        if _LATER[0] not in facts and config.semantics == "released-code":
            state.notes = (*state.notes, OTHER_REDRAW)
        if facts["best"]:
            on_device: dict[str, Any] = {
                key: {name: tensor.to(state.device) for name, tensor in groups.get(f"best-{key}", {}).items()}
                for key in ("weights", "momentum", "masks")
            }
            state.best = Best(**facts["best"], **on_device)
        return state

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that a resume needs: contiguous CPU tensors, and plain facts. Valid between segments."""
        groups = {
            "model": self.model.state_dict(),
            "masks": self.masks,
            "momentum": self.momentum(),
            "best-weights": self.best.weights if self.best else {},
            "best-momentum": self.best.momentum if self.best else {},
            "best-masks": self.best.masks if self.best else {},
            "extra": self.extra,
        }
        tensors = {
            f"{group}/{name}": tensor.detach().to("cpu", copy=True).contiguous()
            for group, named in groups.items()
            for name, tensor in named.items()
        }
        best = self.best and {"epoch": self.best.epoch, "train_accuracy": self.best.train_accuracy, "val_accuracy": self.best.val_accuracy}
        facts = {name: copy.copy(getattr(self, name)) for name in (*_FACTS, *_LATER)} | {"best": best or None, "precision": self.precision}
        return tensors, facts

    def momentum(self) -> dict[str, Tensor]:
        """What the optimizer remembers: momentum by parameter name, AdamW's by "parameter/slot"; empty before the first step."""
        return optimizers.remembered(self.optimizer, self.model)

    def set_momentum(self, values: dict[str, Tensor]) -> None:
        """Replace what the optimizer remembers; parameters that are not named lose theirs."""
        optimizers.remember(self.optimizer, self.model, values)

    def pruned(self) -> list[tuple[Tensor, Tensor]]:
        """Each masked weight with its mask in the weight's dtype; empty when nothing is pruned."""
        if self.density() == 1.0:
            return []
        parameters = dict(self.model.named_parameters())
        return [(parameters[name], mask.to(parameters[name].dtype)) for name, mask in self.masks.items()]

    def folded(self) -> nn.Module:
        """The network as it is now, for evaluation: in evaluation mode, BatchNorm folded into convolutions."""
        self._folded = self._folded or Folded(self.model)
        return self._folded.refresh()

    def descend(self) -> None:
        """One step of the optimizer along the present gradients."""
        no_compiler.step(self.optimizer)

    def apply_masks(self) -> None:
        """Set pruned weights to exactly 0."""
        selection.apply(self.model, self.masks)

    def set_masks(self, new: dict[str, Tensor]) -> None:
        """Change the masks: removed weights become 0, and those brought back start from 0; neither has momentum."""
        optimizers.forget(self.momentum(), {name: ~(mask & new[name]) for name, mask in self.masks.items()})
        for name, mask in self.masks.items():
            mask.copy_(new[name])
        self.apply_masks()

    def forget_best(self) -> None:
        """Start a new search for the best epoch."""
        self.best, self.stale_epochs, self.top_val_accuracy = None, 0, -1.0

    def keep_weights(self) -> None:
        """Keep a copy of the present weights and buffers for `rewind`."""
        self.keep("kept", weights.taken(self.model))

    def forget_kept(self) -> None:
        """Free the copy that `keep_weights` made."""
        self.keep("kept", {})

    def rewind(self, group: str = "kept") -> None:
        """Return to the kept weights (or those of another group in `extra`), times the present masks, with a fresh optimizer."""
        weights.put_back(self.model, self.kept(group))
        self._start_over()

    def keep(self, group: str, tensors: dict[str, Tensor]) -> None:
        """Remember these tensors, by weight or buffer, as a group in `extra`, in place of those that it held."""
        others = {path: tensor for path, tensor in self.extra.items() if path.partition("/")[0] != group}
        self.extra = others | {f"{group}/{name}": tensor for name, tensor in tensors.items()}

    def kept(self, group: str) -> dict[str, Tensor]:
        """The tensors of a group in `extra`, by weight or buffer."""
        return {path.partition("/")[2]: tensor for path, tensor in self.extra.items() if path.partition("/")[0] == group}

    def carried(self) -> dict[str, Tensor]:
        """Weights and buffers that would be carried on: those of the best epoch where these are restored, else a copy of the present."""
        return self.best.weights if self.best and self.best.weights else weights.taken(self.model)

    def goal(self, density: float) -> float | dict[str, float]:
        """What masks are cut to where the schedule asks for a density: that, or the density of each layer, by weight."""
        if not self.config.densities:
            return density
        end = fitted(by_layer(self.config.densities), list(self.masks))
        return on_the_way(end, density, plan(self.config)[-1].density)

    def costs(self) -> Costs | None:
        """What weights cost, where scores are cut by that."""
        return self.flops.costs({name: mask.numel() for name, mask in self.masks.items()}) if self.config.scope == FLOPS else None

    def reinitialise(self, purpose: str) -> None:
        """Fresh initial values, times the present masks, with a fresh optimizer; `purpose` keys the random draw."""
        models.initialise(self.model, self.config.seed, purpose=purpose, init=self.config.init)
        self._start_over()

    def _start_over(self) -> None:
        self.apply_masks()
        self.set_momentum({})
        self.forget_best()

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Count the time of a block as training time of this run: waiting and the turns of other runs are left out."""
        use_threads(threads_for(self.flops.training * self.config.batch_size, self.device.type))
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self.phase_seconds[phase] = self.phase_seconds.get(phase, 0.0) + spent
        self.megabatch_seconds += spent

    @property
    def precision(self) -> str:
        """The name of the precision that forward and backward compute in."""
        return next(name for name, dtype in _DTYPES.items() if dtype == self.dtype)

    @property
    def seconds(self) -> float:
        return sum(self.phase_seconds.values())

    def _changes(self) -> Changes:
        return tuple((id(mask), mask._version) for mask in self.masks.values())  # torch counts what is written into a tensor

    def kept_by_layer(self) -> dict[str, int]:
        """Weights kept of each prunable layer, in network order; counted once for the same masks."""
        if self._kept is None or self._kept[0] != self._changes():
            self._kept = (self._changes(), selection.count(self.masks))
        return self._kept[1]

    def shares(self) -> dict[str, float]:
        """Fraction kept of each prunable layer."""
        return {name: kept / self.masks[name].numel() for name, kept in self.kept_by_layer().items()}

    def density(self) -> float:
        """Fraction kept, counted from the masks."""
        return sum(self.kept_by_layer().values()) / sum(mask.numel() for mask in self.masks.values())

    def layer_densities(self) -> tuple[LayerDensity, ...]:
        """Kept and alive weights of each prunable layer, in network order; counted once for the same masks."""
        return together(self.asking_layers())[0]

    def asking_layers(self, known: dict[str, Tensor] | None = None) -> Asking[tuple[LayerDensity, ...]]:
        """`layer_densities` as a question beside others (masks/reads.py). `known`: the alive weights."""
        changes = self._changes()
        if known is not None or self._layers is None or self._layers[0] != changes:
            living = known or alive_masks(self.model, self.masks, self.stream.data.shape)
            found = yield [mask.count_nonzero() for mask in (*self.masks.values(), *living.values())]
            kept, alive = (dict(zip(self.masks, half, strict=True)) for half in (found[: len(living)], found[len(living) :]))
            layers = tuple(LayerDensity(name, kept[name], alive[name], mask.numel()) for name, mask in self.masks.items())
            self._kept, self._layers = (changes, kept), (changes, layers)
        return self._layers[1]


def _make_deterministic(device: torch.device) -> None:
    if device.type == "cuda":
        # Process-wide, because torch offers nothing narrower; resume and pairing need the same kernels every time.
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
