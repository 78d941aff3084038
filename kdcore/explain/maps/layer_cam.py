"""LayerCAM: activations weighted by the positive gradient at each place, so that early layers give fine maps too.

Jiang et al., IEEE TIP 2021, https://doi.org/10.1109/TIP.2021.3089943
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.maps.base import Ask, MethodCard
from kdcore.explain.maps.cam import activations_and_gradients
from kdcore.models import Tapped

CARD = MethodCard(
    title="LayerCAM",
    shows="Where one layer is active and more activity would raise the class's score; sharp in early layers too.",
    architectures="any",
    takes_layer=True,
    needs_gradient=True,
    explains_class=True,
)


def layer_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """ReLU(sum_c ReLU(gradient_c) activation_c): [B, C, H, W] twice -> [B, H, W]."""
    return F.relu((F.relu(gradients) * activations).sum(dim=1))


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, activations, gradients = activations_and_gradients(model, images, ask)
    return logits, layer_cam(activations, gradients)
