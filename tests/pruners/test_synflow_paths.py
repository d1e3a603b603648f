"""SynFlow in networks beyond the paper's: R is a sum over paths, by an independent sum, and no score is negative."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import small_nets
import torch
from torch import Tensor, nn
from torch.nn import functional

from appcore import RunConfig
from appcore.engine.prune_point import select
from appcore.engine.state import RunState
from appcore.errors import InputError
from appcore.masks import selection
from appcore.masks.alive import alive_masks
from appcore.models import base
from appcore.models.torchvision_classifier import HardSigmoid, SelfAttention
from appcore.pruners import synflow
from appcore.pruners.base import ScoringTask
from benchmarks.network_checks import pictures

CHANNELS, WIDTH = 4, 6


class Written(nn.Module):
    """A LayerNorm over channels, or an RMSNorm, written out as many networks have it."""

    def __init__(self, form: str):
        super().__init__()
        self.form, self.weight = form, nn.Parameter(torch.ones(CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        spread = (x - mean).pow(2).mean(1, keepdim=True)
        x = {
            "sqrt": lambda: (x - mean) / torch.sqrt(spread + 1e-6),
            "rsqrt": lambda: (x - mean) * torch.rsqrt(spread + 1e-6),
            "power": lambda: x * (x.square().mean(1, keepdim=True) + 1e-6) ** -0.5,
            "in place": lambda: x.clone().sub_(mean).div_(x.std()),
            "inverse": lambda: (x - mean) * (1 / (x.var() + 1e-6)),
        }[self.form]()
        return self.weight[:, None, None] * x


class Called(nn.Module):
    """A function that is no module."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Squeeze(nn.Module):
    """Squeeze and excitation around a gate."""

    def __init__(self, gate: nn.Module):
        super().__init__()
        self.down, self.up, self.gate = nn.Conv2d(CHANNELS, 2, 1, bias=False), nn.Conv2d(2, CHANNELS, 1, bias=False), gate

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(self.up(self.down(x.mean((2, 3), keepdim=True)).relu())) * x


