"""ONNX files: written by torch's tracing exporter, and run by what is installed here.

ONNX has no adaptive pooling. The images of a network have one size, so it is written as the fixed operation that it is: by windows of one
size where they divide the input, else averages as products with constant matrices and maxima over gathered places.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ..errors import InputError

if TYPE_CHECKING:
    from numpy import ndarray
    from torch import nn

MOST_BYTES = 2**31 - 2**20  # a protobuf ends at 2 GiB, and the graph takes some of it
_INSTEAD = "take the dense weights instead"


def write(model: nn.Module, shape: tuple[int, int, int], path: Path, about: Mapping[str, str]) -> None:
    """Write a network in evaluation mode for any number of images of `shape`; InputError of one line where it cannot be written.

    The tracing exporter needs only the package onnx, the newer one three more for the same file.
    """
    import onnx

    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    if size > MOST_BYTES:
        raise InputError(f"ONNX: one file holds at most 2 GB and these weights take {size / 1e9:.1f} GB; {_INSTEAD}", "format")
    names: dict[str, Any] = {
        "input_names": ["images"],
        "output_names": ["logits"],
        "dynamic_axes": {"images": {0: "n"}, "logits": {0: "n"}},
    }
    try:
        with warnings.catch_warnings(), FixedPooling():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (torch.zeros(2, *shape),), str(path), dynamo=False, **names)
        made = onnx.load(str(path), format="protobuf")
        onnx.checker.check_model(made)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # the exporter raises any kind, with pages of text for those who build exporters
        raise InputError(f"ONNX: torch's exporter cannot write this network{_culprit(error)}; {_INSTEAD}", "format") from error
    onnx.helper.set_model_props(made, dict(about))
    onnx.save(made, str(path), format="protobuf")


def _culprit(error: Exception) -> str:
    """The operation that an exporter's error names, if it does."""
    found = re.search(r"operator '?(?:aten::)?(\w+)", str(error))
    return f" (its operation {found[1]})" if found else ""


def has_runtime() -> bool:
    """Whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


def opened(path: Path) -> Callable[[ndarray], ndarray]:
    """A file as a function from images to logits, computed by onnxruntime with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images})[0]


def run(path: Path, images: ndarray) -> tuple[ndarray, str]:
    """Logits of these images and who computed them: onnxruntime where it is installed, else onnx's own reference, which is slow."""
    if has_runtime():
        return opened(path)(images), "onnxruntime"
    from onnx.reference import ReferenceEvaluator

    outputs: Any = ReferenceEvaluator(str(path)).run(None, {"images": images})
    return outputs[0], "onnx's reference implementation"


class FixedPooling(TorchFunctionMode):
    """Within it, adaptive pooling to more than one place is computed by operations that ONNX has."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if func not in _POOLS:
            return func(*args, **kwargs)
        dimensions, pool, along = _POOLS[func]
        x, wanted = args[0], args[1] if len(args) > 1 else kwargs["output_size"]
        inputs = [int(size) for size in x.shape[-dimensions:]]
        wanted = [wanted] * dimensions if isinstance(wanted, int) else wanted
        outputs = [there if size is None else size for size, there in zip(wanted, inputs, strict=True)]
        if all(size == 1 for size in outputs):
            return func(*args, **kwargs)
        if not any(there % size for size, there in zip(outputs, inputs, strict=True)):
            return pool(x, [there // size for size, there in zip(outputs, inputs, strict=True)])
        return _pooled(x, inputs, outputs, along)


def _pooled(x: Tensor, inputs: Sequence[int], outputs: Sequence[int], along: Any) -> Tensor:
    """Pool along one dimension after another: means of means, or maxima of maxima, over the same windows."""
    for dimension, (there, size) in enumerate(zip(inputs, outputs, strict=True), -len(inputs)):
        windows = [(place * there // size, -(-(place + 1) * there // size)) for place in range(size)]
        x = along(x, dimension, windows)
    return x


def _average(x: Tensor, dimension: int, windows: list[tuple[int, int]]) -> Tensor:
    rows = [[(start <= place < stop) / (stop - start) for start, stop in windows] for place in range(windows[-1][1])]
    shares = torch.tensor(rows, dtype=x.dtype, device=x.device)
    return (x.transpose(dimension, -1) @ shares).transpose(dimension, -1)


def _maximum(x: Tensor, dimension: int, windows: list[tuple[int, int]]) -> Tensor:
    longest = max(stop - start for start, stop in windows)
    places = [min(start + step, stop - 1) for start, stop in windows for step in range(longest)]  # shorter windows end twice
    gathered = x.index_select(dimension, torch.tensor(places, device=x.device))
    return gathered.unflatten(dimension, (len(windows), longest)).amax(dimension)


_POOLS: dict[Any, tuple[int, Any, Any]] = {  # adaptive pooling: dimensions, the same by a fixed window, and along one dimension
    functional.adaptive_avg_pool1d: (1, functional.avg_pool1d, _average),
    functional.adaptive_avg_pool2d: (2, functional.avg_pool2d, _average),
    functional.adaptive_avg_pool3d: (3, functional.avg_pool3d, _average),
    functional.adaptive_max_pool1d: (1, functional.max_pool1d, _maximum),
    functional.adaptive_max_pool2d: (2, functional.max_pool2d, _maximum),
    functional.adaptive_max_pool3d: (3, functional.max_pool3d, _maximum),
}
