"""HiResCAM: activation times gradient at every place: the places that make up the class's score.

Draelos & Carin, 2020, https://arxiv.org/abs/2011.08891
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.base import MapCard, MapOptions
from kdcore.explain.reading.activations import activations_and_gradients
from kdcore.models import Tapped

CARD = MapCard(
    title="HiResCAM",
    summary="The places that the class's score is made of; like Grad-CAM, but without averaging the gradient over places.",
    about=(
        "Activation times gradient at every place, without averaging the gradient first. Shows the places that make "
        "up the score, exactly so in a network whose last step is linear in the map. Equal to Grad-CAM for a CNN that "
        "averages over places before its classifier; sharper for a ViT. Does not show more than one layer, at the "
        "resolution of that layer's grid. Empty where Grad-CAM is."
    ),
    family="Class activation maps",
    order=3,
    takes_layer=True,
    needs_gradient=True,
    explains_class=True,
    forwards=1.3,
    first_choice=True,
    paper="Draelos & Carin, 2020",
    url="https://arxiv.org/abs/2011.08891",
)


def hires_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """ReLU(sum_c gradient_c activation_c): [B, C, H, W] twice -> [B, H, W]."""
    return F.relu((gradients * activations).sum(dim=1))


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, activations, gradients = activations_and_gradients(model, images, options)
    return logits, hires_cam(activations, gradients)
