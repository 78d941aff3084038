"""HiResCAM: activation times gradient at every place, so that only what the class's score is made of is shown.

Draelos & Carin, 2020, https://arxiv.org/abs/2011.08891
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.maps.base import Ask, MethodCard
from kdcore.explain.maps.cam import activations_and_gradients
from kdcore.models import Tapped

CARD = MethodCard(
    title="HiResCAM",
    shows="The places that the class's score is made of; like Grad-CAM, but without averaging the gradient over places.",
    architectures="any",
    takes_layer=True,
    needs_gradient=True,
    explains_class=True,
)


def hires_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """ReLU(sum_c gradient_c activation_c): [B, C, H, W] twice -> [B, H, W]."""
    return F.relu((gradients * activations).sum(dim=1))


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, activations, gradients = activations_and_gradients(model, images, ask)
    return logits, hires_cam(activations, gradients)
