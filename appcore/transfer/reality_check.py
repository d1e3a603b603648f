"""The reality check of a pruned network on this machine: bytes, latency versus a dense reference, and whether its files are right; all
that also of the shrunk network, which does without its idle channels, where there is one.

Nothing is estimated: files are written, read again and run.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.measures import MEASURES
from ..analysis.pairing import require_same_data
from ..errors import InputError
from . import model_formats, sparse_sizes

SECONDS = 3.0  # of timing for each batch size
MOST_ROUNDS, LEAST_ROUNDS, WARM_UP = 400, 20, 3
NOTICEABLE = 0.03  # smaller differences in time count as equal
_SAMPLE_FLOPS, _BATCH_FLOPS, _ONNX_FLOPS = 3e11, 6e9, 2e9
_SHORT = {"dense": "dense", "prune": "prune-compatible", "masks": "masks"}
_BATCH = 512  # as the engine evaluates, so that the same kernels give the same bits


def check(
    row: Mapping[str, Any], network: model_formats.Network, folder: Path, about: Mapping[str, Any], report: Callable[[str], None]
) -> dict:
    """Write every format, measure, reload; plain data for JSON. `report` is called with a few words at each step.

    A format that cannot be made is said in a check of its own, and the others are measured.
    """
    from . import onnx_file

    report("writing the files")
    files, refused = _written(row, network, folder, about)
    report("measuring bytes")
    arrays = {name: tensor.numpy() for name, tensor in network.state.items()}
    found = sparse_sizes.sizes(arrays, {name: mask.numpy() for name, mask in network.masks.items()})
    report("reading the files again")
    images, labels, words = _images(network, row["hashes"])
    checks = _checks(row, network, files, images, labels, words)
    checks += [_check(model_formats.FORMATS[what], None, line) for what, line in refused.items()]
    report("leaving out idle channels")
    small, told = shrunk(network, images, labels, words)
    checks.append(told)
    report("timing dense, pruned and shrunk in turn" if small else "timing dense and pruned in turn")
    times = latencies(network, small)
    if "onnx" in files and onnx_file.has_runtime():
        report("timing them in onnxruntime")
        times += latencies_in_onnxruntime(network, small)
    result = {
        "cursor": network.cursor,
        "density": network.density,
        "bytes": found,
        "latency": times,
        "checks": checks,
        "machine": _machine(),
        "shrunk_bytes": sum(tensor.nbytes for tensor in small.state_dict().values()) if small else None,
    }
    return result | {
        "files": {what: path.stat().st_size for what, path in files.items()},
        "is_faster": any(t["high"] < 1 - NOTICEABLE for t in times),
    }


def _written(
    row: Mapping[str, Any], network: model_formats.Network, folder: Path, about: Mapping[str, Any]
) -> tuple[dict[str, Path], dict[str, str]]:
    """The files by format, and a line for each that cannot be made."""
    files, refused = {}, {}
    for what in model_formats.offered(row["config"]):
        try:
            files[what] = model_formats.write(network, what, folder, about)
        except InputError as error:
            refused[what] = error.message
    return files, refused


def _machine() -> dict[str, Any]:
    import torch

    from . import onnx_file

    found = {"torch": torch.__version__, "threads": torch.get_num_threads(), "cores": os.cpu_count(), "processor": platform.machine()}
    return found | ({"onnxruntime": version("onnxruntime")} if onnx_file.has_runtime() else {})


# ---- time


def latencies(network: model_formats.Network, small: Any = None, seconds: float | None = None) -> list[dict[str, Any]]:
    """Time of a forward pass on the CPU, dense reference, pruned network and the shrunk one, if any, in turn, for a batch of one and a
    larger one."""
    import torch

    from ..engine.threads import use_threads

    use_threads(1)  # several threads here would slow a run that trains meanwhile, and both sides are measured alike
    form = torch.channels_last
    sides = [model.eval().to(memory_format=form) for model in (network.bare(), network.model(), *([small] if small else []))]
    found = []
    for batch in _batches(network):
        images = torch.zeros(batch, *network.shape).contiguous(memory_format=form)
        with torch.inference_mode():
            found.append(_compared("torch", batch, [partial(model, images) for model in sides], seconds))
    return found


def latencies_in_onnxruntime(network: model_formats.Network, small: Any = None, seconds: float | None = None) -> list[dict[str, Any]]:
    """The same in onnxruntime; nothing where one of them cannot be written or run."""
    from . import onnx_file

    sides: list[Callable[[Any], Any]] = []
    # Any error: an operation that it lacks; the times in torch are worth showing.
    with suppress(Exception), tempfile.TemporaryDirectory() as folder:
        for model in (network.bare().eval(), network.model(), *([small] if small else [])):
            path = Path(folder) / f"{len(sides)}.onnx"
            onnx_file.write(model, network.shape, path, {})
            sides.append(onnx_file.opened(path))
        blank = {batch: np.zeros((batch, *network.shape), np.float32) for batch in _batches(network)}
        return [_compared("onnxruntime", batch, [partial(side, images) for side in sides], seconds) for batch, images in blank.items()]
    return []


def _batches(network: model_formats.Network) -> list[int]:
    """One image, and as many as take long enough to be timed well."""
    from ..engine import flops

    cost = flops.count(network.config.arch, network.shape, network.classes).forward
    return sorted({1, int(np.clip(_BATCH_FLOPS // cost, 1, 64))})


def _compared(runtime: str, batch: int, calls: list[Callable[[], Any]], seconds: float | None) -> dict[str, Any]:
    """Dense, pruned and, where there is a third, shrunk."""
    dense, pruned, *others = alternate(calls, seconds or SECONDS)
    found = {"runtime": runtime, "batch": batch, "rounds": len(dense), **_ratio(pruned / dense)}
    found |= {"dense": spread(dense), "pruned": spread(pruned)}
    return found | ({"shrunk": {"time": spread(others[0]), **_ratio(others[0] / dense)}} if others else {})


def _ratio(values: np.ndarray) -> dict[str, float]:
    low, middle, high = interval(values)
    return {"ratio": middle, "low": low, "high": high}


def alternate(calls: list[Callable[[], Any]], seconds: float) -> np.ndarray:
    """Seconds of each call, [calls, rounds]: in turn, there and back, so that a busy spell of the machine affects all."""
    for _ in range(WARM_UP):
        for call in calls:
            call()
    rounds: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < LEAST_ROUNDS or (len(rounds) < MOST_ROUNDS and time.perf_counter() < end):
        spent = [0.0] * len(calls)
        for place in range(len(calls))[:: -1 if len(rounds) % 2 else 1]:
            start = time.perf_counter()
            calls[place]()
            spent[place] = time.perf_counter() - start
        rounds.append(spent)
    return np.asarray(rounds).T


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """(low, median, high): the 95 % interval of the median by its ranks, which asks nothing of the distribution."""
    ordered, count = np.sort(values), len(values)
    half = 0.98 * np.sqrt(count)
    low, high = max(0, int(np.floor(count / 2 - half))), min(count - 1, int(np.ceil(count / 2 + half)))
    return float(ordered[low]), float(np.median(ordered)), float(ordered[high])


def spread(seconds: np.ndarray) -> dict[str, float]:
    """Median and quartiles."""
    low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return {"median": float(middle), "low": float(low), "high": float(high)}


# ---- truth


def _images(network: model_formats.Network, hashes: Mapping[str, str] | None = None) -> tuple[Any, Any, str]:
    """(images, labels or None, description): the test set or its beginning, or fixed noise where the data of the run are not available."""
    import torch

    from .. import seeds
    from ..engine import flops
    from ..engine.data import load_data
    from ..engine.stream import normalised

    cost = flops.count(network.config.arch, network.shape, network.classes).forward
    try:
        data = load_data(network.config, torch.device("cpu"))
        require_same_data(network.config.dataset, hashes, {"data": data.digest})
    except Exception as error:  # the data of an imported run may be missing here; the files can still be compared
        noise = torch.randn(64, *network.shape, generator=seeds.generator(0, "export"))
        return noise, None, f"64 images of fixed noise (the data of the run are not here: {type(error).__name__})"
    count = min(len(data.test_x), max(50, int(_SAMPLE_FLOPS // cost)))
    whole = count == len(data.test_x)
    words = f"all {count:,} test images" if whole else f"the first {count:,} of {len(data.test_x):,} test images"
    return normalised(data.test_x[:count], data), data.test_y[:count], words


def _logits(model: Any, images: Any, *, as_trained: bool = False) -> Any:
    """Logits of all images. `as_trained`: in the memory format of training, whose kernels round differently."""
    import torch

    model = model.eval().to(memory_format=torch.channels_last if as_trained else torch.contiguous_format)
    images = images if as_trained else images.contiguous()
    with torch.inference_mode():
        return torch.cat([model(part) for part in images.split(_BATCH)])


def _checks(
    row: Mapping[str, Any], network: model_formats.Network, files: Mapping[str, Path], images: Any, labels: Any, words: str
) -> list[dict]:
    """Each claim about the files that there are, whether it holds (None: unknown), and the numbers."""
    import safetensors.torch

    from ..engine.weights import put_back

    read = {what: safetensors.torch.load_file(path) for what, path in files.items() if path.suffix == ".safetensors"}
    outputs, found = [_logits(network.model(), images)], []
    receivers = {"dense": network.bare(), "prune": model_formats.prepared(network)}
    wanted = {what: set(model.state_dict()) for what, model in receivers.items()} | {"masks": set(network.masks)}
    counts = ", ".join(f"{len(tensors)} {_SHORT[what]}" for what, tensors in read.items())
    for what, model in receivers.items():
        if set(read.get(what, ())) == wanted[what]:
            (model_formats.put_prune_state if what == "prune" else put_back)(model, read[what])
            outputs.append(_logits(model, images))
    if read:
        same_keys = all(set(tensors) == wanted[what] for what, tensors in read.items())
        found += [_check("Keys", same_keys, f"{counts}: as the networks want them"), _density(network, read)]
    if len(outputs) > 1:
        same = all(bool((outputs[0] == other).all()) for other in outputs[1:])
        names = ", ".join(f"{_SHORT[what]} file" for what in receivers if what in read)
        found.append(_check("Outputs", same, f"{names} and checkpoint, bit by bit on {words}"))
    if labels is not None:
        found += _accuracies(row, network, outputs, images, labels, words)
    return found + [_onnx(network, what, files[what], images, outputs[0]) for what in ("onnx", model_formats.SHRUNK) if what in files]


def shrunk(network: model_formats.Network, images: Any, labels: Any, words: str) -> tuple[Any, dict[str, Any]]:
    """The network without idle channels, and the check that it answers alike; None where there is none, and the check says why."""
    from ..masks import shrink

    model = network.model()
    try:
        small = shrink.shrunk(model, images[:2].contiguous())
    except InputError as error:
        return None, _check("Shrunk", None, error.message.removeprefix("network: "))
    own, others = _logits(model, images), _logits(small, images)
    away, scale = float((own - others).abs().max()), max(1.0, float(own.abs().max()))
    before, after = (sum(parameter.numel() for parameter in one.parameters()) for one in (model, small))
    text = f"{after:,} of {before:,} parameters are left; outputs differ by at most {away:.1e} (rounding) on {words}"
    same = away <= shrink.TOLERANCE * scale
    if labels is not None:
        rights = [int((logits.argmax(1) == labels).sum()) for logits in (own, others)]
        same, text = same and rights[0] == rights[1], f"{text}; {rights[1]:,} right, as masked {rights[0]:,}"
    return small, _check("Shrunk", same, text)


def _density(network: model_formats.Network, read: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Whether as many weights are left in each file as the masks keep."""
    kept, total = sum(int(mask.sum()) for mask in network.masks.values()), sum(mask.numel() for mask in network.masks.values())
    left = {what: sum(int(_weight(tensors, name).count_nonzero()) for name in network.masks) for what, tensors in read.items()}
    numbers = " and ".join(f"{count:,} in the {_SHORT[what]} file" for what, count in left.items())
    return _check("Density", all(count == kept for count in left.values()), f"of {total:,} prunable weights {kept:,} are kept: {numbers}")


