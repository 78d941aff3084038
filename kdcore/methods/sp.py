"""Similarity-preserving distillation: match the matrix of similarities between the images of a batch.

Tung & Mori, ICCV 2019, https://arxiv.org/abs/1907.09682
"""

from torch import Tensor

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method, unit
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import Batch, Outputs, Shapes


def sp_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the two row-normalised similarity matrices of a batch.

    Args:
        student: features [B, ...]; the trailing shape is flattened.
        teacher: features [B, ...]; its trailing shape need not match the student's.
    """
    return (similarities(student) - similarities(teacher)).square().mean()


def similarities(features: Tensor) -> Tensor:
    """Dot products of all pairs of images' features [B, ...], rows scaled to length 1, [B, B]."""
    flat = features.flatten(1)
    return unit(flat @ flat.T)


class SP(Method):
    card = Card(
        title="Similarity preserving",
        summary="Images that are similar for the teacher are similar for the student, by their last feature maps.",
        formula=r"\frac{1}{B^2} \left\| \tilde{G}_{S} - \tilde{G}_{T} \right\|_F^2, \qquad G = F F^{\top}",
        symbols=r"$F$ the last feature maps of a batch, flattened, one image a row, $\tilde{G}$ with rows scaled to "
        "length 1",
        paper="Tung & Mori, ICCV 2019",
        url="https://arxiv.org/abs/1907.09682",
        weight=3000.0,
        source="CIFAR-100 in mdistiller and RepDistiller: cross-entropy 1, this 3000, mean over the B x B similarities, batches "
        "of 64.",
        use="In either direction: shapes and classes may differ.",
        avoid="The mean over B x B halves as the batch doubles, so a short last batch counts more: scale the weight with the "
        "batch size. Maps after a ReLU are similar for all images, so a CNN's matrix is flat beside a ViT's.",
        compares="relations",
    )
    needs = frozenset({"features"})

    def __init__(self, student: Shapes, teacher: Shapes | None) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if not (student.features and teacher.features):
            raise UserError(
                "it compares the last feature maps, and one of the two networks has none. Use pkt or rkd, which compare the "
                "pooled vectors."
            )

    def used_outputs(self) -> frozenset[OutputPart]:
        return frozenset({OutputPart("features", -1)})

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        return sp_loss(student.features[-1], teacher.features[-1])
