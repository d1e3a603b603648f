"""Training and evaluating a network on one batch, with running sums kept on the device. Knows no stream and no plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..masks.reads import read
from . import no_compiler
from .threads import SMALL_STEP_FLOPS

READ_EVERY_SECONDS = 0.5  # how often the loss of an unfinished epoch is read, which lets a GPU run empty; nobody writes it down more often


def dtype_for(precision: str, device: torch.device, step_flops: float) -> torch.dtype:
    """The precision of forward and backward. `auto`: bfloat16 where it was measured to be faster, else fp32.

    That is on CPUs with instructions for it, in steps large enough to pay for the casts; what it costs in accuracy stands in
    benchmarks/precision.md. On GPUs nothing was measured yet. Weights, momentum, sums of scores and statistics are fp32 always, and so are
    second derivatives (GraSP). A rule of the machine kind and the settings alone.
    """
    if precision == "auto":
        is_faster = device.type == "cpu" and step_flops >= SMALL_STEP_FLOPS and has_fast_bf16()
        precision = "bf16" if is_faster else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def has_fast_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; elsewhere it is emulated, and slower than fp32."""
    return bool(_capabilities().get("avx512_bf16")) or has_bf16_tiles()


def has_bf16_tiles() -> bool:
    """Whether this CPU multiplies whole tiles of bfloat16 (AMX)."""
    return bool(_capabilities().get("amx_bf16"))


@cache
def _capabilities() -> dict[str, bool]:
    return getattr(torch.cpu, "get_capabilities", dict)()


@dataclass(frozen=True, eq=False)
class Totals:
    """What an epoch or an evaluation came to."""

    loss: float  # summed over images
    correct: int
    images: int
    hits: Tensor  # [images] bool on the CPU: which are right; empty where they were not kept

    def mean_loss(self) -> float:
        return self.loss / self.images

    def accuracy(self) -> float:
        """Fraction right."""
        return self.correct / self.images

    def errors(self) -> int:
        return self.images - self.correct


@dataclass
class Sums:
    """Running totals of an epoch or an evaluation, on the device."""

    loss: Tensor  # scalar, summed over images
    correct: Tensor
    images: int = 0
    keeps_hits: bool = False
    hits: list[Tensor] = field(default_factory=list)  # for each batch [n] bool: which images are right; where they are kept

    @classmethod
    def zero(cls, device: torch.device, *, keeps_hits: bool = False) -> Sums:
        return cls(
            torch.zeros((), device=device, dtype=torch.float64 if device.type == "cpu" else torch.float32),
            torch.zeros((), device=device, dtype=torch.int64),
            keeps_hits=keeps_hits,
        )

    @torch.no_grad()
    def add(self, logits: Tensor, loss: Tensor, y: Tensor) -> None:
        """Count one batch, given its mean loss."""
        self.loss += loss.detach() * len(y)
        hits = logits.argmax(1) == y
        self.correct += hits.sum()
        self.images += len(y)
        if self.keeps_hits:
            self.hits.append(hits)

    def read(self) -> Totals:
        """Bring them to the host, in one read: it ends when all that is summed up has been computed, and so does the time of a phase."""
        loss, correct, *hits = read([self.loss, self.correct, *self.hits])
        return Totals(loss, correct, self.images, torch.tensor([hit for batch in hits for hit in batch], dtype=torch.bool))


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    pruned: list[tuple[Tensor, Tensor]],
    x: Tensor,
    y: Tensor,
    sums: Sums,
    dtype: torch.dtype,
    label_smoothing: float = 0.0,
) -> None:
    """One step on masked weights. `pruned` pairs each masked weight with its mask in the weight's dtype."""
    with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
        logits = model(x)
        loss = cross_entropy(logits, y, label_smoothing=label_smoothing)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    no_compiler.step(optimizer)
    if pruned:
        # Momentum and weight decay move pruned weights too; here they return to exactly 0 before anything reads them.
        weights, masks = zip(*pruned, strict=True)
        with torch.no_grad():
            torch._foreach_mul_(weights, masks)
    sums.add(logits, loss, y)


@torch.no_grad()
def evaluate_batch(network: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, sums: Sums, dtype: torch.dtype) -> None:
    """Add one batch's loss and errors; `network` gives logits, in evaluation mode."""
    with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
        logits = network(x)
        loss = cross_entropy(logits, y)
    sums.add(logits, loss, y)
