"""EigenCAM: the direction in which a layer's activations vary most, whatever the class.

Muhammad & Yeasin, IJCNN 2020, https://arxiv.org/abs/2008.00299
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.maps.base import Ask, MethodCard
from kdcore.explain.maps.cam import activations as activations_of
from kdcore.models import Tapped

CARD = MethodCard(
    title="EigenCAM",
    shows="The pattern that explains most of what one layer's activations do over the picture; not tied to a class.",
    architectures="any",
    takes_layer=True,
)


def eigen_cam(activations: Tensor) -> Tensor:
    """ReLU of the first principal component of the places' activations: [B, C, H, W] -> [B, H, W].

    A component's sign is arbitrary. It is chosen so that the component grows with the activations' energy: what lights
    up is where the layer is active, not its opposite.
    """
    places = activations.flatten(2).transpose(1, 2).double()  # [B, N, C]
    centred = places - places.mean(dim=1, keepdim=True)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    component = (centred @ directions[:, :1].transpose(1, 2)).squeeze(2)  # [B, N]
    energy = places.square().sum(dim=2)
    together = (component * (energy - energy.mean(1, keepdim=True))).sum(1, keepdim=True)
    component = component * torch.where(together < 0, -1.0, 1.0)
    return F.relu(component).unflatten(1, tuple(activations.shape[2:])).float()


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, activations = activations_of(model, images, ask)
    return logits, eigen_cam(activations.float())
