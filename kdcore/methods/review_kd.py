"""Knowledge review: each of the teacher's maps supervises a fusion of the student's maps from that depth on.

Chen et al., CVPR 2021, https://arxiv.org/abs/2104.09044; code https://github.com/dvlab-research/ReviewKD. From the
deepest map up, the student's map is fused with the fusion of the deeper ones (attention-based fusion, ABF), and the result
is compared with the teacher's map at several resolutions (hierarchical context loss, HCL). The deepest "map" is the pooled
vector. The teacher's maps are the outputs of its stages, after the ReLU; the authors' code takes them before it.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method, check_pairs, pairs_by_depth
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import Batch, Outputs, Shapes

CONTEXTS = (4, 2, 1)  # grids besides the full one
WIDEST = 512  # channels that are passed from deep to shallow


def review_kd_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """The hierarchical context loss, a sum over maps.

    For each map the mean squared error at full resolution and pooled to 4 x 4, 2 x 2 and 1 x 1 where that is coarser,
    weighted 1, 1/2, 1/4, 1/8 and divided by the sum of the weights.

    Args:
        student: maps [B, C, H, W], each fused with the deeper ones.
        teacher: maps of the same shapes.
    """
    losses = []
    for guess, target in zip(student, teacher, strict=True):
        loss, weight, whole = F.mse_loss(guess, target), 1.0, 1.0
        for side in CONTEXTS:
            if side < min(guess.shape[2:]):
                weight /= 2
                whole += weight
                loss = loss + weight * F.mse_loss(
                    F.adaptive_avg_pool2d(guess, side), F.adaptive_avg_pool2d(target, side)
                )
        losses.append(loss / whole)
    return sum(losses[1:], losses[0])


class Fusion(nn.Module):
    """Attention-based fusion of a student's map with the fusion of the deeper ones: at each cell a share of both."""

    def __init__(self, channels: int, middle: int, teacher_channels: int, *, deepest: bool) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(channels, middle, 1, bias=False), nn.BatchNorm2d(middle))
        self.share = None if deepest else nn.Conv2d(2 * middle, 2, 1)
        self.widen = nn.Sequential(
            nn.Conv2d(middle, teacher_channels, 3, padding=1, bias=False), nn.BatchNorm2d(teacher_channels)
        )
        for convolution in (self.narrow[0], self.widen[0]):
            nn.init.kaiming_uniform_(cast(nn.Conv2d, convolution).weight, a=1)

    def forward(self, features: Tensor, deeper: Tensor | None, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """
        Args:
            features: the student's map [B, C, H, W].
            deeper: the output of the next deeper fusion, [B, middle, ...]; None for the deepest.
            grid: the teacher's.

        Returns:
            The prediction of the teacher's map, and the fused map for the next shallower fusion.
        """
        fused = self.narrow(features)
        if self.share is not None and deeper is not None:
            deeper = F.interpolate(deeper, fused.shape[2:], mode="nearest")
            share = self.share(torch.cat([fused, deeper], dim=1)).sigmoid()
            fused = fused * share[:, :1] + deeper * share[:, 1:]
        if fused.shape[2:] != grid:
            fused = F.interpolate(fused, grid, mode="nearest")
        return self.widen(fused), fused


class ReviewKD(Method):
    """Options:

    pairs: [student, teacher] indices of feature maps from shallow to deep, negative from the end; default: up to four at
        equal depth, a CNN's last stages and evenly spaced blocks of a ViT. The pooled vectors always come last.
    """

    card = Card(
        title="Knowledge review",
        summary="Learned fusions of the student's maps match the teacher's map at each depth, at several resolutions.",
        formula=r"\sum_{i} \mathrm{HCL}\left(\mathrm{ABF}(F_{S}^{i}, \mathrm{ABF}(F_{S}^{i+1}, \dots)),\, F_{T}^{i}\right)",
        symbols=r"$F$ feature maps, ABF the learned fusion of a map with the deeper ones, HCL the mean squared error of the "
        r"maps at full resolution and pooled to $4^2$, $2^2$ and $1$",
        paper="Chen et al., CVPR 2021",
        url="https://arxiv.org/abs/2104.09044",
        weight=1.0,
        source="The authors' scripts on CIFAR-100: 0.6 to 8 by the pair, grown from 0 over the first 20 of 240 epochs, cross-"
        "entropy 1; with the teacher's maps before the ReLU.",
        use="From CNN to CNN, with a weight that grows from 0 over the first tenth of the run.",
        avoid="The teacher's maps are not normalised, so each teacher needs its own weight, above all a ViT: the method was "
        "published for CNNs, and a ViT's maps have a single resolution.",
    )
    needs = frozenset({"features", "pooled"})

    def __init__(self, student: Shapes, teacher: Shapes | None, *, pairs: list[tuple[int, int]] | None = None) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        for who, shapes in {"student": student, "teacher": teacher}.items():
            if len(shapes.features) < 2:
                raise UserError(
                    f"the {who} has {len(shapes.features)} feature map(s), and knowledge review needs two or more. Use a "
                    "network with stages, or the method fitnets."
                )
        self.pairs = check_pairs(pairs, student, teacher) if pairs else pairs_by_depth(student, teacher)
        if sorted(self.pairs) != self.pairs:
            raise UserError(f"pairs {self.pairs} are not ordered from shallow to deep: sort them.")
        if student.tokens or teacher.tokens:
            self._warnings.append(
                "knowledge review was published between CNNs. A ViT's tokens have a scale of their own and one resolution: "
                "watch this term's share of the gradient and set its weight by it."
            )
        middle = min(WIDEST, student.pooled)
        sides = [(student.features[s][0], teacher.features[t][0]) for s, t in self.pairs]
        self.fusions = nn.ModuleList(
            [
                *(Fusion(source, middle, target, deepest=False) for source, target in sides),
                Fusion(student.pooled, middle, teacher.pooled, deepest=True),
            ]
        )

    def used_outputs(self) -> frozenset[OutputPart]:
        return frozenset({OutputPart("pooled"), *(OutputPart("features", t) for _, t in self.pairs)})

    def is_mean_over_images(self) -> bool:
        return True

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        if len(student.pooled) == 1 and batch.whole is None:
            return 0 * student.pooled.sum()  # the deepest BatchNorm cannot normalise a single vector
        student_maps = [*(student.features[s] for s, _ in self.pairs), student.pooled[:, :, None, None]]
        teacher_maps = [*(teacher.features[t] for _, t in self.pairs), teacher.pooled[:, :, None, None]]
        guesses: list[Tensor] = []
        deeper = None
        for fusion, features, target in zip(
            reversed(self.fusions), reversed(student_maps), reversed(teacher_maps), strict=True
        ):
            guess, deeper = fusion(features, deeper, target.shape[2:])
            guesses.append(guess)
        return review_kd_loss(guesses[::-1], teacher_maps)
