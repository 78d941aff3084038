"""Attention transfer: the energy maps of the student's features match the teacher's.

Zagoruyko & Komodakis, ICLR 2017, https://arxiv.org/abs/1612.03928. The paper and its code differ, and so do the weights
they need: the paper takes the distance of the two maps, the code (https://github.com/szagoruyko/attention-transfer) the
mean of its square over batch and grid cells, which also divides by the size of the grid. Between a ViT and a CNN the
ViT's map is its class token's attention, or the energy of its patch tokens.
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method, Positive, check_pairs, coarser_grid, pairs_by_depth
from kdcore.tensors.energy import energy
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import Batch, Outputs, Shapes


def attention_transfer_loss(student: Tensor, teacher: Tensor, *, form: str = "code") -> Tensor:
    """Distance of two maps, each scaled to a vector of length 1.

    Args:
        student: map [B, H, W], not negative.
        teacher: map [B, H, W] on the same grid.
        form: `code`, the squared difference, mean over batch and grid cells; `paper`, half the length of the difference,
            mean over the batch.
    """
    difference = F.normalize(student.flatten(1)) - F.normalize(teacher.flatten(1))
    if form == "code":
        return difference.square().mean()
    return difference.norm(dim=1).mean() / 2


class AttentionTransfer(Method):
    """Options:

    pairs: [student, teacher] indices of feature maps, negative from the end; default: up to four at equal depth, a CNN's
        last stages and a ViT's blocks evenly spread.
    form: `code`, the squared difference averaged over grid cells, for which the weight of 1000 is meant; or `paper`, its length.
    power: exponent of an activation in its energy; a higher one emphasises the strongest activations.
    vit_map: the map of a ViT: the `attention` of its class token, or the `energy` of its patch tokens.
    """

    card = Card(
        title="Attention transfer",
        summary="The spatial energy of the student's features matches the teacher's.",
        formula=r"\sum_{(s,\,t)} \operatorname{mean}\left(\frac{Q_{S}^{s}}{\lVert Q_{S}^{s} \rVert_2} - "
        r"\frac{Q_{T}^{t}}{\lVert Q_{T}^{t} \rVert_2}\right)^2",
        symbols=r"$Q = \operatorname{mean}_c |F_c|^2$ the energy of a feature map, or a ViT's class-token attention",
        paper="Zagoruyko & Komodakis, ICLR 2017",
        url="https://arxiv.org/abs/1612.03928",
        weight=1000.0,
        source="The authors' code, RepDistiller and mdistiller on CIFAR, for `form: code` on grids of 32, 16 and 8. The mean "
        "divides by the number of cells, so a finer grid needs a larger weight. Measured at the first step from the bundled ViT to a CNN, "
        "a weight of 1000 gives 98 % of the gradient beside cross-entropy, and 20 gives half; with `form: paper` 1 is half.",
        use="Between CNNs of one family whose widths differ.",
        avoid="Weak or harmful between different architectures: a CNN's energy does not depend on the class, a class token's "
        "attention does. ResNet-50 to MobileNetV2 on CIFAR-100 lost 6 points against no teacher in RepDistiller's table.",
    )
    needs = frozenset({"features", "attention"})

    def __init__(
        self,
        student: Shapes,
        teacher: Shapes | None,
        *,
        pairs: list[tuple[int, int]] | None = None,
        form: str = "code",
        power: Positive = 2,
        vit_map: str = "attention",
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if form not in ("code", "paper"):
            raise UserError(f"form {form!r} is not one of 'code', 'paper'.")
        if vit_map not in ("attention", "energy"):
            raise UserError(f"vit_map {vit_map!r} is not one of 'attention', 'energy'.")
        if power <= 0:
            raise UserError(f"power {power:g} is not above 0; the paper takes 2.")
        for who, shapes in {"student": student, "teacher": teacher}.items():
            if not shapes.features:
                raise UserError(f"the {who} has no feature maps. Use a CNN or a ViT, or the method kd.")
            if vit_map == "attention" and shapes.tokens and not shapes.attention:
                reason = (
                    "whose class token's attention cannot be read" if shapes.class_token else "without a class token"
                )
                raise UserError(
                    f"the {who} is a ViT {reason}, so it has no class-token attention: set the option vit_map to energy."
                )
        self.pairs = check_pairs(pairs, student, teacher) if pairs else pairs_by_depth(student, teacher)
        self.form, self.power = form, power
        self.student_attends = vit_map == "attention" and student.tokens
        self.teacher_attends = vit_map == "attention" and teacher.tokens
        grids = ((student.features[s][1:], teacher.features[t][1:]) for s, t in self.pairs)
        self.grids = [(min(sg[0], tg[0]), min(sg[1], tg[1])) for sg, tg in grids]

    def used_outputs(self) -> frozenset[OutputPart]:
        output, power = ("attention", 1.0) if self.teacher_attends else ("features", self.power)
        return frozenset(
            OutputPart(output, t, grid, power) for (_, t), grid in zip(self.pairs, self.grids, strict=True)
        )

    def is_mean_over_images(self) -> bool:
        return True

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        losses = []
        for s, t in self.pairs:
            student_layer = student.attention[s] if self.student_attends else student.features[s]
            teacher_layer = teacher.attention[t] if self.teacher_attends else teacher.features[t]
            grid = coarser_grid(student_layer, teacher_layer)
            maps = (
                self._map(student_layer, grid, self.student_attends),
                self._map(teacher_layer, grid, self.teacher_attends),
            )
            losses.append(attention_transfer_loss(*maps, form=self.form))
        return sum(losses[1:], losses[0])

    def _map(self, layer: Tensor, grid: tuple[int, int], is_attention: bool) -> Tensor:
        """[B, C, H, W] features, or [B, h, H, W] attention, -> map [B, *grid]."""
        layer = F.adaptive_avg_pool2d(layer, grid)  # first, as the code does it, then the energy
        return layer.mean(dim=1) if is_attention else energy(layer, power=self.power)
