"""Hints: a learned regressor on the student's feature maps predicts the teacher's.

Romero et al., FitNets, ICLR 2015, https://arxiv.org/abs/1412.6550. The regressor's shapes are those of RepDistiller
(https://github.com/HobbitLong/RepDistiller). With several pairs, a 1x1 convolution and `align: bilinear` it is the
locality guidance of Li et al., ECCV 2022, https://arxiv.org/abs/2207.10026, for small ViTs.
"""

from collections.abc import Iterator
from itertools import islice

import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Layers, Method, Steps, check_pairs
from kdcore.models.teacher import Teacher
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import Batch, Outputs, Shapes
from kdcore.weighting import SCORES, LayerSelection
from kdcore.weighting.selection import BATCHES

Shape = tuple[int, int, int]  # C, H, W


def fitnets_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error of feature maps [B, C, H, W] of one shape (the student's after its regressor)."""
    return F.mse_loss(student, teacher)


def standardised(features: Tensor) -> Tensor:
    """Features [B, C, H, W] with mean 0 and variance 1 per channel over the batch, so that one weight suits all teachers."""
    return F.batch_norm(features, None, None, training=True)


class FitNets(Method):
    """Options:

    pairs: [student, teacher] indices of feature maps, negative from the end, or `all`: every map of the teacher with the
        student's at the same depth; default: the last map of both, or `all` where some are selected.
    relu: end the regressor with a ReLU, for a teacher whose maps are rectified; not for a ViT's signed tokens.
    standardise: give the teacher's channels mean 0 and variance 1, so that its scale does not matter.
    align: `regressor` (strided, transposed or pooled to the teacher's grid) or `bilinear` (both to the finer grid).
    select: number of pairs to use: those whose teacher map scores highest over ten batches before the first step.
    by: the score: `variance`, or without the map's scale `coefficient_of_variation` or `spatial_variance`.
    every: epochs between selections; 0 for one at the start. A layer is replaced by one that scores 10 % higher; as the
        teacher is frozen, only the images and their augmentation can bring that about.
    """

    card = Card(
        title="Hints",
        summary="A learned regressor on the student's feature maps predicts the teacher's.",
        formula=r"\sum_{(s,\,t)} \operatorname{mean}\left(r(F_{S}^{s}) - F_{T}^{t}\right)^2",
        symbols=r"$F$ feature maps, $r$ a regressor that learns with the student and is not exported",
        paper="Romero et al., FitNets, ICLR 2015",
        url="https://arxiv.org/abs/1412.6550",
        weight=1.0,
        source="RepDistiller takes 100 on raw CIFAR features; with `standardise` the teacher's scale does not matter, and 1 is a starting point. "
        "The bundled CIFAR-10 teacher was trained with 2.5, `align: bilinear` and three pairs (locality guidance).",
        use="Between networks of one kind; or with `align: bilinear` and three pairs to start a small ViT from a CNN. To choose "
        "layers automatically, `select` takes those whose activations vary most.",
        avoid="Between different architectures: matching raw features can harm the student.",
        differs="The paper's regressor is a convolution without padding that is as large as the grids require, and hints train the "
        "lower half of the student first, in a stage of their own. Here the regressor is strided or transposed where one grid is "
        "twice the other, else pooling and a 1 x 1 convolution, and all terms train together (`from_epoch` delays a term).",
    )
    needs = frozenset({"features"})

    def __init__(
        self,
        student: Shapes,
        teacher: Shapes | None,
        *,
        pairs: list[tuple[int, int]] | str | None = None,
        relu: bool = False,
        standardise: bool = True,
        align: str = "regressor",
        select: Layers | None = None,
        by: str = "variance",
        every: Steps = 0,
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if align not in ("regressor", "bilinear"):
            raise UserError(f"align {align!r} is not one of 'regressor', 'bilinear'.")
        if relu and standardise:
            raise UserError(
                "a regressor that ends in a ReLU cannot reach standardised features: set `relu` or `standardise` to false."
            )
        if select is None and every:
            raise UserError(
                "`every` is the number of epochs between selections, and nothing is selected: set `select`, for example to 3."
            )
        self.pairs = _pairs(pairs or ("all" if select else [(-1, -1)]), student, teacher)
        self.standardise, self.align, self.every = standardise, align, every
        # one for each pair, selected or not, so that checkpoints have the same tensors
        self.regressors = nn.ModuleList(
            _regressor(student.features[s], teacher.features[t], relu, align) for s, t in self.pairs
        )
        self.selection = LayerSelection(len(self.pairs), select, by) if select is not None else None
        self._compared: dict[int, tuple[Tensor, Tensor]] = {}  # the last batch's maps, by the teacher's layer

    def prepare(self, teacher: Teacher, batches: Iterator[Batch]) -> Iterator[str]:
        if self.selection:
            for batch in islice(batches, BATCHES):
                self._observe(teacher(batch.images, self.needs))
            self.selection.choose()
            yield self._selection_note()

    def epoch_ended(self, epoch: int) -> Iterator[str]:
        if self.selection and self.every and epoch % self.every == 0 and self.selection.choose():
            yield self._selection_note()

    def used_outputs(self) -> frozenset[OutputPart]:
        selects_again = self.selection is not None and self.every
        chosen = self.selection.chosen if self.selection and not selects_again else range(len(self.pairs))
        return frozenset(OutputPart("features", self.pairs[place][1]) for place in chosen)

    def is_mean_over_images(self) -> bool:
        return not (self.selection and self.every)  # a selection compares the images of a batch

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        if self.selection and self.every and self.training:
            self._observe(teacher)
        self._compared.clear()  # before this batch's maps are made
        losses = []
        for place in self.selection.chosen if self.selection else range(len(self.pairs)):
            s, t = self.pairs[place]
            guess, target = self.regressors[place](student.features[s]), teacher.features[t]
            if self.standardise:
                target = standardised(target)
            if guess.shape[2:] != target.shape[2:]:
                finer = max(guess.shape[2:], target.shape[2:])
                guess, target = (
                    F.interpolate(m, finer, mode="bilinear", align_corners=False) if m.shape[2:] != finer else m
                    for m in (guess, target)
                )
            losses.append(fitnets_loss(guess, target))
            self._compared[t] = (guess.detach(), target)
        return sum(losses[1:], losses[0])

    def figures(self) -> dict[str, float]:
        """Cosine similarity of the last batch's maps, on average and for each teacher map; scores and selection."""
        similar = {layer: similarity(*maps).item() for layer, maps in self._compared.items()}
        figures = {"similarity": sum(similar.values()) / len(similar)} if similar else {}
        figures |= {f"similarity/{layer}": value for layer, value in similar.items()} if len(self.pairs) > 1 else {}
        if self.selection:
            for name, row in zip(SCORES, self.selection.scores.tolist(), strict=True):
                figures |= {f"{name}/{t}": score for (_, t), score in zip(self.pairs, row, strict=True)}
            figures |= {f"kept/{pair[1]}": float(n in self.selection.chosen) for n, pair in enumerate(self.pairs)}
        return figures

    def _observe(self, teacher: Outputs) -> None:
        assert self.selection is not None
        self.selection.observe([teacher.features[t] for _, t in self.pairs])

    def _selection_note(self) -> str:
        assert self.selection is not None
        chosen = [str(self.pairs[place][1]) for place in self.selection.chosen]
        named = f"map {chosen[0]}" if len(chosen) == 1 else f"maps {', '.join(chosen[:-1])} and {chosen[-1]}"
        by = SCORES[self.selection.row].replace("_", " ")
        return f"hints come from the teacher's {named} (counted from 0), selected from {len(self.pairs)} by {by}."


def similarity(student: Tensor, teacher: Tensor) -> Tensor:
    """Cosine similarity of two feature maps [B, C, H, W] of one shape, mean over the images."""
    return F.cosine_similarity(student.flatten(1), teacher.flatten(1)).mean()


def _pairs(pairs: list[tuple[int, int]] | str, student: Shapes, teacher: Shapes) -> list[tuple[int, int]]:
    """[student, teacher] indices. `all`: each teacher map with the student map at the same relative depth, counted from
    the end, so that the last maps are paired and a student's stem is left out where it has more maps."""
    if isinstance(pairs, str):
        if pairs != "all":
            raise UserError(f"pairs {pairs!r} is neither 'all' nor a list such as [[1, 2], [-1, -1]].")
        students, teachers = len(student.features), len(teacher.features)
        return [(-(-(layer + 1) * students // teachers) - 1, layer) for layer in range(teachers)]
    return check_pairs([(int(s), int(t)) for s, t in pairs], student, teacher)


def _regressor(source: Shape, target: Shape, relu: bool, align: str) -> nn.Module:
    return nn.Conv2d(source[0], target[0], 1) if align == "bilinear" else regressor(source, target, relu)


def regressor(source: Shape, target: Shape, relu: bool) -> nn.Module:
    """From the student's map to the teacher's shape: strided or transposed where one side is twice the other, else
    pooled to a coarser grid; a finer grid is left to interpolation."""
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
