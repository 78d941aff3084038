"""Hints: the student's feature maps, through a learned regressor, follow the teacher's.

Romero et al., FitNets, ICLR 2015, https://arxiv.org/abs/1412.6550. The regressor's shapes are those of RepDistiller
(https://github.com/HobbitLong/RepDistiller). With several pairs, a 1x1 convolution and `align: bilinear` it is the
locality guidance of Li et al., ECCV 2022, https://arxiv.org/abs/2207.10026, for small ViTs.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.methods.base import Method
from kdcore.outputs import Batch, Outputs, Shapes

Shape = tuple[int, int, int]  # C, H, W


def fitnets_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared gap over everything, of feature maps [B, C, H, W] of one shape (the student's after its regressor)."""
    return F.mse_loss(student, teacher)


def standardised(features: Tensor) -> Tensor:
    """Features [B, C, H, W] with mean 0 and variance 1 a channel over the batch, so that one weight suits all teachers."""
    return F.batch_norm(features, None, None, training=True)


class FitNets(Method):
    """Options:

    pairs: [student, teacher] indices of feature maps, negative from the end; default: the last map of both.
    relu: end the regressor with a ReLU, right for a teacher whose maps are rectified, wrong for a ViT's signed tokens.
    standardise: bring the teacher's channels to mean 0, variance 1; right for any teacher, as its scale is arbitrary.
    align: `regressor` (strided, transposed or pooled to the teacher's grid) or `bilinear` (both to the finer grid).
    """

    needs = frozenset({"features"})

    def __init__(
        self,
        student: Shapes,
        teacher: Shapes | None,
        *,
        pairs: list[tuple[int, int]] | None = None,
        relu: bool = False,
        standardise: bool = True,
        align: str = "regressor",
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if align not in ("regressor", "bilinear"):
            raise ValueError(f"align {align!r} is not one of 'regressor', 'bilinear'.")
        if relu and standardise:
            raise ValueError(
                "a regressor that ends in a ReLU cannot reach standardised features; choose one of the two."
            )
        self.pairs = [(int(ours), int(theirs)) for ours, theirs in (pairs or [(-1, -1)])]
        self.standardise, self.align = standardise, align
        regressors = []
        for ours, theirs in self.pairs:
            source, target = _pick(student.features, ours, "student"), _pick(teacher.features, theirs, "teacher")
            regressors.append(
                nn.Conv2d(source[0], target[0], 1) if align == "bilinear" else regressor(source, target, relu)
            )
        self.regressors = nn.ModuleList(regressors)

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        losses = []
        for regress, (ours, theirs) in zip(self.regressors, self.pairs, strict=True):
            guess, target = regress(student.features[ours]), teacher.features[theirs]
            if self.standardise:
                target = standardised(target)
            if guess.shape[2:] != target.shape[2:]:
                finer = max(guess.shape[2:], target.shape[2:])
                guess, target = (
                    F.interpolate(m, finer, mode="bilinear", align_corners=False) if m.shape[2:] != finer else m
                    for m in (guess, target)
                )
            losses.append(fitnets_loss(guess, target))
        return sum(losses[1:], losses[0])


def regressor(source: Shape, target: Shape, relu: bool) -> nn.Module:
    """From the student's map to the teacher's shape: strided or transposed where one side is twice the other, else
    pooled to the coarser grid; a grid that is finer at the teacher's end is left to interpolation."""
    channels, height = source[0], source[1]
    if height == 2 * target[1]:
        layers: list[nn.Module] = [nn.Conv2d(channels, target[0], 3, stride=2, padding=1)]
    elif 2 * height == target[1]:
        layers = [nn.ConvTranspose2d(channels, target[0], 4, stride=2, padding=1)]
    elif height > target[1]:
        layers = [nn.AdaptiveAvgPool2d(target[1:]), nn.Conv2d(channels, target[0], 1)]
    else:
        layers = [nn.Conv2d(channels, target[0], 1)]
    layers.append(nn.BatchNorm2d(target[0]))
    if relu:
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def _pick(features: tuple[Shape, ...], index: int, who: str) -> Shape:
    if not -len(features) <= index < len(features):
        raise ValueError(f"the {who} has {len(features)} feature maps, so there is no number {index}.")
    return features[index]
