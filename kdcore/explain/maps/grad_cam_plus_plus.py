"""Grad-CAM++: Grad-CAM with channel weights from positive gradients, for images with several objects.

Chattopadhay et al., WACV 2018, https://arxiv.org/abs/1710.11063
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.base import MapCard, MapOptions
from kdcore.explain.reading.activations import activations_and_gradients
from kdcore.models import Tapped

CARD = MapCard(
    title="Grad-CAM++",
    summary="Like Grad-CAM, with weights that let several small regions count as much as one large one.",
    about=(
        "Grad-CAM with channel weights from positive gradients alone, larger where few places are active, so that "
        "several small objects count as much as one large one. Shows the regions that raise the class's score, more "
        "of them than Grad-CAM. Does not show what lowers it, and its weights assume activations of a ReLU, which a "
        "ViT's are not. Empty where Grad-CAM is."
    ),
    family="Class activation maps",
    order=2,
    takes_layer=True,
    needs_gradient=True,
    explains_class=True,
    forwards=1.3,
    paper="Chattopadhay et al., WACV 2018",
    url="https://arxiv.org/abs/1710.11063",
)


def grad_cam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """ReLU(sum_c w_c activation_c), w_c = sum_hw(ReLU(g) g^2 / (2 g^2 + sum_hw(activation_c) g^3)): equation 19 of the paper.

    Args:
        activations, gradients: [B, C, H, W]; returns [B, H, W].
    """
    squares = gradients.square()
    whole = activations.sum(dim=(2, 3), keepdim=True)
    shares = squares / (2 * squares + whole * squares * gradients + 1e-6)
    shares = torch.where(gradients != 0, shares, 0)
    weights = (F.relu(gradients) * shares).sum(dim=(2, 3), keepdim=True)  # [B, C, 1, 1]
    return F.relu((weights * activations).sum(dim=1))


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, activations, gradients = activations_and_gradients(model, images, options)
    return logits, grad_cam_plus_plus(activations, gradients)
