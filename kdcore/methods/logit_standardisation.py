"""Logit standardisation: distillation after both networks' logits are brought to mean 0 and spread 1, image by image.

Sun et al., Logit Standardization in Knowledge Distillation, CVPR 2024, https://arxiv.org/abs/2403.01427. A student need
not copy how large the teacher's logits are, only how they stand to each other, so one temperature suits every image.
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method
from kdcore.tensors.outputs import Batch, Outputs, Shapes

EPSILON = 1e-7  # the authors'


def standardised_logits(logits: Tensor) -> Tensor:
    """Logits [B, K] with mean 0 and standard deviation 1 (over K - 1) an image."""
    # a classifier that starts at zero has no spread; the clamp keeps the root's gradient there from being NaN
    spread = logits.var(dim=1, keepdim=True).clamp(min=EPSILON**2).sqrt()
    return (logits - logits.mean(dim=1, keepdim=True)) / (spread + EPSILON)


def logit_standardisation_loss(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """temperature^2 * KL(teacher || student) of the standardised logits: sum over classes, mean over the batch.

    Args:
        student: logits [B, K].
        teacher: logits [B, K].
    """
    log_student = F.log_softmax(standardised_logits(student) / temperature, dim=1)
    log_teacher = F.log_softmax(standardised_logits(teacher) / temperature, dim=1)
    return temperature**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


class LogitStandardisation(Method):
    card = Card(
        title="Logit standardisation",
        summary="The student's logits stand to each other as the teacher's do, whatever their mean and spread.",
        formula=r"\tau^2\,\mathrm{KL}\left(\operatorname{softmax}\frac{\hat{z}_{T}}{\tau} \,\Big\|\, "
        r"\operatorname{softmax}\frac{\hat{z}_{S}}{\tau}\right), \qquad \hat{z} = \frac{z - \bar{z}}{\sigma(z)}",
        symbols=r"$z$ logits, $\bar{z}$ and $\sigma(z)$ their mean and standard deviation over an image's classes, $\tau$ "
        "temperature",
        paper="Sun et al., CVPR 2024",
        url="https://arxiv.org/abs/2403.01427",
        weight=9.0,
        temperature=2.0,
        source="The authors' code, CIFAR-100: cross-entropy 0.1, this 9, temperature 2, sum over classes, mean over the batch.",
        use="From ViT to CNN and back, where the two networks' logits differ in size: the simplest step up from kd.",
        avoid="Refused with two classes, where it says only which class is ahead. It needs no label. The weight is ten times "
        "kd's, as standardised logits are small: do not copy one to the other.",
    )
    uses_temperature = True

    def __init__(self, student: Shapes, teacher: Shapes | None) -> None:
        super().__init__(student, teacher)
        if student.classes == 2:
            raise UserError(
                "with two classes standardised logits are +0.71 and -0.71 for every image, so nothing is left to learn but "
                "which class is ahead, and that has no gradient. Take kd, or a method on features."
            )

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        return logit_standardisation_loss(student.logits, teacher.logits, temperature=temperature)
