"""Networks with fewer channels than their architecture has, described by the widths of their layers.

    widths = pruned.widths(net, whole)     # {"layer1.0.conv1": [12, 0], "layer1.0.bn1": [12], "layer1.0.conv2": [0, 12]}
    pruned.narrow(another, widths)         # the same shapes in a network of this architecture

A convolution or linear layer has two numbers, outputs and inputs; a BatchNorm one, and timm's attention one, its heads. 0 stands for as many as the architecture has,
so that a classifier keeps its number of classes. Widths are plain data: the option `pruned` of a recipe or a weight file. Which
channels are removed is decided in `kdcore.pruning`; a network is rebuilt from its widths without the library used there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.layers import Attention
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from kdcore.errors import UserError, clipped, shortened
from kdcore.models.tapped import in_eval

OPTION = "pruned"
UNITS = {"channels": "channels of convolutions", "hidden units": "hidden units of MLPs", "heads": "attention heads"}
Widths = Mapping[str, Sequence[int]]


def channels(layer: nn.Module) -> tuple[int, ...]:
    """A layer's outputs and inputs, a BatchNorm's channels, or an attention's heads; () for a layer that is not narrowed."""
    if isinstance(layer, nn.Conv2d):
        return layer.out_channels, layer.in_channels
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features
    if type(layer) is Attention:
        return (layer.num_heads,)
    return (layer.num_features,) if isinstance(layer, _BatchNorm) else ()


def is_depthwise(layer: nn.Module) -> bool:
    """Whether a convolution filters each of its channels alone."""
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels == layer.out_channels


def widths(net: nn.Module, whole: nn.Module) -> dict[str, list[int]]:
    """The widths of the layers of `net` that have fewer channels than those of `whole`, a network of the same architecture."""
    full = dict(whole.named_modules())
    found = {}
    for name, layer in net.named_modules():
        pairs = list(zip(channels(layer), channels(full[name]), strict=True))
        if any(has != had for has, had in pairs):
            found[name] = [0 if has == had else has for has, had in pairs]
    return found


def narrow(net: nn.Module, to: Widths, model: str) -> None:
    """Reduce the layers of a network to these widths; each keeps its first channels.

    Args:
        model: the network's name, for messages.

    Raises:
        UserError: there is no such layer, or the numbers do not fit it.
    """
    layers = dict(net.named_modules())
    for name, wanted in to.items():
        layer = layers.get(name)
        has = channels(layer) if layer is not None else ()
        if layer is None or not has:
            raise UserError(
                f"{model} has no convolution, linear layer, BatchNorm or attention {shortened(name)} that the option {OPTION} could narrow: the "
                "weights were pruned from another network."
            )
        if len(has) != len(wanted) or any(want > had for want, had in zip(wanted, has, strict=True)):
            raise UserError(
                f"The option {OPTION} gives {shortened(name)} of {model} the channels {clipped(str(list(wanted)))}; at most {list(has)} "
                "were expected (outputs and inputs; 0: as many as there are)."
            )
        _cut(layer, [want or had for want, had in zip(wanted, has, strict=True)], f"{shortened(name)} of {model}")


def check_fits(net: nn.Module, image_size: int, model: str) -> None:
    """Refuse widths of layers that do not fit each other, from shapes alone. Raises UserError."""
    hollow = {  # of each module once: a module that blocks share would be left without values
        f"{module_name}.{name}".removeprefix("."): torch.empty_like(each, device="meta")
        for module_name, module in net.named_modules()
        for name, each in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    }
    try:
        with in_eval(net), torch.no_grad():
            images = torch.empty(1, 3, image_size, image_size, device="meta")
            functional_call(net, hollow, (images,), tie_weights=False)
    except NotImplementedError:  # of a network that only computes with numbers
        return
    except (RuntimeError, ValueError, TypeError, LookupError, AssertionError) as error:
        raise UserError(
            f"The option {OPTION} gives layers of {model} channels that do not fit each other ({clipped(str(error))}): use the widths of "
            "`python -m kdcore prune`, all of them."
        ) from None


def in_words(origin: Mapping[str, Any]) -> str:
    """The `pruning` of a weight file's header: what the network was pruned from, and what that cost before any fine-tuning."""
    (macs, left), (parameters, kept), (before, after) = origin["macs"], origin["parameters"], origin["top1"]
    units = [f"{has:,} of {had:,} {UNITS[kind]}" for kind, (had, has) in origin.get("units", {}).items()]
    return (
        f"Pruned from {clipped(origin['of'])} by {clipped(origin['score'])}: {left / 1e6:.2f} of {macs / 1e6:.2f} million MACs, {kept:,} of "
        f"{parameters:,} parameters{''.join(f', {each}' for each in units)}. Accuracy on {origin['images']:,} test images before fine-tuning: {100 * after:.1f} %, unpruned "
        f"{100 * before:.1f} %."
    )


def _cut(layer: nn.Module, to: list[int], whose: str) -> None:
    if isinstance(layer, nn.Conv2d):
        if is_depthwise(layer):
            layer.groups = to[0]
        elif layer.groups > 1:
            raise UserError(f"{whose} is a convolution in {layer.groups} groups, which is not narrowed.")
        layer.out_channels, layer.in_channels = to
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = to
    elif isinstance(layer, _BatchNorm):
        (layer.num_features,) = to
    elif isinstance(layer, Attention):
        (layer.num_heads,) = to
        layer.attn_dim = layer.num_heads * layer.head_dim
    for name, tensor in [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]:
        if tensor.dim():  # not BatchNorm's counter
            setattr(layer, name, _first(tensor, to[: tensor.dim()]))


def _first(tensor: Tensor, to: list[int]) -> Tensor:
    """The first channels along the first dimensions; a depthwise filter's second has length 1."""
    kept = tensor.detach()
    for dimension, count in enumerate(to):
        kept = kept.narrow(dimension, 0, min(count, kept.shape[dimension]))
    kept = kept.clone()
    return nn.Parameter(kept, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else kept
