"""EigenCAM: the direction in which a layer's activations vary most, whatever the class.

Muhammad & Yeasin, IJCNN 2020, https://arxiv.org/abs/2008.00299
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.base import MapCard, MapOptions
from kdcore.explain.reading.activations import activations as activations_of
from kdcore.models import Tapped

CARD = MapCard(
    title="EigenCAM",
    summary="The first principal component of one layer's activations over the image; not tied to a class.",
    about=(
        "The direction in which a layer's activations vary most over the image: their first principal component. A "
        "component's sign is arbitrary; here it is the one that grows with the activations' energy. Shows what stands "
        "out from the rest of the image to the network, usually the object. Does not depend on any class: it finds "
        "the object also where the prediction is wrong, or rests on something else. Empty where a layer's activations "
        "are the same everywhere."
    ),
    family="Class activation maps",
    order=5,
    takes_layer=True,
    forwards=3.0,
    paper="Muhammad & Yeasin, IJCNN 2020",
    url="https://arxiv.org/abs/2008.00299",
)


def eigen_cam(activations: Tensor) -> Tensor:
    """ReLU of the first principal component of the places' activations: [B, C, H, W] -> [B, H, W].

    A component's sign is arbitrary. It is chosen so that the component grows with the activations' energy: what is bright
    is where the layer is active, not its opposite. NaN where an image's activations are not all numbers.
    """
    places = activations.flatten(2).transpose(1, 2).double()  # [B, N, C]
    known = torch.isfinite(places).all(dim=2, keepdim=True).all(dim=1, keepdim=True)  # the decomposition refuses others
    places = torch.where(known, places, 0.0)
    centred = places - places.mean(dim=1, keepdim=True)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    component = (centred @ directions[:, :1].transpose(1, 2)).squeeze(2)  # [B, N]
    energy = places.square().sum(dim=2)
    together = (component * (energy - energy.mean(1, keepdim=True))).sum(1, keepdim=True)
    component = component * torch.where(together < 0, -1.0, 1.0)
    component = torch.where(known[:, :, 0], component, torch.nan)
    return F.relu(component).unflatten(1, tuple(activations.shape[2:])).float()


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, activations = activations_of(model, images, options)
    return logits, eigen_cam(activations.float())
