"""Input gradient: the pixels whose change would change the class's score most.

Simonyan et al., 2013, https://arxiv.org/abs/1312.6034
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.base import MapCard, MapOptions
from kdcore.models import Tapped

CARD = MapCard(
    title="Input gradient",
    summary="Where a small change of the pixels would change the chosen class's score most, for or against it.",
    about=(
        "How much the score changes with each pixel, averaged over the cells of the grid. Shows where a small change "
        "matters, which often is a contour. Does not show whether it is for or against the class, nor what a large "
        "change does. Much of it comes from the architecture alone: see the rank correlation without learnt weights "
        "below. Empty where the score does not change."
    ),
    family="Changes of the input",
    order=1,
    needs_gradient=True,
    explains_class=True,
    forwards=3.0,
    paper="Simonyan et al., 2013",
    url="https://arxiv.org/abs/1312.6034",
)


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W] on the grid of the model's last features."""
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        outputs = model(images, frozenset({"logits", "features"}))
        score = options.score(outputs.logits)
    (gradients,) = torch.autograd.grad(score, images)
    return outputs.logits, F.adaptive_avg_pool2d(gradients.abs().sum(dim=1), outputs.features[-1].shape[2:])
