"""DIST: the student's probabilities correlate with the teacher's, over classes and over images.

Huang et al., Knowledge Distillation from A Stronger Teacher, NeurIPS 2022, https://arxiv.org/abs/2205.10536. A
correlation asks for less than equality, which a small student cannot reach with a much stronger teacher.
"""

from torch import Tensor

from kdcore.methods.base import Card, Factor, Method
from kdcore.tensors.outputs import Batch, Outputs, Shapes

EPSILON = 1e-8  # the authors'. It matters with many classes, where a class's probabilities over a batch are as small


def dist_loss(
    student: Tensor, teacher: Tensor, *, temperature: float, inter_weight: float = 1.0, intra_weight: float = 1.0
) -> Tensor:
    """temperature^2 * (inter_weight * (1 - correlation over classes) + intra_weight * (1 - correlation over images)).

    Pearson's correlations of the softened probabilities: the first mean over images, the second over classes.

    Args:
        student: logits [B, K].
        teacher: logits [B, K].
    """
    student_p, teacher_p = (student / temperature).softmax(dim=1), (teacher / temperature).softmax(dim=1)
    inter = 1 - correlation(student_p, teacher_p).mean()
    intra = 1 - correlation(student_p.T, teacher_p.T).mean()
    return temperature**2 * (inter_weight * inter + intra_weight * intra)


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's correlation of the rows of two matrices [M, N], as [M]; 0 for a constant row."""
    one, other = one - one.mean(dim=1, keepdim=True), other - other.mean(dim=1, keepdim=True)
    return (one * other).sum(dim=1) / (one.norm(dim=1) * other.norm(dim=1) + EPSILON)


class DIST(Method):
    """Options:

    inter_weight: weight of the part over the classes of an image (beta in the paper).
    intra_weight: weight of the part over the images of a class (gamma in the paper).
    """

    card = Card(
        title="DIST",
        summary="The student's probabilities correlate with the teacher's, over the classes of an image and over the images "
        "of a class.",
        formula=r"\tau^2 \left( \beta \left(1 - \frac{1}{B} \sum_{i} \rho\left(P_{S}[i,:],\, P_{T}[i,:]\right)\right) + "
        r"\gamma \left(1 - \frac{1}{K} \sum_{k} \rho\left(P_{S}[:,k],\, P_{T}[:,k]\right)\right) \right)",
        symbols=r"$P$ the softened probabilities of a batch, [B, K], $\rho$ Pearson's correlation, $\tau$ temperature, "
        r"$\beta$ `inter_weight`, $\gamma$ `intra_weight`",
        paper="Huang et al., NeurIPS 2022",
        url="https://arxiv.org/abs/2205.10536",
        weight=2.0,
        temperature=4.0,
        source="The authors' code, CIFAR-100: cross-entropy 1, this 2 with 1 and 1, temperature 4, batches of 64. ImageNet: "
        "temperature 1.",
        use="In either direction, above all with a teacher much stronger than the student.",
        avoid="A correlation does not depend on scale, so the gradient grows with the square of the temperature: change weight "
        "and temperature together. The part over images is noisy in small batches.",
    )
    uses_temperature = True
    soft_labels = True
    two_classes = (
        "the correlation over an image's classes is always 1 or -1 and has no gradient; only the part over the images of a "
        "batch teaches. Use kd, or a method on features."
    )

    def __init__(
        self, student: Shapes, teacher: Shapes | None, *, inter_weight: Factor = 1.0, intra_weight: Factor = 1.0
    ) -> None:
        super().__init__(student, teacher)
        self.inter_weight, self.intra_weight = inter_weight, intra_weight

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        return dist_loss(
            student.logits,
            teacher.logits,
            temperature=temperature,
            inter_weight=self.inter_weight,
            intra_weight=self.intra_weight,
        )
