"""Logit standardisation: distillation of logits with mean 0 and standard deviation 1 for each image.

Sun et al., Logit Standardization in Knowledge Distillation, CVPR 2024, https://arxiv.org/abs/2403.01427. A student need
not copy the scale of the teacher's logits, only their relations, so one temperature suits every image.
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method
from kdcore.tensors.outputs import Batch, Outputs, Shapes

EPSILON = 1e-7  # the authors'


def standardised_logits(logits: Tensor) -> Tensor:
    """Logits [B, K] with mean 0 and standard deviation 1 (over K - 1) an image."""
    # a classifier initialised with zeros has no spread; the clamp keeps the root's gradient there from being NaN
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
        summary="The student's logits match the teacher's after both are standardised for each image.",
        formula=r"\tau^2\,\mathrm{KL}\left(\operatorname{softmax}\frac{\hat{z}_{T}}{\tau} \,\Big\|\, "
        r"\operatorname{softmax}\frac{\hat{z}_{S}}{\tau}\right), \qquad \hat{z} = \frac{z - \bar{z}}{\sigma(z)}",
        symbols=r"$z$ logits, $\bar{z}$ and $\sigma(z)$ their mean and standard deviation over an image's classes, $\tau$ "
        "temperature",
        paper="Sun et al., CVPR 2024",
        url="https://arxiv.org/abs/2403.01427",
        weight=9.0,
        temperature=2.0,
        source="The authors' code, CIFAR-100: cross-entropy 0.1, this 9, temperature 2, sum over classes, mean over the batch.",
        use="In either direction, where the two networks' logits differ in scale: the simplest step beyond kd.",
        avoid="Its weight is ten times kd's, as standardised logits are small: do not copy one to the other.",
    )
    uses_temperature = True
    summed_over_classes = True
    two_classes = (
        "standardised logits are +0.71 and -0.71 for every image, which leaves only which class is ahead, and that has no "
        "gradient. Use kd, or a method on features."
    )

    def __init__(self, student: Shapes, teacher: Shapes | None) -> None:
        super().__init__(student, teacher)
        if student.classes == 2:
            raise UserError(f"with two classes {self.two_classes}")

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        return logit_standardisation_loss(student.logits, teacher.logits, temperature=temperature)
