"""Why a run failed or diverged, in one line that a user understands and can act on. The traceback is kept too."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ..config import RunConfig

# Of torch's allocator, and of oneDNN, which says no more than this.
_NO_MEMORY = ("DefaultCPUAllocator", "could not create a primitive", "could not create a memory")
DIVERGED = "the training diverged"
_EXPLODED = 100.0  # times the loss of guessing


def explain(error: BaseException, config: Mapping[str, Any] | None = None, memory: Callable[[], int] | None = None) -> str:
    """One line: what happened and what to try. `config` and `memory` (estimated need, bytes) serve for running out of memory."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    if is_of_user(error):
        return str(error)
    if kind == "OutOfMemoryError" or "CUDA out of memory" in text:
        return _no_room("the GPU", config or {}, memory, "or device cpu")
    is_memory = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    if is_memory or any(sign in text for sign in _NO_MEMORY):
        return _no_room("this machine", config or {}, memory, "or fewer images (limit_train)")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or 'no space left'}): free some space, then resume"
    if "CUDA error" in text or kind == "AcceleratorError":
        return f"the GPU failed: {text[:200]}; restart the program (launcher process keeps the app out of this), then resume"
    if isinstance(error, (ArithmeticError, ValueError, RuntimeError)) and text and kind in ("FloatingPointError", "ValueError"):
        return text
    return f"{kind}: {text}" if text else kind


def settings_named(reason: str) -> list[str]:
    """The settings that the reason of a failure names: the one it begins with, else those that it says to change."""
    head = reason.partition(":")[0].strip()
    if head in RunConfig.model_fields:
        return [head]
    remedies = re.findall(r"\b(?:smaller|with|number of|images \()\W*(\w+)", reason)
    return [name for name in dict.fromkeys(remedies) if name in RunConfig.model_fields]


def is_of_user(error: BaseException) -> bool:
    """Whether it is an InputError, perhaps of another copy of the module: sources may have been loaded anew."""
    return isinstance(error, ValueError) and isinstance(getattr(error, "message", None), str)


def divergence(epoch: Any, classes: int, config: Mapping[str, Any]) -> str:
    """A remark on an EpochDone whose loss has exploded; empty for any other. The run goes on, for it may recover."""
    guessing = math.log(max(classes, 2))  # cross-entropy of equal probabilities
    for name, loss in (("training", epoch.train_loss), ("validation", epoch.val_loss)):
        if not loss <= _EXPLODED * guessing:  # NaN too
            place = f"megabatch {epoch.megabatch + 1}, epoch {epoch.epoch + 1}"
            remedy = f"try a smaller lr than {config['lr']:g}"
            return f"{DIVERGED}: the {name} loss was {loss:.2g} in {place}, where guessing gives {guessing:.2g}; {remedy}"
    return ""


def _no_room(where: str, config: Mapping[str, Any], memory: Callable[[], int] | None, third: str) -> str:
    """What the run needs, and three things to try in a new run, because the settings of a run never change."""
    needs = ""
    with suppress(Exception):  # an error in the estimate must not hide the run's own
        needs = f" (by the estimate this run needs {memory() / 1e9:.1f} GB)" if memory else ""
    name = max(("batch_size", "score_batch_size"), key=lambda name: config.get(name, 0))
    now = [f" (now {config[field]})" if field in config else "" for field in (name, "arch")]
    tries = f"a smaller {name}{now[0]}, a smaller arch{now[1]}, {third}"
    return f"{where} ran out of memory{needs}: start a run with {tries}; or end other programs, then resume"
