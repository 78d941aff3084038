"""Fused copies of frozen networks for inference: BatchNorm merged into the convolution before it."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from kdcore.models.tapped import Tapped, in_eval

ALL = frozenset({"logits", "features"})
TOLERANCE = 1e-3  # largest difference of an output relative to its maximum; float32 has about 1e-6 per layer


def quick(model: Tapped, dtype: torch.dtype = torch.bfloat16) -> Tapped:
    """A copy of a network with each BatchNorm fused into the convolution before it, computing in `dtype`.

    Its images are normalised in float32. A network that folding would change is only converted.
    """
    fast = _folded(model)
    fast.net.to(dtype)
    fast.dtype = dtype
    return fast.eval().requires_grad_(False)


def _folded(model: Tapped) -> Tapped:
    """Convolution and BatchNorm as one convolution, wherever the output of the one is only the input of the other."""
    folded = copy.deepcopy(model)
    side = model.image_size
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(model.mean.device)
    with torch.no_grad(), in_eval(folded):
        pairs = _pairs(folded, image)
        for convolution, norm in pairs:
            _fold(folded.net, convolution, norm)
        if not pairs:
            return folded
        with in_eval(model):
            wanted = model(image, ALL)
        found = folded(image, ALL)
    outputs = zip((found.logits, *found.features), (wanted.logits, *wanted.features), strict=True)
    if any((found - wanted).abs().max() > TOLERANCE * wanted.abs().max() for found, wanted in outputs):
        return copy.deepcopy(model)  # the output of a convolution is used elsewhere too
    return folded


def _pairs(model: Tapped, image: Tensor) -> list[tuple[str, str]]:
    """The names of convolutions and of the norms after them, from one forward."""
    made: dict[int, tuple[str, Tensor]] = {}  # holds the tensor, so that its id stays unique
    pairs: list[tuple[str, str]] = []
    calls: dict[str, int] = {}
    hooks = []

    def listen(name: str, module: nn.Module) -> None:
        def after_convolution(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            calls[name] = calls.get(name, 0) + 1
            made[id(output)] = name, output

        def before_norm(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            calls[name] = calls.get(name, 0) + 1
            if id(inputs[0]) in made:
                pairs.append((made[id(inputs[0])][0], name))

        if type(module) is nn.Conv2d:
            hooks.append(module.register_forward_hook(after_convolution))
        elif isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
            hooks.append(module.register_forward_pre_hook(before_norm))

    for name, module in model.net.named_modules():
        listen(name, module)
    model(image)
    for hook in hooks:
        hook.remove()
    return [pair for pair in pairs if calls[pair[0]] == calls[pair[1]] == 1]


def _fold(net: nn.Module, convolution_name: str, norm_name: str) -> None:
    convolution, norm = net.get_submodule(convolution_name), net.get_submodule(norm_name)
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    parent, _, own = norm_name.rpartition(".")
    setattr(net.get_submodule(parent), own, _after(norm))


def _after(norm: nn.BatchNorm2d) -> nn.Module:
    """What follows within a norm: timm's includes the activation."""
    steps = [getattr(norm, name) for name in ("drop", "act") if isinstance(getattr(norm, name, None), nn.Module)]
    return nn.Sequential(*steps) if steps else nn.Identity()
