"""Knowledge distillation: the student's softened class probabilities follow the teacher's.

Hinton, Vinyals & Dean, 2015, https://arxiv.org/abs/1503.02531. The squared-logit form is Ba & Caruana, NeurIPS 2014,
https://arxiv.org/abs/1312.6184, the limit of the first for a high temperature.
"""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method
from kdcore.tensors.outputs import Batch, Outputs, Shapes


def kd_loss(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """temperature^2 * KL(teacher || student) of the softened probabilities: sum over classes, mean over the batch.

    The square keeps the gradient's size as the temperature changes (section 2 of the paper).

    Args:
        student: logits [B, K].
        teacher: logits [B, K].
    """
    log_student = F.log_softmax(student / temperature, dim=1)
    log_teacher = F.log_softmax(teacher / temperature, dim=1)
    return temperature**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def centered_logit_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Half the squared difference of the centred logits: the limit of `kd_loss` for a high temperature.

    Sum over classes divided by their number, mean over the batch; so its gradient is (student - teacher) / K, centred.
    """
    difference = (student - student.mean(1, keepdim=True)) - (teacher - teacher.mean(1, keepdim=True))
    return difference.square().mean() / 2


class KD(Method):
    """Options:

    variant: `kl`, or `mse_centered`, the squared difference of centred logits, the limit of `kl` for a high temperature.
    """

    card = Card(
        title="Knowledge distillation",
        summary="The student's softened class probabilities follow the teacher's.",
        formula=r"\tau^2\,\mathrm{KL}\left(p_{T}^{\tau} \,\|\, p_{S}^{\tau}\right)",
        symbols=r"$\tau$ temperature, $p^{\tau}$ softmax of the logits over $\tau$",
        paper="Hinton, Vinyals & Dean, 2015",
        url="https://arxiv.org/abs/1503.02531",
        weight=0.9,
        temperature=4.0,
        source="CIFAR-100 in mdistiller and RepDistiller: cross-entropy 0.1, this 0.9, temperature 4; sum over classes, "
        "mean over the batch.",
        use="The method to try first, in either direction: it works with any two architectures.",
        avoid="With two classes the soft labels carry little beyond the teacher's confidence. Weights from code that also "
        "averages over the classes (DeiT) or leaves out the square of the temperature mean something else.",
    )
    uses_temperature = True
    soft_labels = True
    summed_over_classes = True

    def __init__(self, student: Shapes, teacher: Shapes | None, *, variant: str = "kl") -> None:
        super().__init__(student, teacher)
        if variant not in ("kl", "mse_centered"):
            raise UserError(f"variant {variant!r} is not one of 'kl', 'mse_centered'.")
        self.variant = variant

    @classmethod
    def softens(cls, options: Mapping[str, Any]) -> bool:
        return options.get("variant") != "mse_centered"

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        if self.variant == "mse_centered":
            return centered_logit_loss(student.logits, teacher.logits)
        return kd_loss(student.logits, teacher.logits, temperature=temperature)
