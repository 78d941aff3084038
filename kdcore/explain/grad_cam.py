"""Grad-CAM: the channels of the last map, weighted by how much each raises the class's score.

Selvaraju et al., ICCV 2017, https://arxiv.org/abs/1610.02391
"""

import weakref

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.explain.base import MethodCard, NotDefined, as_grid, chosen_class, hooked, last_shape
from kdcore.models import Tapped

CARD = MethodCard(
    title="Grad-CAM",
    shows="The regions that speak for the chosen class in the network's last layers; what speaks against it is left out.",
    architectures="any",
    needs_gradient=True,
    explains_class=True,
)


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """ReLU(sum_c mean_hw(gradient_c) activation_c): [B, C, H, W] twice -> [B, H, W]."""
    weights = gradients.mean(dim=(2, 3), keepdim=True)  # [B, C, 1, 1]
    return F.relu((weights * activations).sum(dim=1))


def maps(
    model: Tapped, images: Tensor, *, target: Tensor | None = None, layer: int | None = None, head: int | None = None
) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]. The graph starts at the layer, so this costs hardly more than a forward."""
    module, (channels, *grid) = _last_map(model, images)
    taken: list[Tensor] = []

    def start_here(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        taken[:] = [output.detach().requires_grad_()]
        torch.set_grad_enabled(True)  # until no_grad below ends
        return taken[0].clone()  # a copy, because what follows may write into it

    with torch.no_grad(), hooked([(module, start_here)]):
        logits = model(images).logits
    with torch.enable_grad():
        score = logits.gather(1, chosen_class(logits, target)[:, None]).sum()
    (gradients,) = torch.autograd.grad(score, taken[0])
    place = (grid[0], grid[1])
    return logits, grad_cam(as_grid(taken[0].detach(), place, channels), as_grid(gradients, place, channels))


_found: "weakref.WeakKeyDictionary[Tapped, str]" = weakref.WeakKeyDictionary()


def _last_map(model: Tapped, images: Tensor) -> tuple[nn.Module, tuple[int, int, int]]:
    """The module whose output is explained, and that output's shape as (C, H, W).

    For a transformer the norm before the last block's attention: where a class token is read out, the patch tokens
    that leave the last block have no gradient at all. Else the last module that gives the model's last feature map.
    """
    shape = last_shape(model, images)
    if (norm := _last_norm(model.net)) is not None:
        return norm, shape
    if model not in _found:
        channels, height, width = shape
        tokens = (height * width + model.prefix_tokens, channels)
        alike = {(channels, height, width), (height, width, channels), tokens}
        seen: list[str] = []
        names = {module: name for name, module in model.named_modules()}

        def note(module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and tuple(output.shape[1:]) in alike:
                seen.append(names[module])

        with torch.no_grad(), hooked([(m, note) for m in model.net.modules() if m is not model.net]):
            model(images[:1])
        if not seen:
            raise NotDefined(
                "Grad-CAM is not defined for this model, because no layer of it gives its last feature map."
            )
        _found[model] = seen[-1]
    return model.get_submodule(_found[model]), shape


def _last_norm(net: nn.Module) -> nn.Module | None:
    """timm's and torchvision's vision transformers; None for everything else."""
    for blocks, norm in (("blocks", "norm1"), ("encoder.layers", "ln_1")):
        try:
            last = net.get_submodule(blocks)[-1]  # type: ignore[index]
            return last.get_submodule(norm)
        except (AttributeError, TypeError, KeyError, IndexError):
            continue
    return None
