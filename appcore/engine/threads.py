"""CPU threads for torch: the training thread uses several where its steps are large enough, every other thread of the process one.

Each thread that computes with several gets a team of OpenMP workers of its own. Once the teams of a process together are more than the
cores, libgomp lets none of them spin any longer, and each of the thousands of barriers of a training step becomes a sleep: 1.4 times the
time on two cores, from one `torch.randperm` of 50,000 in another thread on. Modules that compute with torch import this one, so that
importing any of them is enough.
"""

from __future__ import annotations

import os
import threading

import torch

from ..errors import InputError

THREADS_VARIABLE = "APPCORE_THREADS"
_MOST_THREADS = 1024


def _all_threads() -> int:
    """What the variable says, else what torch found. Kept in the environment: it outlives a reload of this file, when torch is set to one
    thread, and worker processes inherit it."""
    text = os.environ.get(THREADS_VARIABLE) or str(torch.get_num_threads())
    if not (text.isdecimal() and len(text) < 5 and 1 <= int(text) <= _MOST_THREADS):
        raise InputError(f"{THREADS_VARIABLE}: {text!r} is no number of threads; set it to 1 to {_MOST_THREADS}, or unset it", "threads")
    os.environ[THREADS_VARIABLE] = text
    return int(text)


ALL_THREADS = _all_threads()
SMALL_STEP_FLOPS = 2e9  # below, a second thread gains nothing and, on a machine with anything else to do, costs a factor of ten

_SMALL_GPU_STEP_FLOPS, _SMALL_SHARE = 5e10, 0.25  # a GPU does these in about a millisecond, and waits for the launches of kernels between


def threads_for(step_flops: float, device: str = "cpu") -> int:
    """CPU threads for training steps of this size. A rule of the run's settings alone, since it decides the last bits."""
    return 1 if device != "cpu" or step_flops < SMALL_STEP_FLOPS else ALL_THREADS


def share_of_gpu(step_flops: float) -> float:
    """The share of a GPU that training steps of this size fill, so how many runs may share one. It changes no bits."""
    return _SMALL_SHARE if step_flops < _SMALL_GPU_STEP_FLOPS else 1.0


def use_threads(count: int) -> None:
    """Let torch compute with this many threads from here on, in the calling thread and in no other."""
    if torch.get_num_threads() != count:  # asking also makes torch take its default over for this thread, which it would do later else
        torch.set_num_threads(count)
        if count > 1:
            # What was set holds for this thread, and as the default of all threads that have not computed yet. The default is set back
            # from a thread that ends at once.
            keeper = threading.Thread(target=use_threads, args=(1,), name="appcore-threads")
            keeper.start()
            keeper.join()


use_threads(1)
