"""Contrastive representation distillation: match the two networks' embeddings of an image against other images.

Tian, Krishnan & Isola, ICLR 2020, https://arxiv.org/abs/1910.10699. The form with a memory bank is that of the authors'
code (https://github.com/HobbitLong/RepDistiller); `in_batch` contrasts with the rest of the batch only, as InfoNCE does
(van den Oord et al., 2018, https://arxiv.org/abs/1807.03748).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Count, Method, Positive, Share, Width
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes

EPSILON = 1e-7  # the authors', beside probabilities of about 1 / images
UNSET = -1.0


def crd_scores(embedding: Tensor, bank: Tensor, chosen: Tensor, *, temperature: float) -> Tensor:
    """exp(cosine / temperature) of each image with the rows of the bank chosen for it, [B, 1 + M].

    Args:
        embedding: [B, d] of length 1.
        bank: [n, d], the other network's embeddings of all training images.
        chosen: [B, 1 + M] rows of the bank, the image's own first.
    """
    # all n products first, then the choice: for CIFAR a fortieth of the memory that copies of 1 + M rows for each image
    # take, and on a CPU a sixteenth of the time
    return (embedding @ bank.T).gather(1, chosen).div(temperature).exp()


def crd_loss(scores: Tensor, *, images: int) -> Tensor:
    """One side of the loss, equation 18 of the paper: one positive pair against M negatives. Mean over the batch.

    Args:
        scores: [B, 1 + M] over their normalising constant, so about 1 / images each; the positive pair first.
        images: n, the number of rows in the bank.
    """
    noise = (scores.shape[1] - 1) / images
    same, different = scores[:, :1], scores[:, 1:]
    log_same = (same / (same + noise + EPSILON)).log()
    log_different = (noise / (different + noise + EPSILON)).log()
    return -(log_same.sum() + log_different.sum()) / len(scores)


def in_batch_loss(student: Tensor, teacher: Tensor, apart: Tensor, *, temperature: float) -> Tensor:
    """Symmetric InfoNCE over the batch, from the student to the teacher and back.

    Args:
        student: [B, d] of length 1.
        teacher: [B, d] of length 1.
        apart: [B, B], which pairs may be negatives; the diagonal is ignored.
    """
    own = torch.eye(len(student), dtype=torch.bool, device=student.device)
    logits = (student @ teacher.T / temperature).masked_fill(~(apart | own), -math.inf)
    places = torch.arange(len(student), device=student.device)
    return (F.cross_entropy(logits, places) + F.cross_entropy(logits.T, places)) / 2


def moved(bank: Tensor, embedding: Tensor, indices: Tensor, *, momentum: float) -> Tensor:
    """The bank [n, d] with the images' rows moved towards their new embeddings [B, d] and brought to length 1.

    A new tensor: the old one is still needed for the gradient. An image that occurs twice in the batch counts with its mean.
    """
    same = (indices[:, None] == indices).float()
    mean = same @ embedding / same.sum(1, keepdim=True)
    return bank.index_copy(0, indices, F.normalize(momentum * bank[indices] + (1 - momentum) * mean))


class Negatives(nn.Module):
    """Draws negatives for each image of a batch, never of its own class; with replacement, on the device.

    With the training images ordered by class, those that must not be drawn are one block: the class, or the image itself
    where its label is withheld. A random number below n minus the block's length, shifted past the block, is a draw.
    """

    order: Tensor
    first: Tensor
    length: Tensor

    def __init__(self, targets: Tensor) -> None:
        super().__init__()
        n = len(targets)
        order = targets.argsort(stable=True)
        place = torch.empty_like(order).scatter_(0, order, torch.arange(n, device=order.device))
        unlabelled = targets == NO_LABEL
        ranked = targets[order]
        first = torch.searchsorted(ranked, targets).where(~unlabelled, place)
        last = torch.searchsorted(ranked, targets, right=True).where(~unlabelled, place + 1)
        if int((last - first).max()) == n:
            raise UserError(
                "All training images are of one class, so CRD has no negatives: use data with two or more classes, or a "
                "method that needs no negatives, such as fitnets."
            )
        # derived from the data, so not in checkpoints
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("length", last - first, persistent=False)

    def forward(self, indices: Tensor, count: int) -> Tensor:
        """Indices [B] of images -> [B, count] indices of others."""
        first, length = self.first[indices, None], self.length[indices, None]
        large = torch.randint(1 << 62, (len(indices), count), device=indices.device)
        draw = large % (len(self.order) - length)
        return self.order[draw + length * (draw >= first)]


class CRD(Method):
    """Options:

    variant: `bank`, negatives from a memory bank of all training images, or `in_batch`, from the rest of the batch.
    negatives: number of negatives drawn from the bank for each image.
    width: dimension of the space both networks are projected to.
    contrast_temperature: temperature of the cosines.
    momentum: of the moving average that updates a row of the bank.
    """

    card = Card(
        title="Contrastive representation distillation",
        summary="The student's embedding of an image is close to the teacher's of the same image and far from those of others.",
        formula=r"-\log h(S_i, T_i) - \sum_{m=1}^{M} \log\left(1 - h(S_i, T_{j_m})\right) + (S \leftrightarrow T), \quad "
        r"h(S, T) = \frac{e^{\langle S, T \rangle / \tau}}{e^{\langle S, T \rangle / \tau} + Z M / n}",
        symbols=r"$S_i, T_i$ learned embeddings of image $i$, of length 1; $j_m$ images of other classes, $M$ of them; "
        r"$n$ training images; $\tau$ the contrast's temperature, $Z$ a constant set on the first batch",
        paper="Tian, Krishnan & Isola, ICLR 2020",
        url="https://arxiv.org/abs/1910.10699",
        weight=0.8,
        source="Weight 0.8 beside cross-entropy at 1 (RepDistiller and mdistiller, CIFAR-100): 16384 negatives, width 128, "
        "contrast temperature 0.07, momentum 0.5; sum over negatives, mean over the batch, both sides added. At the start "
        "each side of the loss is about 11.5 (log 16385, 1, and 0.8 for the spread of random cosines), whatever the data. For "
        "`in_batch` start at weight 1.",
        use="Between any two networks: only pooled vectors are compared. Add `kd` at weight 1 for the paper's CRD+KD.",
        avoid="At this weight it outweighs cross-entropy at first: it was tuned for 240 epochs, and in a short run a smaller "
        "one serves the labels better. The bank takes 1 KiB an image on the device and in each checkpoint "
        "(at width 128). `in_batch` needs large batches.",
    )
    needs = frozenset({"pooled"})
    refuses_mixed = "its negatives are images of other classes, and a mixed image has two"

    bank_student: Tensor  # [n, width], embeddings of the training images
    bank_teacher: Tensor
    constants: Tensor  # [2], the Z of the student's and of the teacher's side

    def __init__(
        self,
        student: Shapes,
        teacher: Shapes | None,
        *,
        variant: str = "bank",
        negatives: Count = 16384,
        width: Width = 128,
        contrast_temperature: Positive = 0.07,
        momentum: Share = 0.5,
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if variant not in ("bank", "in_batch"):
            raise UserError(f"variant {variant!r} is not one of 'bank', 'in_batch'.")
        if negatives < 1 or width < 1:
            raise UserError(f"negatives ({negatives}) and width ({width}) must be at least 1.")
        if contrast_temperature <= 0 or not 0 <= momentum < 1:
            raise UserError(
                f"contrast_temperature ({contrast_temperature:g}) must be above 0, and momentum ({momentum:g}) in [0, 1)."
            )
        self.variant, self.count, self.width = variant, negatives, width
        self.contrast_temperature, self.momentum = contrast_temperature, momentum
        self.embed_student = nn.Linear(student.pooled, width)
        self.embed_teacher = nn.Linear(teacher.pooled, width)

    def see_data(self, targets: Tensor) -> None:
        super().see_data(targets)
        if withheld := (targets == NO_LABEL).float().mean().item():
            self._data_warnings.append(
                f"{100 * withheld:.0f} % of the training images have no label, so some negatives are of the image's own class and are "
                "pushed away from it all the same."
            )
        if self.variant == "in_batch":
            return
        self.negatives = Negatives(targets)
        side = math.sqrt(3 / self.width)  # rows of length about 1
        for bank in ("bank_student", "bank_teacher"):
            rows = (2 * torch.rand(len(targets), self.width) - 1) * side
            self.register_buffer(bank, rows.to(targets.device))
        self.register_buffer("constants", torch.full((2,), UNSET, device=targets.device))

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        student_embedding = F.normalize(self.embed_student(student.pooled))
        teacher_embedding = F.normalize(self.embed_teacher(teacher.pooled))
        if self.variant == "in_batch":
            return in_batch_loss(
                student_embedding, teacher_embedding, negatives_of(batch), temperature=self.contrast_temperature
            )
        images = len(self.bank_student)
        chosen = torch.cat([batch.indices[:, None], self.negatives(batch.indices, self.count)], dim=1)
        to_teacher = crd_scores(student_embedding, self.bank_teacher, chosen, temperature=self.contrast_temperature)
        to_student = crd_scores(teacher_embedding, self.bank_student, chosen, temperature=self.contrast_temperature)
        with torch.no_grad():
            found = torch.stack([to_teacher.mean(), to_student.mean()]) * images
            self.constants = torch.where(self.constants < 0, found, self.constants)  # only the first batch sets them
            if self.training:
                self.bank_student = moved(self.bank_student, student_embedding, batch.indices, momentum=self.momentum)
                self.bank_teacher = moved(self.bank_teacher, teacher_embedding, batch.indices, momentum=self.momentum)
        one, other = self.constants
        return crd_loss(to_teacher / one, images=images) + crd_loss(to_student / other, images=images)


def negatives_of(batch: Batch) -> Tensor:
    """Which pairs of a batch are two different images not known to be of one class, [B, B]."""
    labels, indices = batch.targets, batch.indices
    alike = (labels[:, None] == labels) & (labels != NO_LABEL)
    return ~alike & (indices[:, None] != indices)
