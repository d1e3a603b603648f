"""torchvision:NAME: every classifier is built without values, started by keyed rules, listed layer by layer, counted, and trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from appcore import RunConfig, plugins, run
from appcore.engine import flops
from appcore.errors import InputError
from appcore.events import MegabatchDone, Started
from appcore.masks import selection
from appcore.masks.alive import alive_masks
from appcore.models import base
from appcore.models.torchvision_classifier import HardSigmoid, SelfAttention

# name: side of the images, convolutions, linear layers, parameters with 1,000 classes as torchvision documents them
NETWORKS = {
    "resnet18": (64, 20, 1, 11_689_512),
    "mobilenet_v3_small": (64, 52, 2, 2_542_856),
    "efficientnet_b0": (64, 81, 1, 5_288_548),
    "regnet_y_400mf": (64, 85, 1, 4_344_144),
    "convnext_tiny": (64, 22, 37, 28_589_128),
    "vit_b_16": (224, 1, 49, 86_567_656),
    "swin_v2_t": (64, 1, 76, 28_351_570),
    "maxvit_t": (224, 61, 90, 30_919_624),
    "squeezenet1_1": (64, 26, 0, 1_235_496),
    "shufflenet_v2_x0_5": (64, 56, 1, 1_366_792),
    "googlenet": (64, 57, 1, 6_624_904),
}
SMALL = ["mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"]


def arch(name: str) -> str:
    return f"torchvision:{name}"


def layers(model: nn.Module, kind: type) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, kind)]


@pytest.mark.thorough
@pytest.mark.parametrize("name", NETWORKS)
def test_layers_and_parameters_are_those_of_torchvision(name: str) -> None:
    side, convolutions, linears, documented = NETWORKS[name]
    before = torch.get_rng_state()
    model = base.skeleton(arch(name), (3, side, side), 1000)  # checks the shape of the outputs itself
    assert {tensor.device.type for tensor in [*model.parameters(), *model.buffers()]} == {"meta"}
    assert sum(parameter.numel() for parameter in model.parameters()) == documented
    assert (len(layers(model, nn.Conv2d)), len(layers(model, nn.Linear))) == (convolutions, linears)
    assert len(selection.prunable_names(model, "all")) == convolutions + linears
    assert not layers(model, nn.modules.dropout._DropoutNd) and not any("Stochastic" in type(m).__name__ for m in model.modules())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.thorough
def test_the_first_convolution_takes_any_channels_and_keeps_its_stem() -> None:
    for name, kernel in (("mobilenet_v3_small", (3, 3)), ("vit_b_16", (16, 16)), ("resnet18", (7, 7))):
        for channels in (1, 3, 4):
            first = layers(base.skeleton(arch(name), (channels, 32, 32), 5), nn.Conv2d)[0]
            assert (first.in_channels, first.kernel_size) == (channels, kernel)


def test_unknown_names_get_close_ones_and_small_images_a_reason() -> None:
    for name, says in (("mobilnet_v2", "mobilenet_v2"), ("resnet-50", "resnet50"), ("???", "resnet18"), ("fcn_resnet50", "resnet50")):
        with pytest.raises(InputError, match=rf"^arch: torchvision:.* do you mean .*{says}") as caught:
            base.create(arch(name), (3, 32, 32), 10, seed=0)
        assert caught.value.field == "arch" and "\n" not in caught.value.message
    for name, says in (("vit_b_16", "multiple of 16"), ("alexnet", "too small"), ("maxvit_t", "partition size 7")):
        with pytest.raises(InputError, match=rf"cannot take images of 1 x 8 x 8 .*{says}") as caught:
            base.skeleton(arch(name), (1, 8, 8), 10)
        assert caught.value.field == "arch" and "\n" not in caught.value.message
    with pytest.raises(ValueError, match=r"torchvision:\.\.\."):
        RunConfig(arch="torchvision:")
    assert plugins.find("models", "torchvision:resnet18").takes_argument


def test_one_seed_gives_one_network_with_every_value_set() -> None:
    before = torch.get_rng_state()
    first, again, other = (base.create(arch("mobilenet_v3_small"), (3, 32, 32), 10, seed) for seed in (3, 3, 4))
    for key, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[key]) and bool(torch.isfinite(tensor.float()).all()), key
    assert not torch.equal(layers(first, nn.Conv2d)[0].weight, layers(other, nn.Conv2d)[0].weight)
    outputs = first(torch.linspace(-2, 2, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32))
    assert outputs.shape == (2, 10) and bool(torch.isfinite(outputs).all()) and torch.equal(torch.get_rng_state(), before)


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "side"), [("swin_t", 32), ("swin_v2_t", 32), ("maxvit_t", 224)])
def test_tables_that_torchvision_computes_when_it_builds_are_there(name: str, side: int) -> None:
    from torchvision import models

    with torch.random.fork_rng():  # theirs draws from the process-wide generator
        sizes = {"input_size": (side, side)} if name == "maxvit_t" else {}
        theirs = models.get_model(name, weights=None, num_classes=10, **sizes).state_dict()
    ours = base.create(arch(name), (3, side, side), 10, seed=0)
    table = next(buffer for key, buffer in ours.named_buffers() if "index" in key)
    for key, tensor in ours.state_dict().items():
        if "index" in key or "coords" in key or "logit_scale" in key:
            assert torch.equal(tensor, theirs[key]), key
        if "bias_table" in key:
            assert tensor.std().item() == pytest.approx(0.02, rel=0.15), key
    base.initialise(ours, 1)  # again, as a method does that trains from scratch
    assert any(buffer is table for buffer in ours.buffers())  # filled in place, on whatever device it lies


def test_tokens_positions_and_scales_start_as_in_torchvision() -> None:
    for name, leaves in (("vit_b_32", ["class_token", "encoder.pos_embedding"]), ("convnext_tiny", ["features.1.0.layer_scale"])):
        model = base.skeleton(arch(name), (3, 224, 224), 10).to_empty(device="cpu")
        base.initialise(model, 0, only=leaves)
        for leaf in leaves:
            value = model.get_parameter(leaf)
            spread, mean = {"class_token": (0, 0), "layer_scale": (0, 1e-6)}.get(leaf.rpartition(".")[2], (0.02, 0))
            assert value.std().item() == pytest.approx(spread, rel=0.05) and value.mean().item() == pytest.approx(mean, abs=1e-3)


def test_attention_equals_torchs() -> None:
    theirs, ours = nn.MultiheadAttention(12, 3, batch_first=True), SelfAttention(12, 3)
    with torch.no_grad():
        for linear, weight, bias in (
            (ours.in_proj, theirs.in_proj_weight, theirs.in_proj_bias.uniform_()),
            (ours.out_proj, theirs.out_proj.weight, theirs.out_proj.bias.uniform_()),
        ):
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
    x = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x, x, x)[0], theirs(x, x, x, need_weights=False)[0])


def test_the_gate_of_mobilenet_equals_torchs() -> None:
    x = torch.linspace(-5, 5, 101)
    torch.testing.assert_close(HardSigmoid()(x), functional.hardsigmoid(x))


def test_auto_prunes_every_layer_of_a_transformer_and_the_convolutions_of_the_others() -> None:
    for name, expected in (("vit_b_32", 50), ("swin_t", 53), ("mobilenet_v3_small", 52)):
        assert len(selection.prunable_names(base.skeleton(arch(name), (3, 32, 32), 10))) == expected


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "vit_b_32", "squeezenet1_1"])
def test_flops_are_found_layer_by_layer(name: str) -> None:
    counted = flops.count(arch(name), (3, 64, 64), 10)
    assert all(counted.layers.values()) and 0.9 < sum(counted.layers.values()) / counted.forward <= 1
    assert 2 < counted.training / counted.forward < 3.1 and flops.activation_bytes(arch(name), (3, 64, 64), 10) > 0


@pytest.mark.parametrize("name", ["regnet_y_400mf", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"])
def test_dead_weights_have_no_gradient_where_no_constant_flows(name: str) -> None:
    """A third of all channels without weights, in eval mode, biases and shifts at 0: what `alive` calls dead must not matter."""
    model = base.create(arch(name), (3, 64, 64), 10, seed=0).eval()
    names = selection.prunable_names(model, "all")
    draw = torch.Generator().manual_seed(1)
    kept = {}
    for key in names:
        shape = model.get_parameter(key).shape
        channels = torch.rand(shape[0], *[1] * (len(shape) - 1), generator=draw) < 0.67
        kept[key] = (torch.rand(shape, generator=draw) < 0.5) & channels
    kept[names[-1]].fill_(True)
    selection.apply(model, kept)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.endswith("bias"):
                parameter.zero_()
    model.double()(torch.randn(4, 3, 64, 64, generator=draw).double()).square().sum().backward()
    alive = alive_masks(model, kept, (3, 64, 64))
    used = {key: kept[key] & (model.get_parameter(key).grad != 0) for key in names}
    assert not any((used[key] & ~alive[key]).any() for key in names)
    total, living = sum(selection.count(kept).values()), sum(selection.count(alive).values())
    assert living < 0.9 * total and sum(selection.count(used).values()) > 0.5 * living  # ReLU hides the others from these images


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["swin_v2_t", "convnext_tiny"])
def test_a_dense_network_with_layer_norms_is_alive(name: str) -> None:
    model = base.create(arch(name), (3, 64, 64), 10, seed=0)
    kept = selection.full_masks(model, selection.prunable_names(model, "all"))
    alive = alive_masks(model, kept, (3, 64, 64))
    dead = [key for key in kept if not alive[key].all()]  # taps of 7 x 7 that only meet padding when 2 x 2 pixels are left
    assert not dead or (name == "convnext_tiny" and all(kept[key].shape[1:] == (1, 7, 7) for key in dead))


def test_attention_needs_query_key_and_value() -> None:
    width, heads = 4, 2
    model = nn.Sequential(nn.Linear(3, width), nn.LayerNorm(width), _Mixed(SelfAttention(width, heads)), nn.Linear(width, 2))
    everything = selection.full_masks(model, selection.prunable_names(model, "all"))
    assert all(mask.all() for mask in alive_masks(model, everything, (1, 5, 3)).values())
    cases = {"key": (slice(4, 6), slice(0, 2)), "value": (slice(8, 10), slice(0, 2)), "query": (slice(0, 2), slice(4, 6))}
    for cut, dies in cases.values():  # rows of in_proj: queries, keys and values of the first head, two each
        kept = {key: mask.clone() for key, mask in everything.items()}
        kept["2.attention.in_proj.weight"][cut] = False
        alive = alive_masks(model, kept, (1, 5, 3))["2.attention.in_proj.weight"]
        assert not alive[dies].any() and alive[10:].all() and alive[2:4].all() and alive[6:8].all()
        assert bool(alive[8:10].all()) == (cut != slice(8, 10))  # what is looked at evenly still counts


class _Mixed(nn.Module):
    """Self-attention over the rows of an image of one channel, and the mean over them."""

    def __init__(self, attention: SelfAttention):
        super().__init__()
        self.attention = attention

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x[:, 0], x[:, 0], x[:, 0])[0].mean(1)


@pytest.mark.parametrize("name", SMALL)
def test_a_training_step_changes_every_parameter(name: str) -> None:
    model = base.create(arch(name), (1, 32, 32), 10, seed=0)
    before = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
    draw = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    functional.cross_entropy(model(torch.randn(8, 1, 32, 32, generator=draw)), torch.arange(8)).backward()
    optimizer.step()
    changed = [key for key, parameter in model.named_parameters() if not torch.equal(parameter, before[key])]
    assert len(changed) > 0.9 * len(before) and all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())


@pytest.mark.thorough
def test_a_run_prunes_one_on_digits_by_second_derivatives() -> None:
    before = torch.get_rng_state()
    settings = RunConfig(
        arch=arch("mobilenet_v3_small"), pruner="grasp", megabatches=2, epochs=1, limit_train=40, limit_test=20, device="cpu"
    )
    started, *events = run(settings)
    done = [event for event in events if isinstance(event, MegabatchDone)]
    assert isinstance(started, Started) and len(started.layers) == 52 and torch.equal(torch.get_rng_state(), before)
    assert [round(event.density_mask, 3) for event in done] == [0.8, 0.366]
    assert all(event.density_alive <= event.density_effective == event.density_mask for event in done)
