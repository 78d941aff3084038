"""Self-supervised knowledge distillation: match logits and similarities of rotated images.

Xu et al., ECCV 2020, https://arxiv.org/abs/2006.07114, after the authors' code (https://github.com/xuguodong03/SSKD).
Their code crops each rotation anew; here the batch's crops are rotated.
"""

import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Count, Factor, Method, Positive, Share
from kdcore.models.teacher import Teacher
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes

QUARTER_TURNS = (1, 2, 3)
REPORTS = 10  # of the progress of `prepare`


def rotated(images: Tensor) -> Tensor:
    """The batch [B, 3, H, H] turned by 90 degrees, then all of it by 180, then by 270: [3 B, 3, H, H]."""
    return torch.cat([torch.rot90(images, turns, dims=(2, 3)) for turns in QUARTER_TURNS])


def similarities(views: Tensor, images: Tensor) -> Tensor:
    """Cosine of every view [E, D] with every image [B, D]: [E, B]."""
    return F.normalize(views) @ F.normalize(images).T


def trusted(teacher: Tensor, targets: Tensor, *, share: float) -> Tensor:
    """Which of the teacher's predictions [E, K] the student follows, [E]: all correct ones and this share of the wrong ones,
    those that rank the correct class highest first. Where the label is withheld, the prediction is followed."""
    labelled = targets != NO_LABEL
    order = teacher.argsort(dim=1, descending=True)
    rank = (order == targets[:, None]).int().argmax(dim=1).where(labelled, 0)
    wrong = (rank > 0).sum()
    count = len(rank) - wrong + (wrong.double() * share).long()
    places = torch.empty_like(rank).scatter_(0, rank.argsort(stable=True), torch.arange(len(rank), device=rank.device))
    return places < count


def sskd_loss(student: Tensor, teacher: Tensor, follow: Tensor, *, temperature: float) -> Tensor:
    """temperature^2 * KL(teacher || student) of the softened rows, mean over the followed rows; 0 where there are none.

    Args:
        student: logits or similarities [E, K].
        teacher: likewise.
        follow: [E], see `trusted`.
    """
    log_student = F.log_softmax(student / temperature, dim=1)
    log_teacher = F.log_softmax(teacher / temperature, dim=1)
    rows = F.kl_div(log_student, log_teacher, reduction="none", log_target=True).sum(dim=1)
    return temperature**2 * (rows * follow).sum() / follow.sum().clamp(min=1)


def head(width: int) -> nn.Sequential:
    """The self-supervision head: two layers on the pooled vector [B, D] -> [B, D]."""
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


