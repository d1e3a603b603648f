"""ONNX files of networks with adaptive pooling of any size, and one plain line where there can be none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from appcore.errors import InputError
from appcore.models import base
from appcore.transfer import onnx_file

POOLS = [
    (functional.adaptive_avg_pool1d, (7,), 3),
    (functional.adaptive_avg_pool2d, (5, 5), (6, 6)),
    (functional.adaptive_avg_pool2d, (1, 1), (6, 6)),
    (functional.adaptive_avg_pool2d, (5, 8), (None, 3)),
    (functional.adaptive_avg_pool2d, (7, 4), 2),
    (functional.adaptive_avg_pool3d, (3, 5, 4), (2, 3, 4)),
    (functional.adaptive_avg_pool2d, (6, 4), (3, 2)),
    (functional.adaptive_avg_pool2d, (6, 4), 1),
    (functional.adaptive_max_pool1d, (7,), 3),
    (functional.adaptive_max_pool2d, (6, 4), (3, 4)),
    (functional.adaptive_max_pool2d, (5, 5), (6, 6)),
    (functional.adaptive_max_pool2d, (5, 8), (None, 3)),
    (functional.adaptive_max_pool3d, (3, 5, 4), (2, 3, 4)),
]


def images(count: int, *shape: int) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(count))


def about(pool: object) -> str:
    return str(getattr(pool, "__name__", pool))


@pytest.mark.parametrize(("pool", "inputs", "outputs"), POOLS, ids=about)
def test_the_fixed_operation_is_torchs_adaptive_pooling(pool, inputs: tuple[int, ...], outputs) -> None:
    x = images(2, 3, *inputs)
    expected = pool(x, outputs)
    with onnx_file.FixedPooling():
        found = pool(x, outputs)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected)


def written(model: nn.Module, shape: tuple[int, int, int], folder: Path) -> Path:
    pytest.importorskip("onnx")
    path = folder / "network.onnx"
    onnx_file.write(model.eval(), shape, path, {"arch": "a network"})
    return path


@pytest.mark.parametrize(
    "pool",
    [nn.AdaptiveAvgPool2d((6, 6)), nn.AdaptiveAvgPool2d((5, 2)), nn.AdaptiveMaxPool2d((6, 4)), nn.AdaptiveAvgPool2d((None, 3))],
    ids=str,
)
def test_it_runs_with_any_number_of_images(pool: nn.Module, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), pool, nn.Flatten(), nn.LazyLinear(4))
    model(images(2, 1, 7, 10))
    path = written(model, (1, 7, 10), tmp_path)
    for count in (1, 2, 5):
        with torch.inference_mode():
            expected = model(images(count, 1, 7, 10))
        found, runner = onnx_file.run(path, images(count, 1, 7, 10).numpy())
        assert torch.allclose(torch.tensor(found), expected, atol=2e-3) and runner in ("onnxruntime", "onnx's reference implementation")


@pytest.mark.thorough
@pytest.mark.parametrize("arch", ["lenet5", "resnet20", "vgg11_bn", "mlp", "torchvision:squeezenet1_1", "torchvision:mobilenet_v3_small"])
def test_small_networks_agree_to_two_thousandths(arch: str, tmp_path: Path) -> None:
    model = base.create(arch, (3, 32, 32), 10, seed=0).eval()
    path = written(model, (3, 32, 32), tmp_path)
    for count in (1, 2, 5):
        with torch.inference_mode():
            expected = model(images(count, 3, 32, 32))
        found, _ = onnx_file.run(path, images(count, 3, 32, 32).numpy())
        assert (torch.tensor(found) - expected).abs().max() < 2e-3 * max(1.0, float(expected.abs().max()))


class Fourier(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.inv(x @ x.transpose(-2, -1) + torch.eye(4)).flatten(1)


@pytest.mark.filterwarnings("ignore")
def test_what_the_exporter_cannot_write_is_said_in_one_plain_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^ONNX: torch's exporter cannot write this network.*; take the dense weights instead$") as caught:
        written(Fourier(), (1, 4, 4), tmp_path)
    assert "pull request" not in caught.value.message.lower() and "\n" not in caught.value.message and caught.value.field == "format"


def test_weights_beyond_two_gigabytes_are_refused_before_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MOST_BYTES", 100)
    with pytest.raises(InputError, match=r"at most 2 GB and these weights take 0\.0 GB; take the dense weights"):
        written(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), (1, 4, 4), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_exporters_error_gives_the_name_of_the_operation_alone() -> None:
    sentences = {
        "Unsupported: ONNX export of operator adaptive_avg_pool2d, output size. Please": " (its operation adaptive_avg_pool2d)",
        "Exporting the operator 'aten::fft_rfft' to ONNX opset version 18 is not supported. Please": " (its operation fft_rfft)",
        "something else": "",
    }
    for text, culprit in sentences.items():
        assert onnx_file._culprit(RuntimeError(text)) == culprit
