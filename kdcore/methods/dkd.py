"""Decoupled knowledge distillation: the target against the rest, and the other classes, with a weight each.

Zhao et al., CVPR 2022, https://arxiv.org/abs/2203.08679. In plain distillation a confident teacher
suppresses the second part; here each has its own weight. With weights 1 and 1 - p_T(y) the two add up to `kd`.
"""

from torch import Tensor

from kdcore.methods.base import Card, Factor, Method, decoupled, mean_of_labelled
from kdcore.tensors.outputs import Batch, Outputs, Shapes


def dkd_loss(
    student: Tensor,
    teacher: Tensor,
    targets: Tensor,
    *,
    temperature: float,
    target_weight: float = 1.0,
    others_weight: float = 8.0,
) -> Tensor:
    """temperature^2 * (target_weight * KL(target against the rest) + others_weight * KL(among the others)).

    Sum over classes, mean over the labelled images; zero (with a graph) where there is none.

    Args:
        student: logits [B, K].
        teacher: logits [B, K].
        targets: [B]; `NO_LABEL` where the label is withheld.
    """
    target, others = decoupled(student / temperature, teacher / temperature, targets)
    return temperature**2 * mean_of_labelled(target_weight * target + others_weight * others, targets)


class DKD(Method):
    """Options:

    target_weight: weight of the part on the target against the rest (alpha in the paper).
    others_weight: weight of the part among the other classes (beta in the paper); larger for a more confident teacher.
    """

    card = Card(
        title="Decoupled knowledge distillation",
        summary="The teacher's confidence in the target and its ranking of the other classes, each with a weight.",
        formula=r"\tau^2 \left( \alpha\, \mathrm{KL}\left(b_{T}^{\tau} \,\|\, b_{S}^{\tau}\right) + \beta\, "
        r"\mathrm{KL}\left(\hat{p}_{T}^{\tau} \,\|\, \hat{p}_{S}^{\tau}\right) \right)",
        symbols=r"$\tau$ temperature, $b$ the probabilities of the label and of all the rest, $\hat{p}$ softmax over the "
        r"classes but the label, $\alpha$ `target_weight`, $\beta$ `others_weight`",
        paper="Zhao et al., CVPR 2022",
        url="https://arxiv.org/abs/2203.08679",
        weight=1.0,
        temperature=4.0,
        source="CIFAR-100 in mdistiller: cross-entropy 1, this 1 with 1 and 8 (2 to 8 by pair), temperature 4, sum over "
        "classes, mean over the batch; it grows linearly over the first 20 epochs, as the weight "
        "`piecewise: [[1, 0.05], [20, 1]]` does. ImageNet: others_weight 0.5, temperature 1, over the first epoch. From ViT "
        "to CNN (OFA-KD): 2 at temperature 1.",
        use="In either direction, with a teacher that is confident on nearly every training image.",
        avoid="Wrong labels: they split the teacher's probabilities at the wrong class.",
    )
    uses_temperature = True
    needs_labels = True
    refuses_mixed = "it separates the label's class from the others, and a mixed image has two labels"
    soft_labels = True
    summed_over_classes = True
    two_classes = (
        "there is a single other class, so the part among the others is always 0 and the loss is `target_weight` times kd. "
        "Use kd, whose weight means the same everywhere."
    )

    def __init__(
        self, student: Shapes, teacher: Shapes | None, *, target_weight: Factor = 1.0, others_weight: Factor = 8.0
    ) -> None:
        super().__init__(student, teacher)
        self.target_weight, self.others_weight = target_weight, others_weight

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        return dkd_loss(
            student.logits,
            teacher.logits,
            batch.targets,
            temperature=temperature,
            target_weight=self.target_weight,
            others_weight=self.others_weight,
        )
