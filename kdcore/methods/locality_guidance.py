"""Locality guidance: a ViT's patch tokens follow the feature maps of a small CNN.

Li et al., ECCV 2022, https://arxiv.org/abs/2207.10026; code https://github.com/lkhl/tiny-transformers. There the teacher
is a ResNet-56 on images of 32 pixels; here both networks get the run's images.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method, check_pairs
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import Batch, Outputs, Shapes

STAGES = 3  # of the teacher, counted from its last, each with a student block


def locality_guidance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error over all elements, both maps upsampled to the finer grid.

    Args:
        student: map [B, C, H, W], after its 1x1 convolution.
        teacher: map [B, C, H', W'].
    """
    finer = max(student.shape[2], teacher.shape[2]), max(student.shape[3], teacher.shape[3])
    student, teacher = (
        F.interpolate(features, finer, mode="bilinear", align_corners=False) for features in (student, teacher)
    )
    return F.mse_loss(student, teacher)


class LocalityGuidance(Method):
    """Options:

    pairs: [student block, teacher stage] indices, negative from the end; default: the teacher's last three stages with
        evenly spaced blocks, 0, 6 and 11 of twelve.
    """

    card = Card(
        title="Locality guidance",
        summary="A ViT's patch tokens, through a 1x1 convolution, follow the feature maps of a small CNN.",
        formula=r"\sum_{(s,\,t)} \operatorname{mean}\left(\mathrm{up}(W_{s} F_{S}^{s}) - \mathrm{up}(F_{T}^{t})\right)^2",
        symbols=r"$F$ feature maps, $W$ a 1x1 convolution that learns with the student, up bilinear upsampling to the finer grid",
        paper="Li et al., ECCV 2022",
        url="https://arxiv.org/abs/2207.10026",
        weight=2.5,
        source="The authors' configuration for DeiT-Tiny on CIFAR-100: 2.5 beside cross-entropy 1, no logit term, ResNet-56 as "
        "teacher, AdamW 5e-4, weight decay 0.05, 300 epochs.",
        use="For a ViT on few images: DeiT-Tiny went from 65.1 to 78.2 % on CIFAR-100. The teacher may be tiny.",
        avoid="The teacher's maps are not normalised: large activations need a smaller weight, or fitnets with "
        "`align: bilinear`, which standardises them. Fine teacher maps cost memory, as the tokens are upsampled to them.",
    )
    needs = frozenset({"features"})

    def __init__(self, student: Shapes, teacher: Shapes | None, *, pairs: list[tuple[int, int]] | None = None) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if not student.tokens:
            raise UserError(
                "the student has no patch tokens: locality guidance teaches a ViT what a CNN has by design. Use a ViT as the "
                "student, or the method fitnets."
            )
        if teacher.tokens or not teacher.features:
            raise UserError(
                "the teacher has no stages of a CNN, whose maps are local. Use a CNN such as resnet56 as the teacher, or the "
                "method fitnets or attention."
            )
        self.pairs = check_pairs(pairs, student, teacher) if pairs else blocks_and_stages(student, teacher)
        self.projections = nn.ModuleList(
            nn.Conv2d(student.features[s][0], teacher.features[t][0], 1) for s, t in self.pairs
        )

    def used_outputs(self) -> frozenset[OutputPart]:
        return frozenset(OutputPart("features", t) for _, t in self.pairs)

    def is_mean_over_images(self) -> bool:
        return True

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        losses = [
            locality_guidance_loss(project(student.features[s]), teacher.features[t])
            for project, (s, t) in zip(self.projections, self.pairs, strict=True)
        ]
        return sum(losses[1:], losses[0])


def blocks_and_stages(student: Shapes, teacher: Shapes) -> list[tuple[int, int]]:
    """The teacher's last stages, each with one of evenly spaced student blocks."""
    blocks, stages = len(student.features), len(teacher.features)
    count = min(STAGES, stages, blocks)
    if count == 1:
        return [(blocks - 1, stages - 1)]
    apart = (blocks - 1) / (count - 1)
    return [(int(place * apart + 0.5), stages - count + place) for place in range(count)]
