"""Grad-CAM: the channels of a map, weighted by how much each raises the class's score.

Selvaraju et al., ICCV 2017, https://arxiv.org/abs/1610.02391
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.maps.base import Ask, MethodCard
from kdcore.explain.maps.cam import activations_and_gradients
from kdcore.models import Tapped

CARD = MethodCard(
    title="Grad-CAM",
    shows="The regions that speak for the chosen class in one layer; what speaks against it is left out.",
    architectures="any",
    takes_layer=True,
    needs_gradient=True,
    explains_class=True,
)


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """ReLU(sum_c mean_hw(gradient_c) activation_c): [B, C, H, W] twice -> [B, H, W]."""
    weights = gradients.mean(dim=(2, 3), keepdim=True)  # [B, C, 1, 1]
    return F.relu((weights * activations).sum(dim=1))


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, activations, gradients = activations_and_gradients(model, images, ask)
    return logits, grad_cam(activations, gradients)
