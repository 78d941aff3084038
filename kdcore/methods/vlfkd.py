"""Visual-linguistic feature distillation, from CNN to ViT: an experimental adaptation to classification.

After C2VKD by Zheng et al., 2023, https://arxiv.org/abs/2310.07265, a method for segmentation whose code was not found. Of
it are kept the feature part (the teacher's map projected to the student's tokens, and both pooled vectors projected to
one space) and the decoupled part (the target's probability apart from the others').

Two things differ from earlier adaptations. The vectors of length 1 in the common space are divided by 0.1 before their
softmax: without it that is nearly uniform and its divergence nothing. The decoupled part compares probabilities, as
decoupled knowledge distillation does (Zhao et al., CVPR 2022, https://arxiv.org/abs/2203.08679), not sums of logits. All
projections learn with the student.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method, decoupled, mean_of_labelled
from kdcore.tensors.fields import Read
from kdcore.tensors.outputs import Batch, Outputs, Shapes

POOLED, TOKENS, COMMON = 0.5, 0.3, 0.2  # shares of the feature part
COMMON_TEMPERATURE = 0.1


def vlfkd_loss(student: Tensor, teacher: Tensor, common_student: Tensor, common_teacher: Tensor) -> Tensor:
    """The feature part: 0.5 KL of the pooled maps, 0.3 mean squared gap of the maps, 0.2 KL in the common space.

    Args:
        student: the last block's patch tokens as a map [B, D, H, W].
        teacher: map [B, D, H', W'], projected to the student's width.
        common_student: pooled vector projected to the common space, [B, E].
        common_teacher: likewise.
    """
    pooled = _divergence(student.mean(dim=(2, 3)), teacher.mean(dim=(2, 3)))
    tokens = F.mse_loss(student, _to_grid(teacher, (student.shape[2], student.shape[3])))
    ours, theirs = F.normalize(common_student), F.normalize(common_teacher)
    common = _divergence(ours / COMMON_TEMPERATURE, theirs / COMMON_TEMPERATURE)
    return POOLED * pooled + TOKENS * tokens + COMMON * common


def decoupled_loss(
    student: Tensor,
    teacher: Tensor,
    targets: Tensor,
    *,
    temperature: float,
    target_weight: float = 1.0,
    others_weight: float = 2.0,
) -> Tensor:
    """temperature^2 times the KL of (target, all others), plus that of the others among themselves, each weighed.

    Mean over the labelled images; 0 where none is labelled.

    Args:
        student: logits [B, K].
        teacher: logits [B, K].
        targets: [B], `NO_LABEL` where withheld.
    """
    target, others = decoupled(student / temperature, teacher / temperature, targets)
    return temperature**2 * mean_of_labelled(target_weight * target + others_weight * others, targets)


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL of the softmaxes of two vectors [B, D], mean over the batch."""
    log_student, log_teacher = F.log_softmax(student, dim=1), F.log_softmax(teacher, dim=1)
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def _to_grid(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """Pooled where it is finer, bilinear where it is coarser."""
    if features.shape[2] > grid[0]:
        return F.adaptive_avg_pool2d(features, grid)
    return F.interpolate(features, grid, mode="bilinear", align_corners=False)


class VLFKD(Method):
    """Options:

    common: width of the space that both pooled vectors are projected to.
    target_weight: weight of the target's probability against all others'.
    others_weight: weight of the others among themselves, where what the teacher knows of similar classes is.
    """

    card = Card(
        title="Visual-linguistic feature distillation",
        summary="A ViT's tokens follow a CNN's map through learned projections, and its probabilities follow in two parts.",
        formula=r"0.5\,\mathrm{KL}(\overline{PF_T} \,\|\, \overline{F_S}) + 0.3\operatorname{mean}(PF_T - F_S)^2 + "
        r"0.2\,\mathrm{KL}(u_T \,\|\, u_S) + \tau^2\left[\mathrm{KL}(b_T \,\|\, b_S) + 2\,\mathrm{KL}(\hat{p}_T \,\|\, "
        r"\hat{p}_S)\right]",
        symbols=r"$F$ the last maps, $P$ a 1x1 convolution, $\overline{\cdot}$ their mean over places, $u$ pooled vectors of "
        r"length 1 in a common space, over 0.1, $b$ the target's probability and the rest, $\hat{p}$ the other classes among "
        r"themselves, $\tau$ temperature; KL of softmaxes",
        paper="after Zheng et al., C2VKD, 2023",
        url="https://arxiv.org/abs/2310.07265",
        weight=1.0,
        temperature=1.0,
        source="Shares of the feature part and the weight of 1 beside cross-entropy 1 from a public adaptation to CIFAR-10; "
        "the decoupled part's 1 and 2 at temperature 1 from OFA-KD's runs between unlike networks. None is tuned.",
        use="As an experiment from CNN to ViT, beside cross-entropy; try locality_guidance and kd first.",
        avoid="The original is for segmentation, and its exact losses are not public. Projections learn on the teacher's side "
        "too, so the feature part can fall without the student learning. Labels must be hard and known.",
    )
    needs = frozenset({"logits", "features"})
    uses_temperature = True

    def __init__(
        self,
        student: Shapes,
        teacher: Shapes | None,
        *,
        common: int = 512,
        target_weight: float = 1.0,
        others_weight: float = 2.0,
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if not student.tokens:
            raise UserError(
                "the student gives no patch tokens; this method teaches a ViT. Take a ViT as the student, or for a CNN the "
                "methods fitnets, review_kd or capd."
            )
        if teacher.tokens or not teacher.features:
            raise UserError(
                "the teacher has no stages of a CNN; this method learns from one. Take a CNN such as resnet56 as the "
                "teacher, or between two ViTs the methods fitnets, attention or kd."
            )
        width, channels = student.features[-1][0], teacher.features[-1][0]
        self.classes = student.classes
        self.target_weight, self.others_weight = target_weight, others_weight
        self.project = nn.Conv2d(channels, width, 1)
        self.common_student, self.common_teacher = nn.Linear(width, common), nn.Linear(channels, common)

    def reads(self) -> frozenset[Read]:
        return frozenset({Read("logits"), Read("features", -1)})

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        ours, theirs = student.features[-1], teacher.features[-1]
        features = vlfkd_loss(
            ours,
            self.project(theirs),
            self.common_student(ours.mean(dim=(2, 3))),
            self.common_teacher(theirs.mean(dim=(2, 3))),
        )
        return features + decoupled_loss(
            student.logits,
            teacher.logits,
            batch.targets,
            temperature=temperature,
            target_weight=self.target_weight,
            others_weight=self.others_weight,
        )

    def warnings(self) -> tuple[str, ...]:
        told = ["This is an experimental adaptation of a method for segmentation; none of its weights is tuned."]
        if self.classes == 2:
            told.append(
                "With two classes there is one class besides the target, so the part that compares the others among "
                "themselves is always 0, and only the teacher's confidence is learned."
            )
        return tuple(told)
