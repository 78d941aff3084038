"""Gradient rollout: rollout of the attention that raises the class's score.

The form of Chefer et al., CVPR 2021, https://arxiv.org/abs/2012.09838, with gradient times attention in the place of
gradient times layer-wise relevance.
"""

from torch import Tensor

from kdcore.explain.maps.attention import attention_and_gradients
from kdcore.explain.maps.base import Ask, MethodCard, last_shape
from kdcore.explain.maps.rollout import rollout
from kdcore.models import Tapped

CARD = MethodCard(
    title="Gradient rollout",
    shows="Rollout of that part of the attention which raises the chosen class's score.",
    architectures="vit",
    needs_gradient=True,
    explains_class=True,
)


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, layers = attention_and_gradients(model, images, ask)
    useful = [(attention * gradient).clamp(min=0).mean(dim=1) for attention, gradient in layers]
    patches = rollout(useful)[:, model.prefix_tokens :]
    return logits, patches.unflatten(1, last_shape(model, images)[1:])
