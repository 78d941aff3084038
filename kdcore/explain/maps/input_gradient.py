"""Input gradient: the pixels whose change would change the class's score most.

Simonyan et al., 2013, https://arxiv.org/abs/1312.6034
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.maps.base import Ask, MethodCard
from kdcore.models import Tapped

CARD = MethodCard(
    title="Input gradient",
    shows="Where a small change of the pixels would change the chosen class's score most, for or against it.",
    architectures="any",
    needs_gradient=True,
    explains_class=True,
)


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W] on the grid of the model's last features."""
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        outputs = model(images, frozenset({"logits", "features"}))
        score = ask.score(outputs.logits)
    (gradients,) = torch.autograd.grad(score, images)
    return outputs.logits, F.adaptive_avg_pool2d(gradients.abs().sum(dim=1), outputs.features[-1].shape[2:])
