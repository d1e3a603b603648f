"""Why a run ended, in one line that a person understands and can act on. The traceback is kept besides."""

from __future__ import annotations

import errno

_SMALLER = "choose a smaller batch_size or score_batch_size, a smaller arch, or limit_train"


def explain(error: BaseException) -> str:
    """One line: what happened and what to try."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    message = getattr(error, "message", None)
    if isinstance(error, ValueError) and isinstance(message, str):  # an InputError, perhaps of another copy of the module
        return message
    if kind == "OutOfMemoryError" or "CUDA out of memory" in text:
        return f"the GPU ran out of memory: {_SMALLER}, or device cpu; then resume"
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in text or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return f"this machine ran out of memory: {_SMALLER}; then resume"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or 'no space left'}): free some space, then resume"
    if "CUDA error" in text or kind == "AcceleratorError":
        return f"the GPU failed: {text[:200]}; restart the program (launcher process keeps the app out of this), then resume"
    if isinstance(error, (ArithmeticError, ValueError, RuntimeError)) and text and kind in ("FloatingPointError", "ValueError"):
        return text
    return f"{kind}: {text}" if text else kind
