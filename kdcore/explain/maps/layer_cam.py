"""LayerCAM: activations weighted by the positive gradient at each place; sharp in early layers too.

Jiang et al., IEEE TIP 2021, https://doi.org/10.1109/TIP.2021.3089943
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.base import MapCard, MapOptions
from kdcore.explain.reading.activations import activations_and_gradients
from kdcore.models import Tapped

CARD = MapCard(
    title="LayerCAM",
    summary="Where one layer is active and more activity would raise the class's score; sharp in early layers too.",
    about=(
        "Activation times the positive part of the gradient at every place. Shows where the layer is active and more "
        "activity would raise the class's score; made for early layers, where it stays sharp. Does not subtract what "
        "lowers the score at the same place. Empty where Grad-CAM is."
    ),
    family="Class activation maps",
    order=4,
    takes_layer=True,
    needs_gradient=True,
    explains_class=True,
    forwards=1.3,
    paper="Jiang et al., IEEE TIP 2021",
    url="https://doi.org/10.1109/TIP.2021.3089943",
)


def layer_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """ReLU(sum_c ReLU(gradient_c) activation_c): [B, C, H, W] twice -> [B, H, W]."""
    return F.relu((F.relu(gradients) * activations).sum(dim=1))


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, activations, gradients = activations_and_gradients(model, images, options)
    return logits, layer_cam(activations, gradients)
