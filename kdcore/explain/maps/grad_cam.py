"""Grad-CAM: the channels of a map, weighted by how much each raises the class's score.

Selvaraju et al., ICCV 2017, https://arxiv.org/abs/1610.02391
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.base import MapCard, MapOptions
from kdcore.explain.reading.activations import activations_and_gradients
from kdcore.models import Tapped

CARD = MapCard(
    title="Grad-CAM",
    summary="The regions of one layer that raise the score of the chosen class; what lowers it is left out.",
    about=(
        "The channels of one layer, each weighted by the mean of its gradient over the image, summed; negative values "
        "are cut off. Shows the regions that raise the class's score. Does not show where in the image a channel "
        "matters: the mean over places removes that. In a CNN that averages over places before its classifier nothing "
        "is lost; in a ViT, whose last layer is read at one token, most is. Empty where nothing in the layer raises "
        "the score. For a ViT the layer is the norm before a block's attention, because the patches that leave the "
        "last block have no gradient."
    ),
    family="Class activation maps",
    order=1,
    takes_layer=True,
    needs_gradient=True,
    explains_class=True,
    forwards=1.3,
    paper="Selvaraju et al., ICCV 2017",
    url="https://arxiv.org/abs/1610.02391",
)


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """ReLU(sum_c mean_hw(gradient_c) activation_c): [B, C, H, W] twice -> [B, H, W]."""
    weights = gradients.mean(dim=(2, 3), keepdim=True)  # [B, C, 1, 1]
    return F.relu((weights * activations).sum(dim=1))


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, activations, gradients = activations_and_gradients(model, images, options)
    return logits, grad_cam(activations, gradients)
