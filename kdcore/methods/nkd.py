"""Normalised knowledge distillation: the teacher's confidence weights the label; the other classes are separate.

Yang et al., From Knowledge Distillation to Self-Knowledge Distillation, ICCV 2023, https://arxiv.org/abs/2303.13005. The
probabilities of the other classes are normalised to sum 1 in both networks, so the student can match them whatever its
probability of the label.
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.methods.base import Card, Factor, Method, mean_of_labelled, without_target
from kdcore.tensors.outputs import Batch, Outputs, Shapes


def nkd_loss(
    student: Tensor, teacher: Tensor, targets: Tensor, *, temperature: float, others_weight: float = 1.5
) -> Tensor:
    """-p_T(y) log p_S(y) + others_weight * temperature^2 * cross-entropy among the classes but y.

    The first part is at temperature 1. Mean over the labelled images; zero (with a graph) where there is none. A
    cross-entropy, not a divergence: it is above 0 for equal logits.

    Args:
        student: logits [B, K].
        teacher: logits [B, K].
        targets: [B]; `NO_LABEL` where the label is withheld.
    """
    label = targets.clamp(min=0)[:, None]
    confidence = teacher.softmax(dim=1).gather(1, label).squeeze(1)
    target = -confidence * F.log_softmax(student, dim=1).gather(1, label).squeeze(1)
    log_student = F.log_softmax(without_target(student, targets) / temperature, dim=1)
    soft_teacher = F.softmax(without_target(teacher, targets) / temperature, dim=1)
    others = -(soft_teacher * log_student).sum(dim=1)
    return mean_of_labelled(target + others_weight * temperature**2 * others, targets)


class NKD(Method):
    """Options:

    others_weight: weight of the part among the classes but the label (gamma in the paper).
    """

    card = Card(
        title="Normalised knowledge distillation",
        summary="The teacher's confidence weights the label; among the other classes the student matches the teacher's "
        "probabilities.",
        formula=r"-p_{T}(y) \log p_{S}(y) - \gamma\, \tau^2 \sum_{k \neq y} \hat{p}_{T}^{\tau}(k) \log "
        r"\hat{p}_{S}^{\tau}(k)",
        symbols=r"$y$ the label, $\tau$ temperature, $\hat{p}$ softmax over the classes but the label, $\gamma$ "
        "`others_weight`",
        paper="Yang et al., ICCV 2023",
        url="https://arxiv.org/abs/2303.13005",
        weight=1.0,
        temperature=1.0,
        source="The authors' code (cls_KD), ImageNet: cross-entropy 1, this 1 with 1.5 at temperature 1, mean over the batch; "
        "with 1 beside feature distillation from ViT to ViT. On CIFAR-100 they use temperature 3 and `others_weight` 3.5.",
        use="In either direction, beside cross-entropy on the labels.",
        avoid="Wrong labels. Its value is not comparable with a divergence: it is above 0 even for equal networks.",
    )
    uses_temperature = True
    needs_labels = True
    refuses_mixed = "it separates the label's class from the others, and a mixed image has two labels"
    soft_labels = True
    summed_over_classes = True
    two_classes = (
        "there is a single other class, so the part among the others is always 0 and the loss is cross-entropy on the "
        "labels, each weighted by the teacher's confidence. Use kd, or a method on features."
    )

    def __init__(self, student: Shapes, teacher: Shapes | None, *, others_weight: Factor = 1.5) -> None:
        super().__init__(student, teacher)
        self.others_weight = others_weight

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        return nkd_loss(
            student.logits,
            teacher.logits,
            batch.targets,
            temperature=temperature,
            others_weight=self.others_weight,
        )