class SSKD(Method):
    """Options:

    views_weight: weight of the part on the logits of the rotated images.
    similarity_weight: weight of the part on the similarities of rotated and upright images.
    views_share, similarity_share: share of the teacher's wrong predictions that is followed.
    similarity_temperature: temperature of the cosines; the term's own temperature is for the logits.
    head_steps, head_lr: steps and learning rate of Adam for the teacher's head, before the first step of the run.
    """

    card = Card(
        title="Self-supervised knowledge distillation",
        summary="On three rotations of each image the student matches the teacher's logits, and their similarities to the upright "
        "images.",
        formula=r"2.7\,\tau^2\,\mathrm{KL}\left(p_T^{\tau}(\tilde x) \,\|\, p_S^{\tau}(\tilde x)\right) + "
        r"10\,\sigma^2\,\mathrm{KL}\left(\mathrm{softmax}(A_T / \sigma) \,\|\, \mathrm{softmax}(A_S / \sigma)\right), \quad "
        r"A_{ij} = \cos\left(h(\tilde x_i), h(x_j)\right)",
        symbols=r"$\tilde x$ rotated images, $x$ upright ones; $h$ a head of two layers on the pooled vector; $\tau$ "
        r"temperature, $\sigma$ that of the similarities; of wrong predictions all ($p$) or 75 % ($A$) are followed",
        paper="Xu, Liu, Li & Loy, ECCV 2020",
        url="https://arxiv.org/abs/2006.07114",
        weight=1.0,
        temperature=4.0,
        source="The authors' CIFAR-100 code: 0.1 cross-entropy and 0.9 KD at temperature 4 as separate terms (`ce`, `kd`), "
        "and this term's two parts at 2.7 and 10, similarities at 0.5. Their head learns for 60 epochs (some 47 000 steps "
        "of SGD at 0.05) on the frozen teacher; here for 200 steps of Adam, a minute or two on a CPU, after which it "
        "gains little on small data.",
        use="For natural photographs, in either direction, where the time allows: each image teaches more than its class.",
        avoid="Every step runs four times the images through student and teacher. Rotated images enter the BatchNorm statistics "
        "of the student, which upright test images are normalised with: compare it with its twin. Rotation is a poor task "
        "where orientation is the label or means nothing (digits, cells under a microscope). Only one term of a recipe can "
        "use views.",
        compares="relations",
    )
    needs = frozenset({"logits", "pooled"})
    uses_temperature = True
    soft_labels = True
    has_views = True
    refuses_mixed = "it follows the teacher where its predicted class is the label, and a mixed image has two labels"

    def __init__(
        self,
        student: Shapes,
        teacher: Shapes | None,
        *,
        views_weight: Factor = 2.7,
        similarity_weight: Factor = 10.0,
        views_share: Share = 1.0,
        similarity_share: Share = 0.75,
        similarity_temperature: Positive = 0.5,
        head_steps: Count = 200,
        head_lr: Positive = 1e-3,
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        for name, share in (("views_share", views_share), ("similarity_share", similarity_share)):
            if not 0 <= share <= 1:
                raise UserError(f"{name} is a share of the teacher's wrong predictions, from 0 to 1, not {share:g}.")
        if similarity_temperature <= 0:
            raise UserError(f"similarity_temperature must be above 0, not {similarity_temperature:g}.")
        self.views_weight, self.similarity_weight = views_weight, similarity_weight
        self.views_share, self.similarity_share = views_share, similarity_share
        self.similarity_temperature = similarity_temperature
        self.head_steps, self.head_lr = head_steps, head_lr
        self.head_student = head(student.pooled)
        self.head_teacher = head(teacher.pooled).requires_grad_(False)  # trained in `prepare` only
        self.parts: dict[str, Tensor] = {}

    def views(self, images: Tensor) -> Tensor:
        return rotated(images)

    def prepare(self, teacher: Teacher, batches: Iterator[Batch]) -> Iterator[str]:
        """Train the teacher's head to find the upright image of each rotated one in its batch."""
        self.head_teacher.requires_grad_(True)
        optimizer = torch.optim.Adam(self.head_teacher.parameters(), lr=self.head_lr)
        for step, batch in enumerate(itertools.islice(batches, self.head_steps), start=1):
            images = torch.cat([batch.images, rotated(batch.images)])
            pooled = teacher(images, self.needs).pooled.float()
            upright, turned = self.head_teacher(pooled).split([len(batch.images), len(images) - len(batch.images)])
            alike = similarities(turned, upright)
            own = torch.arange(len(batch.images), device=images.device).repeat(len(QUARTER_TURNS))
            optimizer.zero_grad()
            F.cross_entropy(alike, own).backward()
            optimizer.step()
            if step % max(1, self.head_steps // REPORTS) == 0 or step == self.head_steps:
                correct = (alike.argmax(dim=1) == own).float().mean().item()
                yield f"the teacher's head, step {step} of {self.head_steps}: {100 * correct:.0f} % of the rotated images matched."
        self.head_teacher.requires_grad_(False)

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        assert student.views is not None
        assert teacher.views is not None
        targets = batch.targets.repeat(len(QUARTER_TURNS))
        follow = trusted(teacher.views.logits, targets, share=self.views_share)
        views = sskd_loss(student.views.logits, teacher.views.logits, follow, temperature=temperature)

        student_rows = similarities(self.head_student(student.views.pooled), self.head_student(student.pooled))
        teacher_rows = similarities(self.head_teacher(teacher.views.pooled), self.head_teacher(teacher.pooled))
        own = torch.arange(len(batch.targets), device=targets.device).repeat(len(QUARTER_TURNS))
        follow = trusted(teacher_rows, own, share=self.similarity_share)
        similarity = sskd_loss(student_rows, teacher_rows, follow, temperature=self.similarity_temperature)

        self.parts = {"views": views.detach(), "similarity": similarity.detach()}
        return self.views_weight * views + self.similarity_weight * similarity

    def figures(self) -> dict[str, float]:
        """The two parts, before their weights."""
        return {name: part.item() for name, part in self.parts.items()}
