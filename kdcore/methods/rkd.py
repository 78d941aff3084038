"""Relational knowledge distillation: match distances and angles between the images of a batch.

Park et al., CVPR 2019, https://arxiv.org/abs/1904.05068. Distances of pairs and angles of triplets are compared, so the
two networks' vectors may differ in width, scale and rotation.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.methods.base import Card, Factor, Method, unit
from kdcore.tensors.outputs import Batch, Outputs, Shapes


def rkd_loss(student: Tensor, teacher: Tensor, *, distance_weight: float = 25.0, angle_weight: float = 50.0) -> Tensor:
    """Huber losses (threshold 1) of all B^2 distances and of all B^3 cosines of angles, each averaged.

    Args:
        student: vectors [B, D]; a trailing shape is flattened.
        teacher: vectors [B, D']; likewise.
    """
    student_gaps, teacher_gaps = differences(student.flatten(1)), differences(teacher.flatten(1))
    loss = distance_weight * F.smooth_l1_loss(relative_distances(student_gaps), relative_distances(teacher_gaps))
    return loss + angle_weight * F.smooth_l1_loss(cosines(student_gaps), cosines(teacher_gaps))


def differences(vectors: Tensor) -> Tensor:
    """From each vector [B, D] to each other, [B, B, D]."""
    return vectors[None] - vectors[:, None]


def relative_distances(gaps: Tensor) -> Tensor:
    """Lengths of the differences over the mean of the non-zero ones, [B, B]."""
    lengths = torch.linalg.vector_norm(gaps, dim=2)  # its gradient at 0 is 0, a square root's would be NaN
    mean = lengths.sum() / (lengths > 0).sum().clamp(min=1)
    return lengths / mean.clamp(min=1e-12)


def cosines(gaps: Tensor) -> Tensor:
    """The cosine of the angle at each image between each two others, [B, B, B]."""
    directions = unit(gaps)
    return directions @ directions.transpose(1, 2)


class RKD(Method):
    """Options:

    distance_weight: weight of the part on distances of pairs.
    angle_weight: weight of the part on angles of triplets; its memory grows with batch^3.
    """

    card = Card(
        title="Relational knowledge distillation",
        summary="Distances and angles between the images of a batch match the teacher's.",
        formula=r"25\, \ell_{\delta}\left(\frac{d_{S}(i,j)}{\bar{d}_{S}},\, \frac{d_{T}(i,j)}{\bar{d}_{T}}\right) + "
        r"50\, \ell_{\delta}\left(\cos \angle_{S}(i,j,k),\, \cos \angle_{T}(i,j,k)\right)",
        symbols=r"$d$ distance of two images' pooled vectors, $\bar{d}$ its mean, $\ell_{\delta}$ the Huber loss, mean over all "
        "pairs and triplets of a batch",
        paper="Park et al., CVPR 2019",
        url="https://arxiv.org/abs/1904.05068",
        weight=1.0,
        source="CIFAR-100 in mdistiller: cross-entropy 1, this 1, with 25 and 50 inside, batches of 64, on the pooled vectors.",
        use="In either direction: widths, scales and classes may differ.",
        avoid="The angles of a batch take 4 * batch^3 bytes, several times over: 0.5 GB each at a batch of 512. On CIFAR-100 some "
        "published students of RKD alone are below those without a teacher (mdistiller).",
        compares="relations",
    )
    needs = frozenset({"pooled"})

    def __init__(
        self, student: Shapes, teacher: Shapes | None, *, distance_weight: Factor = 25.0, angle_weight: Factor = 50.0
    ) -> None:
        super().__init__(student, teacher)
        self.distance_weight, self.angle_weight = distance_weight, angle_weight

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        return rkd_loss(
            student.pooled, teacher.pooled, distance_weight=self.distance_weight, angle_weight=self.angle_weight
        )
