"""Training and evaluating a network on batches: the step of the textbook, sums kept on the device. Knows no stream and no plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

# Kept in the environment: it outlives a reload of this file, when torch may be set to one thread, and worker processes inherit it.
ALL_THREADS = int(os.environ.setdefault("APPCORE_THREADS", str(torch.get_num_threads())))
SMALL_STEP_FLOPS = 2e9  # below, a second thread gains nothing and, on a machine with anything else to do, costs a factor of ten
READ_EVERY_STEPS = 10  # reading a number from a GPU stops it until all queued work is done


def threads_for(step_flops: float) -> int:
    """CPU threads for training steps of this size. A rule of the run's settings alone, since it decides the last bits."""
    return 1 if step_flops < SMALL_STEP_FLOPS else ALL_THREADS


def dtype_for(precision: str, device: torch.device, step_flops: float) -> torch.dtype:
    """What forward and backward compute in. `auto`: bfloat16 where it was measured to be faster, else fp32.

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


def use_threads(count: int) -> None:
    """Let torch compute with this many threads from here on, in the calling thread."""
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


@dataclass
class Sums:
    """Running totals of an epoch or an evaluation; `read` brings them to the host."""

    loss: Tensor  # scalar on the device, summed over images
    correct: Tensor
    images: int = 0

    @classmethod
    def zero(cls, device: torch.device) -> Sums:
        return cls(
            torch.zeros((), device=device, dtype=torch.float64 if device.type == "cpu" else torch.float32),
            torch.zeros((), device=device, dtype=torch.int64),
        )

    @torch.no_grad()
    def add(self, logits: Tensor, loss: Tensor, y: Tensor) -> None:
        """Count one batch, given its mean loss."""
        self.loss += loss.detach() * len(y)
        self.correct += (logits.argmax(1) == y).sum()
        self.images += len(y)

    def mean_loss(self) -> float:
        return float(self.loss) / self.images

    def accuracy(self) -> float:
        """Fraction right."""
        return int(self.correct) / self.images

    def errors(self) -> int:
        return self.images - int(self.correct)


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    pruned: list[tuple[Tensor, Tensor]],
    x: Tensor,
    y: Tensor,
    sums: Sums,
    dtype: torch.dtype,
) -> None:
    """One step of SGD on masked weights. `pruned` pairs each masked weight with its mask in the weight's dtype."""
    with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
        logits = model(x)
        loss = cross_entropy(logits, y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if pruned:
        # Momentum and weight decay move pruned weights too; here they return to exactly 0 before anyone reads them.
        weights, masks = zip(*pruned, strict=True)
        with torch.no_grad():
            torch._foreach_mul_(weights, masks)
    sums.add(logits, loss, y)


@torch.no_grad()
def evaluate_batch(
    model: nn.Module, x: Tensor, y: Tensor, sums: Sums, dtype: torch.dtype, network: Callable[[Tensor], Tensor] | None = None
) -> None:
    """Add one batch's loss and errors in evaluation mode; `network` is used where forward is not simply the model."""
    model.eval()
    with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
        logits = (network or model)(x)
        loss = cross_entropy(logits, y)
    sums.add(logits, loss, y)
