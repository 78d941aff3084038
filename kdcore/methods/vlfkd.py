"""Visual-linguistic feature distillation from CNN to ViT: an experimental adaptation to classification.

After C2VKD by Zheng et al., 2023, https://arxiv.org/abs/2310.07265, a method for segmentation whose code was not found.
This adaptation has its feature part (the teacher's map projected to the student's tokens, and both pooled vectors
projected to one space) and its decoupled part (the target's probability separate from the others).

Two things differ from earlier adaptations. The vectors of length 1 in the common space are divided by 0.1 before their
softmax: otherwise it would be nearly uniform and the divergence close to 0. The decoupled part compares probabilities, as
decoupled knowledge distillation does (Zhao et al., CVPR 2022, https://arxiv.org/abs/2203.08679), not sums of logits. All
projections learn with the student.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Factor, Method, Width, decoupled, mean_of_labelled
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import Batch, Outputs, Shapes

POOLED, TOKENS, COMMON = 0.5, 0.3, 0.2  # shares of the feature part
COMMON_TEMPERATURE = 0.1


def vlfkd_loss(student: Tensor, teacher: Tensor, common_student: Tensor, common_teacher: Tensor) -> Tensor:
    """The feature part: 0.5 KL of the pooled maps, 0.3 mean squared error of the maps, 0.2 KL in the common space.

    Args:
        student: the last block's patch tokens as a map [B, D, H, W].
        teacher: map [B, D, H', W'], projected to the student's width.
        common_student: pooled vector projected to the common space, [B, E].
        common_teacher: likewise.
    """
    pooled = _divergence(student.mean(dim=(2, 3)), teacher.mean(dim=(2, 3)))
    tokens = F.mse_loss(student, _to_grid(teacher, (student.shape[2], student.shape[3])))
    units = F.normalize(common_student), F.normalize(common_teacher)
    common = _divergence(units[0] / COMMON_TEMPERATURE, units[1] / COMMON_TEMPERATURE)
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
    """temperature^2 times the KL of (target, all others), plus that among the others, each weighted.

    Mean over the labelled images; 0 where there is none.

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
    """Features on another grid: pooled to a coarser one, bilinear to a finer one."""
    if features.shape[2] > grid[0]:
        return F.adaptive_avg_pool2d(features, grid)
    return F.interpolate(features, grid, mode="bilinear", align_corners=False)


class VLFKD(Method):
    """Options:

    common: dimension of the space that both pooled vectors are projected to.
    target_weight: weight of the part on the target against the rest.
    others_weight: weight of the part among the other classes.
    """

    card = Card(
        title="Visual-linguistic feature distillation",
        summary="A ViT's tokens match a CNN's feature map through learned projections; its logits follow decoupled.",
        formula=r"0.5\,\mathrm{KL}(\overline{PF_T} \,\|\, \overline{F_S}) + 0.3\operatorname{mean}(PF_T - F_S)^2 + "
        r"0.2\,\mathrm{KL}(u_T \,\|\, u_S) + \tau^2\left[\mathrm{KL}(b_T \,\|\, b_S) + 2\,\mathrm{KL}(\hat{p}_T \,\|\, "
        r"\hat{p}_S)\right]",
        symbols=r"$F$ the last maps, $P$ a 1x1 convolution, $\overline{\cdot}$ their mean over the grid, $u$ pooled vectors of "
        r"length 1 in a common space, over 0.1, $b$ the target's probability and the rest, $\hat{p}$ softmax over "
        r"the other classes, $\tau$ temperature; KL of softmaxes",
        paper="after Zheng et al., C2VKD, 2023",
        url="https://arxiv.org/abs/2310.07265",
        weight=1.0,
        temperature=1.0,
        source="Shares of the feature part and the weight of 1 beside cross-entropy 1 from a public adaptation to CIFAR-10; "
        "the decoupled part's 1 and 2 at temperature 1 from OFA-KD's runs between different architectures. None is tuned.",
        use="As an experiment from CNN to ViT, beside cross-entropy; try locality_guidance and kd first.",
        avoid="The original is for segmentation, and its exact losses are not public. Projections on the "
        "teacher's side learn too, so the feature part can fall without the student learning. Only labelled images count in "
        "the decoupled part.",
    )
    needs = frozenset({"logits", "features"})
    refuses_mixed = "it separates the label's class from the others, and a mixed image has two labels"
    uses_temperature = True
    soft_labels = True
    two_classes = (
        "there is a single other class, so the part among the others is always 0 and only the teacher's confidence is "
        "learned of its logits."
    )

    def __init__(
        self,
        student: Shapes,
        teacher: Shapes | None,
        *,
        common: Width = 512,
        target_weight: Factor = 1.0,
        others_weight: Factor = 2.0,
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if not student.tokens:
            raise UserError(
                "the student has no patch tokens; this method teaches a ViT. Use a ViT as the student, or for a CNN the method "
                "fitnets, review_kd or capd."
            )
        if teacher.tokens or not teacher.features:
            raise UserError(
                "the teacher has no stages of a CNN; this method distils a CNN. Use a CNN such as resnet56 as the teacher, or "
                "between two ViTs the method fitnets, attention or kd."
            )
        self._warnings.insert(
            0, "this is an experimental adaptation of a method for segmentation; none of its weights is tuned."
        )
        width, channels = student.features[-1][0], teacher.features[-1][0]
        self.target_weight, self.others_weight = target_weight, others_weight
        self.project = nn.Conv2d(channels, width, 1)
        self.common_student, self.common_teacher = nn.Linear(width, common), nn.Linear(channels, common)

    def used_outputs(self) -> frozenset[OutputPart]:
        return frozenset({OutputPart("logits"), OutputPart("features", -1)})

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        student_map, teacher_map = student.features[-1], teacher.features[-1]
        features = vlfkd_loss(
            student_map,
            self.project(teacher_map),
            self.common_student(student_map.mean(dim=(2, 3))),
            self.common_teacher(teacher_map.mean(dim=(2, 3))),
        )
        return features + decoupled_loss(
            student.logits,
            teacher.logits,
            batch.targets,
            temperature=temperature,
            target_weight=self.target_weight,
            others_weight=self.others_weight,
        )
