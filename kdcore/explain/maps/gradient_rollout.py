"""Gradient rollout: rollout of the attention that raises the class's score.

The form of Chefer et al., CVPR 2021, https://arxiv.org/abs/2012.09838, with gradient times attention in the place of
gradient times layer-wise relevance.
"""

from torch import Tensor

from kdcore.explain.base import CLASS_TOKEN, MapCard, MapOptions
from kdcore.explain.maps.rollout import rollout
from kdcore.explain.reading.attention import attention_and_gradients
from kdcore.explain.reading.hooks import last_shape
from kdcore.models import Tapped

CARD = MapCard(
    title="Gradient rollout",
    summary="Rollout of that part of the attention which raises the chosen class's score.",
    about=(
        "Rollout of the part of the attention that raises the class's score: attention times its gradient, the "
        "positive part, mean over heads. Shows the path to this class's score. Does not show what lowers it. Empty "
        "where no attention raises the score. Gradient times attention takes the place of the paper's layer-wise "
        "relevance."
    ),
    family="Attention",
    order=3,
    networks=CLASS_TOKEN,
    needs_gradient=True,
    explains_class=True,
    forwards=2.3,
    counterpart="hires_cam",
    paper="After Chefer et al., CVPR 2021",
    url="https://arxiv.org/abs/2012.09838",
)


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, layers = attention_and_gradients(model, images, options)
    useful = [(attention * gradient).clamp(min=0).mean(dim=1) for attention, gradient in layers]
    patches = rollout(useful)[:, model.prefix_tokens :]
    return logits, patches.unflatten(1, last_shape(model, images)[1:])
