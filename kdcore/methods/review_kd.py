"""Knowledge review: each of the teacher's maps also teaches the student's deeper layers.

Chen et al., CVPR 2021, https://arxiv.org/abs/2104.09044; code https://github.com/dvlab-research/ReviewKD. From the
deepest map up, the student's map is fused with what the deeper ones came to (attention-based fusion, ABF), and what comes
of it is compared with the teacher's map at several resolutions (hierarchical context loss, HCL). The deepest "map" is the
pooled vector. The teacher's maps are those that its stages give, so after the ReLU, where the code takes them before it.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method, check_pairs, pairs_by_depth
from kdcore.tensors.fields import Read
from kdcore.tensors.outputs import Batch, Outputs, Shapes

CONTEXTS = (4, 2, 1)  # grids besides the whole one
WIDEST = 512  # channels of what is passed from deep to shallow


def review_kd_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """The hierarchical context loss, a sum over maps.

    Of each map the mean squared gap of the whole, and of it pooled to 4 x 4, 2 x 2 and 1 x 1 where that is coarser,
    weighed 1, 1/2, 1/4, 1/8 and divided by the sum of the weights.

    Args:
        student: maps [B, C, H, W], each fused with the deeper ones.
        teacher: maps of the same shapes.
    """
    losses = []
    for ours, theirs in zip(student, teacher, strict=True):
        loss, weight, whole = F.mse_loss(ours, theirs), 1.0, 1.0
        for side in CONTEXTS:
            if side < min(ours.shape[2:]):
                weight /= 2
                whole += weight
                loss = loss + weight * F.mse_loss(
                    F.adaptive_avg_pool2d(ours, side), F.adaptive_avg_pool2d(theirs, side)
                )
        losses.append(loss / whole)
    return sum(losses[1:], losses[0])


class Fusion(nn.Module):
    """Attention-based fusion of a student's map with what came of the deeper ones: at each place a share of both."""

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
            deeper: what the next deeper fusion passed on, [B, middle, ...]; None for the deepest.
            grid: the teacher's.

        Returns:
            A guess of the teacher's map, and what is passed on.
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
        equal depth, a CNN's last stages and a ViT's blocks evenly spread. The pooled vectors always come last.
    """

    card = Card(
        title="Knowledge review",
        summary="Each of the teacher's maps also teaches the student's deeper layers, through learned fusions.",
        formula=r"\sum_{i} \mathrm{HCL}\left(\mathrm{ABF}(F_{S}^{i}, \mathrm{ABF}(F_{S}^{i+1}, \dots)),\, F_{T}^{i}\right)",
        symbols=r"$F$ feature maps, ABF the learned fusion of a map with the deeper ones, HCL the mean squared gap of the "
        r"maps whole and pooled to $4^2$, $2^2$ and $1$",
        paper="Chen et al., CVPR 2021",
        url="https://arxiv.org/abs/2104.09044",
        weight=1.0,
        source="The authors' scripts on CIFAR-100: 0.6 to 8 by the pair, grown from 0 over the first 20 of 240 epochs, cross-"
        "entropy 1; with the teacher's maps before the ReLU.",
        use="From CNN to CNN, with a weight that grows from 0 over the first tenth of the run.",
        avoid="The teacher's maps are taken as they are, so each teacher needs its own weight, a ViT above all: it was "
        "published for CNNs, and a ViT's maps have one resolution, which leaves little to review.",
    )
    needs = frozenset({"features", "pooled"})

    def __init__(self, student: Shapes, teacher: Shapes | None, *, pairs: list[tuple[int, int]] | None = None) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        for who, shapes in {"student": student, "teacher": teacher}.items():
            if len(shapes.features) < 2:
                raise UserError(
                    f"the {who} gives {len(shapes.features)} feature map(s), and a review takes two or more. Take a "
                    "network with stages, or the method fitnets."
                )
        self.pairs = check_pairs(pairs, student, teacher) if pairs else pairs_by_depth(student, teacher)
        if sorted(self.pairs) != self.pairs:
            raise UserError(f"pairs {self.pairs} do not go from shallow to deep: sort them.")
        self.unlike = student.tokens or teacher.tokens
        middle = min(WIDEST, student.pooled)
        sides = [(student.features[s][0], teacher.features[t][0]) for s, t in self.pairs]
        self.fusions = nn.ModuleList(
            [
                *(Fusion(ours, middle, theirs, deepest=False) for ours, theirs in sides),
                Fusion(student.pooled, middle, teacher.pooled, deepest=True),
            ]
        )

    def reads(self) -> frozenset[Read]:
        return frozenset({Read("pooled"), *(Read("features", t) for _, t in self.pairs)})

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        if len(student.pooled) == 1:
            return 0 * student.pooled.sum()  # one vector has no variance for the deepest BatchNorm to divide by
        ours = [*(student.features[s] for s, _ in self.pairs), student.pooled[:, :, None, None]]
        theirs = [*(teacher.features[t] for _, t in self.pairs), teacher.pooled[:, :, None, None]]
        guesses: list[Tensor] = []
        deeper = None
        for fusion, features, target in zip(reversed(self.fusions), reversed(ours), reversed(theirs), strict=True):
            guess, deeper = fusion(features, deeper, target.shape[2:])
            guesses.append(guess)
        return review_kd_loss(guesses[::-1], theirs)

    def warnings(self) -> tuple[str, ...]:
        if not self.unlike:
            return ()
        return (
            "Knowledge review was published between CNNs. A ViT's tokens have a scale of their own and one resolution: "
            "watch this term's share of the gradient and set its weight by it.",
        )
