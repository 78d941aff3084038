"""Probabilistic knowledge transfer: how likely each image is the neighbour of each other, to student as to teacher.

Passalis & Tefas, Learning Deep Representations with Probabilistic Knowledge Transfer, ECCV 2018,
https://arxiv.org/abs/1803.10837
"""

from torch import Tensor

from kdcore.methods.base import Card, Method, unit
from kdcore.tensors.outputs import Batch, Outputs

EPSILON = 1e-7  # the authors', beside probabilities of about 1 / B


def pkt_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Divergence of the two networks' neighbour probabilities, mean over all B x B of them.

    Args:
        student: vectors [B, D]; a trailing shape is flattened.
        teacher: vectors [B, D']; likewise.
    """
    ours, theirs = neighbours(student), neighbours(teacher)
    return (theirs * ((theirs + EPSILON) / (ours + EPSILON)).log()).mean()


def neighbours(vectors: Tensor) -> Tensor:
    """For each image how likely each is its neighbour, [B, B], each row summing to 1: cosines brought to [0, 1]."""
    directions = unit(vectors.flatten(1))
    closeness = (directions @ directions.T + 1) / 2
    return closeness / closeness.sum(dim=1, keepdim=True)


class PKT(Method):
    card = Card(
        title="Probabilistic knowledge transfer",
        summary="Each image has the same neighbours for the student as for the teacher.",
        formula=r"\frac{1}{B^2} \sum_{i,j} q_{T}(j \mid i) \log \frac{q_{T}(j \mid i)}{q_{S}(j \mid i)}, \qquad "
        r"q(j \mid i) \propto \frac{1 + \cos(f_i, f_j)}{2}",
        symbols="$f$ an image's pooled vector",
        paper="Passalis & Tefas, ECCV 2018",
        url="https://arxiv.org/abs/1803.10837",
        weight=30000.0,
        source="CIFAR-100 in mdistiller and RepDistiller: cross-entropy 1, this 30000, mean over B x B, batches of 64, on the "
        "pooled vectors.",
        use="In either direction: widths and classes may differ, and it costs next to nothing. Needs no label.",
        avoid="The mean over B x B halves as the batch doubles, so a short last batch counts more: scale the weight with the batch. Pooled vectors behind a ReLU "
        "have cosines above 0 alone, which leaves it little contrast.",
        compares="relations",
    )
    needs = frozenset({"pooled"})

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        return pkt_loss(student.pooled, teacher.pooled)
