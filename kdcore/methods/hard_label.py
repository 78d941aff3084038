"""Hard-label distillation: cross-entropy with the teacher's predicted class.

Touvron et al., Training data-efficient image transformers & distillation through attention (DeiT), ICML 2021,
https://arxiv.org/abs/2012.12877. There a distillation token learns this beside the class token, and both predictions are
averaged at test time; a student without such a token learns it with its only classifier.
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.methods.base import Card, Method
from kdcore.tensors.outputs import Batch, Outputs


def hard_label_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Cross-entropy with the teacher's most likely class as the target, mean over the batch.

    Args:
        student: logits [B, K].
        teacher: logits [B, K].
    """
    return F.cross_entropy(student, teacher.argmax(dim=1))


class HardLabel(Method):
    card = Card(
        title="Hard teacher labels",
        summary="The student, or its distillation token where it has one, learns the teacher's predicted class.",
        formula=r"-\log p_{S}(y_{T}), \qquad y_{T} = \arg\max_{k} z_{T,k}",
        symbols="$z$ logits",
        paper="Touvron et al. (DeiT), ICML 2021",
        url="https://arxiv.org/abs/2012.12877",
        weight=0.5,
        source="DeiT on ImageNet: cross-entropy on the labels 0.5, this 0.5, mean over the batch.",
        use="From a CNN to a ViT, best with a distillation token (a `deit_..._distilled` student).",
        avoid="It keeps only the teacher's first choice; kd also passes on its doubts. The ce term beside it uses the mean of "
        "both tokens' logits; in DeiT it uses the class token's only.",
    )

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        logits = student.logits if student.distilled_logits is None else student.distilled_logits
        return hard_label_loss(logits, teacher.logits)