class Attention(nn.Module):
    """Self-attention of pixels, by torchvision's module here or by torch's fused function."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind, self.inner = kind, SelfAttention(CHANNELS, 2)
        self.inner.in_proj.bias = self.inner.out_proj.bias = None

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        if self.kind == "softmax":
            return self.inner(tokens, tokens, tokens)[0].transpose(1, 2).view(x.shape)
        if self.kind == "module":
            given = (CHANNELS, 2, self.inner.in_proj.weight, None, None, None, False, 0.0, self.inner.out_proj.weight, None)
            swapped = tokens.transpose(0, 1)
            return functional.multi_head_attention_forward(swapped, swapped, swapped, *given)[0].permute(1, 2, 0).reshape(x.shape)
        q, k, v = self.inner.in_proj(tokens).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        if self.kind == "einsum":
            shares = torch.einsum("bhqd,bhkd->bhqk", q, k).softmax(-1)
            return self.inner.out_proj(torch.einsum("bhqk,bhkd->bqhd", shares, v).flatten(2)).transpose(1, 2).view(x.shape)
        masks = {"causal": {"is_causal": True}, "masked": {"attn_mask": torch.full((9, 9), -100.0, dtype=x.dtype).triu(1)}, "fused": {}}
        found = functional.scaled_dot_product_attention(q, k, v, **masks[self.kind])
        return self.inner.out_proj(found.transpose(1, 2).flatten(2)).transpose(1, 2).view(x.shape)


class Glu(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Conv2d(CHANNELS, 2 * CHANNELS, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.glu(self.both(x), 1)


NORMS: dict[str, Callable[[], nn.Module]] = {
    "layer": lambda: nn.LayerNorm([CHANNELS, 3, 3]),
    "group": lambda: nn.GroupNorm(2, CHANNELS),
    "instance": lambda: nn.InstanceNorm2d(CHANNELS, affine=True),
    "instance, kept statistics": lambda: nn.InstanceNorm2d(CHANNELS, affine=True, track_running_stats=True),
    "rms": lambda: nn.RMSNorm([CHANNELS, 3, 3]),
    "batch": lambda: nn.BatchNorm2d(CHANNELS),
    "batch, own statistics": lambda: nn.BatchNorm2d(CHANNELS, track_running_stats=False),
    "response": lambda: nn.LocalResponseNorm(2),
    **{f"written, {form}": lambda form=form: Written(form) for form in ("sqrt", "rsqrt", "power", "in place", "inverse")},
}
ACTIVATIONS = {
    kind.__name__: kind
    for kind in (nn.ReLU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Mish, nn.Softplus, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Hardtanh, nn.ReLU6)
} | {kind.__name__: kind for kind in (nn.ELU, nn.LeakyReLU, nn.Softsign, nn.LogSigmoid, nn.Softshrink, nn.Hardshrink, nn.Tanhshrink)}
GATES: dict[str, Callable[[], nn.Module]] = {
    "squeeze, sigmoid": lambda: Squeeze(nn.Sigmoid()),
    "squeeze, hard sigmoid": lambda: Squeeze(nn.Hardsigmoid()),
    "squeeze, ours": lambda: Squeeze(HardSigmoid()),
    "squeeze, linear": lambda: Squeeze(nn.Identity()),
    "glu": Glu,
    **{f"attention, {kind}": lambda kind=kind: Attention(kind) for kind in ("softmax", "fused", "causal", "masked", "module", "einsum")},
}
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "torch.layer_norm": lambda x: torch.layer_norm(x, x.shape[1:]),
    "torch.group_norm": lambda x: torch.group_norm(x, num_groups=2),
    "torch.rms_norm": lambda x: torch.rms_norm(x, x.shape[1:]),
    "torch.instance_norm": lambda x: torch.instance_norm(x, None, None, None, None, True, 0.1, 1e-5, False),
    "torch.batch_norm": lambda x: torch.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False),
    "torch.rsub": lambda x: torch.rsub(x, 1.0),
    "1 - x": lambda x: 1 - x,
    "constant - x": lambda x: torch.ones(3, 3) - x,
    "sine": torch.sin,
    "softmin": functional.softmin,
    "addcmul": lambda x: torch.addcmul(x, x, x, value=-1),
    "addcdiv": lambda x: torch.addcdiv(x, x, x + 1, value=-1),
}
KINDS = {**NORMS, **ACTIVATIONS, **GATES, **{name: lambda function=function: Called(function) for name, function in FUNCTIONS.items()}}


def network(*between: nn.Module) -> nn.Sequential:
    """Convolution, the modules, convolution, the modules' kind again, mean, linear; no biases but the norms'; values of both signs."""
    last = nn.Linear(WIDTH, small_nets.CLASSES, bias=False)
    layers = [nn.Conv2d(2, CHANNELS, 2, bias=False), *between, nn.Conv2d(CHANNELS, WIDTH, 2, bias=False)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last).double()
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and not name.endswith("running_var") and tensor.dim() > 0:
                tensor.copy_(torch.randn(tensor.shape, generator=draw, dtype=torch.float64))
            elif name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=draw, dtype=torch.float64) + 0.5)
    return model


def scored(model: nn.Module) -> dict[str, Tensor]:
    return synflow.scores(small_nets.task(copy.deepcopy(model), small_nets.full_masks(model)))


def task_of(model: nn.Module, masks: dict[str, Tensor], shape: tuple[int, int, int]) -> ScoringTask:
    batches = [(torch.zeros(2, *shape), torch.zeros(2, dtype=torch.int64))]
    return ScoringTask(model, list(masks), batches, masks, torch.Generator())


@pytest.mark.parametrize("kind", KINDS)
def test_no_score_is_negative_and_every_layer_has_some(kind: str) -> None:
    found = scored(network(KINDS[kind](), KINDS[kind]()))
    assert len(found) >= 3
    for name, score in found.items():
        assert bool(torch.isfinite(score).all()) and float(score.min()) >= 0 and float(score.max()) > 0, name


def test_what_cannot_be_followed_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"synflow cannot follow a function of this network after '0\.weight'; choose another"):
        scored(network(Called(torch.cos)))


@pytest.mark.parametrize("kind", [*NORMS, *ACTIVATIONS])
def test_r_is_the_sum_over_paths(kind: str) -> None:
    """Score = R minus R without the weight, R worked out as products of absolute matrices with the norm's scales and shifts between."""
    model = network(KINDS[kind]())
    own = {name: tensor.abs() for name, tensor in model.state_dict().items()}

    def flow(weights: dict[str, Tensor]) -> float:
        x = functional.conv2d(torch.ones(1, 2, 4, 4, dtype=torch.float64), weights["0.weight"])
        if "1.weight" in own:
            scale, shift = own["1.weight"], own.get("1.bias", torch.zeros(()))
            if "1.running_var" in own:
                scale = scale / (own["1.running_var"] + 1e-5).sqrt()
            by_channel = scale.dim() == 1
            x = x * (scale[:, None, None] if by_channel else scale) + (shift[:, None, None] if by_channel and shift.dim() else shift)
        x = functional.conv2d(x, weights["2.weight"]).mean((2, 3))
        return float((x @ weights["5.weight"].T).sum())

    absolute = {name: own[name] for name in small_nets.names(model) if not name.startswith("1.")}
    found = scored(model)
    for name, weight in absolute.items():
        for index in list(range(0, weight.numel(), 7)):
            without = weight.clone()
            without.view(-1)[index] = 0.0
            lost = flow(absolute) - flow({**absolute, name: without})
            assert float(found[name].view(-1)[index]) == pytest.approx(lost, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("kind", GATES)
def test_a_gates_layers_have_the_flow_of_what_they_gate(kind: str) -> None:
    """Without biases every layer that all paths cross carries R, also below two gates; a gate's own layers have half of what they gate,
    and so have attention's values, its queries and keys a quarter each."""
    found = scored(network(KINDS[kind](), KINDS[kind]()))
    whole = float(found["6.weight"].sum())
    for name, score in found.items():
        assert float(score.sum()) == pytest.approx(whole / 2 if "squeeze" in kind and name.startswith(("1.", "2.")) else whole), name
        if name.endswith("in_proj.weight"):
            assert [float(part.sum() / whole) for part in score.chunk(3)] == pytest.approx([0.25, 0.25, 0.5])


class Block(nn.Module):
    """Two pixels as tokens of width 2, a transformer's block with LayerNorm and GELU, and a head: small enough for pencil and paper."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(1, 2, bias=False), nn.Linear(2, 1, bias=False)
        self.attention, self.norms = SelfAttention(2, 1), nn.ModuleList([nn.LayerNorm(2), nn.LayerNorm(2)])
        self.attention.in_proj.bias = self.attention.out_proj.bias = None
        self.into, self.out = nn.Linear(2, 1, bias=False), nn.Linear(1, 2, bias=False)
        values = {"embed": [[1], [-2]], "attention.in_proj": [[-1, 1], [0, 0], [1, 0], [-1, 1], [1, 0], [0, -1]]}
        values |= {"attention.out_proj": [[1, 1], [-1, 0]], "into": [[1, -1]], "out": [[1], [2]], "head": [[1, -1]]}
        for name, value in values.items():
            self.get_submodule(name).weight = nn.Parameter(torch.tensor(value, dtype=torch.float64))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x.flatten(2).transpose(1, 2))  # tokens (1, 2)
        y = self.norms[0](x)
        x = x + self.attention(y, y, y)[0]  # values (1, 2), as what is looked at: + (3, 1) = (4, 3)
        x = x + self.out(functional.gelu(self.into(self.norms[1](x))))  # 7: + (7, 14) = (11, 17)
        return self.head(x.mean(1))  # R = 28


def test_a_transformers_block_by_hand() -> None:
    model = Block()
    names = selection.prunable_names(model, "all")
    found = synflow.scores(task_of(copy.deepcopy(model), selection.full_masks(model, names), (1, 1, 2)))
    expected = {
        "embed.weight": [[4 + 4 + 4 / 3 + 4], [8 + 4 + 8 / 3]],  # past the attention, by values, queries, keys: 28 together
        "attention.in_proj.weight": [[4 / 3, 8 / 3], [0, 0], [4, 0], [0, 0], [4, 0], [0, 4]],  # 4 + 4 + 8 of the 16 that leave
        "attention.out_proj.weight": [[4, 8], [4, 0]],
        "into.weight": [[12, 9]],
        "out.weight": [[7], [14]],
        "head.weight": [[11, 17]],
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].tolist() == [pytest.approx(row) for row in value], name


def test_a_layer_that_all_paths_cross_stays_to_the_last_weight() -> None:
    """The block cut weight by weight: embed and head end with one each, on one path; the branches, which skips pass by, are empty."""
    model = Block()
    masks = selection.full_masks(model, selection.prunable_names(model, "all"))
    total = sum(mask.numel() for mask in masks.values())
    for kept in range(total - 1, 1, -1):
        own = copy.deepcopy(model)
        selection.apply(own, masks)
        masks = selection.keep_top(synflow.scores(task_of(own, masks, (1, 1, 2))), kept / total, eligible=masks)
    assert selection.count(masks) == {name: int(name in ("embed.weight", "head.weight")) for name in masks}
    assert selection.count(alive_masks(model, masks, (1, 1, 2))) == selection.count(masks)


def test_masks_of_attention_stay_closed_however_large_signals_grow() -> None:
    signals = torch.full((2, 3), 1e9, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[0.0, -100.0, 0.0], [0.0, 0.0, -math.inf]], dtype=torch.float64)
    with synflow._Paths():
        found = [functional.softmax(signals + mask, -1), (mask + signals).softmax(1), torch.softmax(signals + mask, dim=-1)]
    for shares in found:
        assert shares.tolist() == [[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
        assert torch.autograd.grad(shares.sum(), signals)[0].gt(0).tolist() == [[True, False, True], [True, True, False]]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arch", "shape"), [("resnet20", (3, 16, 16)), ("vgg11_bn", (3, 32, 32)), ("lenet5", (1, 28, 28)), ("mlp", (1, 8, 8))]
)
def test_networks_of_the_paper_are_scored_bit_for_bit_as_published(arch: str, shape: tuple[int, int, int]) -> None:
    model = base.create(arch, shape, 10, seed=1)
    model.train()(torch.randn(4, *shape, generator=torch.Generator().manual_seed(0)))  # statistics other than those of the start
    names = selection.prunable_names(model, "all")
    draw = torch.Generator().manual_seed(2)
    kept = {name: torch.rand(model.get_parameter(name).shape, generator=draw) < 0.7 for name in names}
    task = task_of(copy.deepcopy(model), kept, shape)
    plain = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.abs_()
        for module in plain.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.zero_()
        for name, mask in kept.items():
            plain.get_parameter(name).masked_fill_(~mask, 0.0)
    weights = [plain.get_parameter(name) for name in names]
    gradients = torch.autograd.grad(plain(torch.ones(1, *shape, dtype=torch.float64)).sum(), weights)
    for (name, score), weight, gradient in zip(synflow.scores(task).items(), weights, gradients, strict=True):
        assert torch.equal(score, weight.detach() * gradient), name


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["mobilenet_v3_small", "squeezenet1_1", "regnet_y_400mf", "vit_b_32"])
def test_torchvisions_kinds_have_no_negative_score(arch: str) -> None:
    model = base.create(f"torchvision:{arch}", (3, 32, 32), 10, seed=0)
    task = task_of(model, selection.full_masks(model, selection.prunable_names(model, "all")), (3, 32, 32))
    for name, score in synflow.scores(task).items():
        assert float(score.min()) >= 0 and 0 < float(score.max()) < math.inf, name


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arch", "constants"), [("swin_t", 0.02), ("mobilenet_v3_small", 0), ("efficientnet_b0", 0), ("regnet_y_400mf", 0)]
)
def test_stem_and_head_carry_the_same_flow_however_many_gates_lie_between(arch: str, constants: float) -> None:
    """Only biases, all 0 here but those of linear layers, and Swin's tables of positions add flow on the way."""
    model = base.create(f"torchvision:{arch}", (3, 32, 32), 10, seed=0)
    names = selection.prunable_names(model, "all")
    found = synflow.scores(task_of(model, selection.full_masks(model, names), (3, 32, 32)))
    sums = [float(found[name].sum()) for name in names]
    assert sums[0] == pytest.approx(sums[-1], rel=constants + 1e-6) and max(sums) == pytest.approx(sums[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "starved"), [("efficientnet_b0", ""), ("swin_t", ".attn."), ("swin_v2_t", ".attn."), ("convnext_tiny", ".block.")]
)
def test_ten_rounds_to_a_tenth_leave_the_network_alive(arch: str, starved: str, tmp_path: Path) -> None:
    """No layer that all paths cross is empty; branches of the kind `starved` beside skips may be: docs/NETWORKS.md says why."""
    settings = {"arch": f"torchvision:{arch}", "pruner": "synflow", "options": {"rounds": 10}, "prunable": "all", "device": "cpu"}
    images = {"dataset": f"images:{pictures(tmp_path, 32)}", "megabatches": 1, "epochs": 1}
    state = RunState.create(RunConfig(**settings, **images))
    lowest: list[float] = []

    def seen(scores: dict[str, Tensor]) -> dict[str, Tensor]:
        lowest.append(min(float(score.min()) for score in scores.values()))
        return scores

    cut = select(state, 0, 0.1, seen)
    alive = selection.count(alive_masks(state.model, cut.masks, state.stream.data.shape))
    assert len(lowest) == 10 and min(lowest) >= 0
    assert all(count > 0 or (starved and starved in name) for name, count in alive.items())
    assert sum(alive.values()) > 0.95 * sum(selection.count(cut.masks).values())
