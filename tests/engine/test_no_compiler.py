"""A start without torch's compiler, and digits without scikit-learn: what they would give is the same."""

from __future__ import annotations

import copy
import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from appcore.config import build
from appcore.datasets import digits
from appcore.engine import flops, no_compiler
from appcore.models import base as models

RUN = """
import sys
from appcore.cli.main import main
arguments = ["--megabatches", "2", "--epochs", "1", "--limit-train", "100", "--limit-test", "20", "--device", "cpu"]
assert main(["run", *arguments, *sys.argv[1:]]) == 0
print(sorted({"torch._dynamo", "sympy", "sklearn", "scipy"} & set(sys.modules)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("more", [["--arch", "resnet20"], ["--arch", "lenet5", "--method", "cs"]], ids=["resnet20", "cs"])
def test_a_run_imports_no_compiler(more: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", RUN, *more], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.thorough
def test_a_worker_trains_without_pandas() -> None:
    """Importing it takes half a second, for each worker process."""
    code = "import sys; from appcore.runner import worker; from appcore.config import RunConfig; from appcore.engine.loop import start\n"
    code += "for event in start(RunConfig(arch='mlp', limit_train=50, limit_test=20, megabatches=1, epochs=1, device='cpu')): pass\n"
    assert subprocess.run([sys.executable, "-c", f"{code}sys.exit('pandas' in sys.modules)"], timeout=300).returncode == 0


def test_a_step_is_the_optimizers_own() -> None:
    ours, theirs = (models.create("lenet5", (1, 8, 8), 10, seed=0) for _ in range(2))
    for model, step in ((ours, no_compiler.step), (theirs, lambda optimizer: optimizer.step())):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        for seed in range(3):
            x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
            optimizer.zero_grad()
            model(x).square().mean().backward()
            step(optimizer)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("arch", ["resnet20", "mlp", "lenet5", "torchvision:squeezenet1_1"])
def test_small_networks_are_counted_as_on_the_meta_device(arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, state = (3, 32, 32), torch.get_rng_state()
    monkeypatch.setattr(models, "_SMALL_NETWORK", 10**9)
    run = flops._count.__wrapped__(arch, shape, 10), flops._activation_bytes.__wrapped__(arch, shape, 10)
    monkeypatch.setattr(models, "_SMALL_NETWORK", 0)
    meta = flops._count.__wrapped__(arch, shape, 10), flops._activation_bytes.__wrapped__(arch, shape, 10)
    assert run == meta
    assert torch.equal(torch.get_rng_state(), state), "counting drew numbers"


def test_a_skeleton_stays_without_values() -> None:
    model = models.skeleton("resnet20", (1, 8, 8), 10)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert not any(parameter.is_meta for parameter in models.on_cpu(copy.deepcopy(model)).parameters())


def test_the_digits_are_those_that_were_published() -> None:
    images, found = digits.arrays()
    assert (
        hashlib.sha256(images.tobytes() + found.tobytes()).hexdigest() == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
    )  # those of scikit-learn 1.9
    assert len(digits.load(build({"dataset": "digits"})).train_x) == 1437


def test_the_digits_are_scikit_learns() -> None:
    published = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn")
    pixels, labels = published.load_digits(return_X_y=True)
    images, found = digits.arrays()
    assert np.array_equal(images.reshape(-1, 64), pixels) and np.array_equal(found, labels)
