"""Whether a network's feature maps depend on the image at all; where they do not, no heatmap means anything."""

import weakref

import torch

from kdcore.models import Tapped
from kdcore.tensors.finite import check_finite

LEAST = (
    1e-4  # of the largest value: how much a black image and noise differ in the last map of a network that sees them
)
INDEPENDENT = (
    "the network's last feature map is the same for a black image and for noise, so no map of it depends on the image, as in a "
    "deep network with random weights. Train the network, or give it trained weights."
)
_dependent: "weakref.WeakSet[Tapped]" = weakref.WeakSet()


def depends_on_image(model: Tapped, side: int) -> bool:
    """Compare two very different images, in eval mode. Once found to differ, a network is not compared again.

    Raises:
        UserError: the network's outputs are not numbers.
    """
    if model in _dependent:
        return True
    noise = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
    images = torch.stack([torch.zeros_like(noise), noise]).to(model.mean.device)
    with torch.no_grad():
        outputs = model(images, frozenset({"logits", "features"}))
    check_finite(outputs.logits)
    last = (outputs.features[-1] if outputs.features else outputs.pooled).float()
    gap, largest = (last[0] - last[1]).abs().max(), last.abs().max()
    if bool(gap <= LEAST * largest):
        return False
    _dependent.add(model)
    return True