def _weight(tensors: Mapping[str, Any], name: str) -> Any:
    """A pruned weight as a file has it: under its own name, or as torch.nn.utils.prune calls it."""
    return tensors[name] if name in tensors else tensors[f"{name}_orig"]


def _check(name: str, is_equal: bool | None, text: str) -> dict[str, Any]:
    return {"name": name, "is_equal": is_equal, "text": text}


def _accuracies(row: Mapping[str, Any], network: model_formats.Network, outputs: list, images: Any, labels: Any, words: str) -> list[dict]:
    """Accuracy of each file, compared with what the run measured."""
    rights = [int((logits.argmax(1) == labels).sum()) for logits in outputs]
    text = f"{100 * rights[0] / len(labels):.2f} % right, each file alike, on {words}"
    found = [_check(MEASURES["accuracy"].label, len(set(rights)) == 1, text)]
    recorded = row.get("test_accuracy")
    if recorded is None or not words.startswith("all"):
        return found
    is_same_kind = (
        row["started"]["device"].startswith("cpu") and row["started"]["precision"] == "fp32" and network.cursor == row["segments"]
    )
    measured, here = round(recorded * len(labels)), int((_logits(network.model(), images, as_trained=True).argmax(1) == labels).sum())
    text = f"the run itself counted {measured:,} of {len(labels):,} right, its weights here {here:,}"
    if not is_same_kind:
        text += " (another device or precision, or later steps: a few may differ)"
    return [*found, _check("Accuracy of the run", measured == here if is_same_kind else None, text)]


def _onnx(network: model_formats.Network, what: str, path: Path, images: Any, own: Any) -> dict[str, Any]:
    """Run an ONNX file on a few images, where what runs it here is not too slow for the network."""
    from ..engine import flops
    from . import onnx_file

    name = model_formats.FORMATS[what]
    few = min(4, len(images))
    cost = few * flops.count(network.config.arch, network.shape, network.classes).forward
    if not onnx_file.has_runtime() and cost > _ONNX_FLOPS:
        return _check(name, None, "well formed; too large to be run by the reference implementation here")
    try:
        outputs, runner = onnx_file.run(path, images[:few].contiguous().numpy())
    except Exception as error:  # an operation that it lacks; the other checks are worth showing
        return _check(name, None, f"well formed; it could not be run here ({type(error).__name__})")
    away = float(np.abs(outputs - own[:few].numpy()).max())
    scale = max(1.0, float(own[:few].abs().max()))
    text = f"outputs on {few} images by {runner} differ by at most {away:.1e} (rounding: normalisation is folded in)"
    return _check(name, away < 1e-3 * scale, text)
