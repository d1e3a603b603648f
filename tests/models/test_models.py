"""The contract of every architecture, and the rules of initialisation."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

from appcore import plugins, seeds
from appcore.errors import InputError
from appcore.models import base

SMALL = ["mlp", "lenet5", "resnet20", "resnet56", "vgg11_bn", "resnet18"]
# He et al. 2016, table 6; torchvision's counts with the CIFAR stem worked out by hand: 64 * 27 stem weights in place of 64 * 147,
# and 10 classes in place of 1000; Caffe's LeNet; LeNet-300-100.
PARAMETERS = {
    ("mlp", (1, 28, 28)): 266_610,
    ("mlp:32-32", (3, 2, 1)): 6 * 32 + 32 + 32 * 32 + 32 + 32 * 10 + 10,
    ("lenet5", (1, 28, 28)): 431_080,
    ("resnet20", (3, 32, 32)): 269_722,
    ("resnet56", (3, 32, 32)): 853_018,
    ("resnet18", (3, 32, 32)): 11_689_512 - 64 * 120 - 990 * 513,
    ("resnet50", (3, 32, 32)): 25_557_032 - 64 * 120 - 990 * 2049,
    ("wide_resnet50_2", (3, 32, 32)): 68_883_240 - 64 * 120 - 990 * 2049,
    ("vgg16_bn", (3, 32, 32)): 14_714_688 + 2 * 4224 + 5130,
}


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("arch", SMALL)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 20, 33), (4, 5, 5)])
def test_odd_shapes_are_fine(arch, shape):
    base.skeleton(arch, shape, 2)


@pytest.mark.parametrize(("arch", "shape"), PARAMETERS)
def test_parameter_counts_are_the_published_ones(arch, shape):
    assert parameters(base.skeleton(arch, shape, 10)) == PARAMETERS[arch, shape]


@pytest.mark.parametrize("widths", ["32-", "0", "3x3", "-1", "1-2-3-4-5-6-7-8-9", "99999"])
def test_widths_that_are_none_are_refused(widths):
    with pytest.raises(InputError, match=r"arch: .* names no widths; write one to eight .*mlp:32-32"):
        base.skeleton(f"mlp:{widths}", (2, 1, 1), 2)


def test_the_weights_that_are_pruned_in_resnet50_are_its_convolutions():
    model = base.skeleton("resnet50", (3, 32, 32), 10)
    assert sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d)) == 23_447_232


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_the_stem_follows_the_image_size(arch):
    small, large = base.skeleton(arch, (1, 64, 64), 10), base.skeleton(arch, (4, 128, 128), 10)
    assert small.conv1.weight.shape == (64, 1, 3, 3) and isinstance(small.maxpool, nn.Identity)
    assert large.conv1.weight.shape == (64, 4, 7, 7) and isinstance(large.maxpool, nn.MaxPool2d)


def test_layer_names_are_the_usual_ones():
    names = dict(base.skeleton("resnet20", (3, 32, 32), 10).named_parameters())
    assert {"conv1.weight", "layer1.0.conv1.weight", "layer3.2.conv2.weight", "fc.weight", "fc.bias"} <= set(names)


def test_shortcuts_of_the_small_resnets_follow_option_a():
    block = base.create("resnet20", (3, 32, 32), 10, seed=0).layer2[0]
    x = torch.arange(16.0).repeat(1, 16, 1).reshape(1, 16, 4, 4)
    assert torch.equal(block.shortcut(x)[:, 8:24], x[:, :, ::2, ::2])
    assert not block.shortcut(x)[:, :8].any() and not block.shortcut(x)[:, 24:].any()


def test_vgg_on_cifar_equals_torchvisions_features():
    model = base.create("vgg11_bn", (3, 32, 32), 10, seed=0).eval()
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    rounded_up = model.features(x)
    for module in model.features:
        if isinstance(module, nn.MaxPool2d):
            module.ceil_mode = False
    assert rounded_up.shape == (1, 512, 1, 1) and torch.equal(rounded_up, model.features(x))


@pytest.mark.parametrize(("arch", "shape"), [("lenet5", (1, 3, 3)), ("resnet20", (1, 0, 8)), ("vgg11_bn", (1, 8, 0))])
def test_impossible_shapes_are_named(arch, shape):
    with pytest.raises(InputError, match=rf"^arch: {arch} cannot take images of 1 x {shape[1]} x {shape[2]}.*: .+") as caught:
        base.create(arch, shape, 10, seed=0)
    assert caught.value.field == "arch" and "\n" not in caught.value.message


def test_one_seed_gives_one_network():
    first, again, other = (base.create("resnet20", (1, 8, 8), 10, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if "conv" in name or name.startswith("fc"))


def test_a_value_depends_on_its_name_and_not_on_the_other_layers():
    shallow, deep = (base.create(arch, (3, 32, 32), 10, seed=0).state_dict() for arch in ("resnet20", "resnet56"))
    assert all(torch.equal(value, deep[name]) for name, value in shallow.items())
    assert not torch.equal(shallow["layer1.0.conv1.weight"], shallow["layer1.0.conv2.weight"])


def test_convolutions_are_normal_with_the_fan_out_width():
    model = base.create("resnet18", (3, 32, 32), 10, seed=0)
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            wanted = math.sqrt(2 / (module.out_channels * math.prod(module.kernel_size)))
            tolerance = 4 / math.sqrt(2 * module.weight.numel())  # four standard errors
            assert module.weight.std().item() == pytest.approx(wanted, rel=tolerance), name


def test_linear_layers_and_biases_follow_their_rules():
    model = base.create("lenet5", (1, 28, 28), 10, seed=0)
    bound = 1 / math.sqrt(800)
    for tensor in (model.fc1.weight, model.fc1.bias):
        assert tensor.abs().max() <= bound and tensor.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert not model.conv1.bias.any() and not model.conv2.bias.any()


def test_the_default_draws_each_weight_by_its_own_generator():
    model = base.create("lenet5", (1, 28, 28), 10, seed=7)
    rules = {
        "conv2.weight": partial(nn.init.kaiming_normal_, mode="fan_out"),
        "fc1.weight": partial(nn.init.uniform_, a=-(800**-0.5), b=800**-0.5),
    }
    for name, draw in rules.items():
        value = model.get_parameter(name)
        assert torch.equal(value, draw(torch.empty_like(value), generator=seeds.generator(7, "init", name)))


@pytest.mark.parametrize("init", base.INITS)
@pytest.mark.parametrize("arch", ["lenet5", "resnet20", "torchvision:mobilenet_v3_small"])
def test_initial_weights_have_the_spread_of_their_rule(arch, init):
    """Of a grouped convolution, the inputs of one group count and the outputs of all, as torch counts them."""
    for name, module in base.create(arch, (3, 32, 32), 10, seed=0, init=init).named_modules():
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            continue
        fan_in, fan_out = module.weight[0].numel(), module.weight[:, 0].numel()
        is_uniform = init == "torch" or (init == "kaiming-fan-out" and isinstance(module, nn.Linear))
        wanted = math.sqrt(1 / (3 * fan_in) if is_uniform else 2 / (fan_in if init == "kaiming-fan-in" else fan_out))
        assert module.weight.std().item() == pytest.approx(wanted, rel=5 / math.sqrt(2 * module.weight.numel())), name
        if module.bias is not None:
            assert bool(module.bias.any()) == is_uniform, name
        if is_uniform:
            assert max(tensor.abs().max() for tensor in module.parameters()) <= 1 / math.sqrt(fan_in), name


def test_torchs_rule_is_what_torch_does():
    with torch.random.fork_rng():
        torchs = nn.Conv2d(64, 256, 3, groups=2)
    ours = base.create("resnet20", (3, 32, 32), 10, seed=0, init="torch").layer3[0].conv2
    bound = 1 / math.sqrt(32 * 9)
    assert 0.99 * bound < torchs.weight.abs().max() <= bound  # 74,000 draws come that close
    assert 0.99 / math.sqrt(64 * 9) < ours.weight.abs().max() <= 1 / math.sqrt(64 * 9)


def test_one_rule_gives_one_network_and_an_unknown_one_is_refused():
    first, again, other = (base.create("lenet5", (1, 28, 28), 10, 3, init).fc1.weight for init in ("torch", "torch", "kaiming-fan-in"))
    assert torch.equal(first, again) and not torch.equal(first, other)
    with pytest.raises(KeyError):
        base.create("lenet5", (1, 28, 28), 10, 3, "xavier")


def test_batch_norms_start_neutral():
    model = base.create("vgg11_bn", (3, 32, 32), 10, seed=0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert bool((module.weight == 1).all()) and bool((module.running_var == 1).all())
            assert not module.bias.any() and not module.running_mean.any() and not module.num_batches_tracked


def test_single_weights_can_be_drawn_afresh():
    model = base.create("resnet20", (1, 8, 8), 10, seed=0)
    model(torch.ones(2, 1, 8, 8))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    chosen = ["conv1.weight", "layer2.0.conv1.weight"]
    base.initialise(model, 0, purpose="afresh/3", only=chosen)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == set(chosen)
    value = base.initial_value(model, "conv1.weight", 0, purpose="afresh/3")
    assert torch.equal(value, model.conv1.weight) and not value.requires_grad
    with pytest.raises(ValueError, match="no such"):
        base.initialise(model, 0, only=["no such"])


def test_values_can_be_drawn_for_a_network_that_lies_elsewhere():
    model = base.create("mlp", (1, 8, 8), 10, seed=0)
    assert torch.equal(base.initial_value(base.skeleton("mlp", (1, 8, 8), 10), "fc1.weight", 0), model.fc1.weight)


class Token(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.full((3,), math.nan))


class OwnToken(Token):
    def initialise_own(self, generator):
        self.token.normal_(generator=generator("token"))


@pytest.mark.parametrize("unknown", [Token(), nn.PReLU(), nn.Embedding(3, 3), nn.MultiheadAttention(4, 2)])
def test_nothing_is_left_uninitialised(unknown):
    with pytest.raises(ValueError, match=rf"^inner.* \({type(unknown).__name__}\) has no rule"):
        base.initialise(nn.ModuleDict({"inner": unknown}), 0)


def test_unknown_buffers_are_refused_too():
    module = nn.Module()
    module.register_buffer("positions", torch.zeros(3), persistent=False)
    with pytest.raises(ValueError, match="inner"):
        base.initialise(nn.ModuleDict({"inner": module}), 0)


def test_a_module_may_initialise_its_own_parameters():
    values = []
    for inner in (nn.ModuleDict({"inner": OwnToken()}), nn.ModuleDict({"first": nn.Linear(2, 2), "inner": OwnToken()})):
        base.initialise(inner, 5)
        values.append(inner["inner"].token.detach())
    assert torch.equal(*values) and bool(torch.isfinite(values[0]).all())
    before = values[0].clone()
    base.initialise(inner, 5, purpose="afresh", only=["first.weight"])
    assert torch.equal(inner["inner"].token, before)


def test_a_network_with_wrong_outputs_is_refused(monkeypatch):
    module = plugins.load("models", "mlp")
    monkeypatch.setattr(module, "build", lambda name, shape, classes: nn.Flatten())
    with pytest.raises(ValueError, match="needed is"):
        base.skeleton("mlp", (1, 8, 8), 10)
