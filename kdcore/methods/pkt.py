"""Probabilistic knowledge transfer: match the probabilities that images of a batch are neighbours.

Passalis & Tefas, Learning Deep Representations with Probabilistic Knowledge Transfer, ECCV 2018,
https://arxiv.org/abs/1803.10837
"""

from torch import Tensor

from kdcore.methods.base import Card, Method, unit
from kdcore.tensors.outputs import Batch, Outputs

EPSILON = 1e-7  # the authors', beside probabilities of about 1 / B


def pkt_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Divergence of the two networks' neighbour probabilities, mean over all B x B entries.

    Args:
        student: vectors [B, D]; a trailing shape is flattened.
        teacher: vectors [B, D']; likewise.
    """
    student_p, teacher_p = neighbours(student), neighbours(teacher)
    return (teacher_p * ((teacher_p + EPSILON) / (student_p + EPSILON)).log()).mean()


def neighbours(vectors: Tensor) -> Tensor:
    """Probability of each image to be the neighbour of each other, [B, B], rows summing to 1; cosines scaled to [0, 1]."""
    directions = unit(vectors.flatten(1))
    closeness = (directions @ directions.T + 1) / 2
    return closeness / closeness.sum(dim=1, keepdim=True)


class PKT(Method):
    card = Card(
        title="Probabilistic knowledge transfer",
        summary="Images of a batch have the same neighbours in the student's feature space as in the teacher's.",
        formula=r"\frac{1}{B^2} \sum_{i,j} q_{T}(j \mid i) \log \frac{q_{T}(j \mid i)}{q_{S}(j \mid i)}, \qquad "
        r"q(j \mid i) \propto \frac{1 + \cos(f_i, f_j)}{2}",
        symbols="$f$ an image's pooled vector",
        paper="Passalis & Tefas, ECCV 2018",
        url="https://arxiv.org/abs/1803.10837",
        weight=30000.0,
        source="CIFAR-100 in mdistiller and RepDistiller: cross-entropy 1, this 30000, mean over B x B, batches of 64, on the "
        "pooled vectors.",
        use="In either direction: widths and classes may differ, and it costs next to nothing.",
        avoid="The mean over B x B halves as the batch doubles, so a short last batch counts more: scale the weight with the "
        "batch size. Pooled vectors after a ReLU have only positive cosines, which leaves little contrast.",
        compares="relations",
    )
    needs = frozenset({"pooled"})

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        return pkt_loss(student.pooled, teacher.pooled)
