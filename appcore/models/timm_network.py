"""Any image network of timm by name, as `timm:resnet10t`: random initial values, any channels and classes. Needs the package timm.

Nothing is downloaded. To begin with pretrained weights, save them once yourself and name the file in the setting `weights`:
`safetensors.torch.save_file(timm.create_model(NAME, pretrained=True, num_classes=CLASSES).state_dict(), "start.safetensors")`.

As torchvision's (torchvision_classifier.py) they have neither dropout nor stochastic depth, and convolutions, linear layers and norms begin
by the rules in base.py; what only these networks own begins as their constructors make it (constructed.py). Networks that have a size of
image built in, such as vision transformers, are built for that of the images. Attention is computed without fused kernels, which do not
repeat to the bit on GPUs.
"""

from __future__ import annotations

import difflib
from functools import partial
from typing import Any

from torch import nn

from ..errors import InputError
from .constructed import fit

CHOICES = {"timm:": "A network of timm, by name"}
FOREIGN = True


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network that timm registers under the part of `name` after the colon, without its pretrained weights."""
    try:
        import timm
        from timm.layers import set_fused_attn
    except ModuleNotFoundError as error:
        raise InputError(f"arch: {name} needs the package {error.name}; run pip install timm, or choose torchvision:NAME", "arch") from None
    wanted, known = name.partition(":")[2], timm.list_models()
    if wanted not in known:
        close = difflib.get_close_matches(wanted, known, n=5, cutoff=0.5) or ["resnet18", "mobilenetv3_small_050", "convnext_atto"]
        raise InputError(f"arch: {name}: timm has no network {wanted!r}; do you mean {' or '.join(close)}?", "arch")
    set_fused_attn(False)
    return fit(partial(_network, timm.create_model, wanted, shape, classes))


def _network(create: Any, name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Built for the size of the images where its constructor asks for one."""
    usual = {"pretrained": False, "in_chans": shape[0], "num_classes": classes}
    try:
        return create(name, **usual, img_size=shape[1:])
    except TypeError:  # most have no such argument
        return create(name, **usual)
