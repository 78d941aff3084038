"""Cross-architecture projection: attention computed from a CNN's feature map matches a ViT's last block.

Liu et al., Cross-Architecture Knowledge Distillation, ACCV 2022, https://arxiv.org/abs/2207.05273. Two projectors: the
partially cross attention (PCA), in which each element of the student's queries, keys and values is replaced by the
teacher's with probability 1/2, and the group-wise linear one (GL) to the teacher's tokens, with one linear layer for
every 4 x 4 cells. Both are used in training only.

The teacher's queries, keys and values are those of its last block, patches only, so the class token is left out of
the attention on both sides. Squares are means, not sums, so grids and widths do not change the weight. The paper's
generator of views and its discriminator are left out, and so is the dropout in GL, whose rate is not given.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Factor, Method, coarser_grid
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import Batch, Outputs, Shapes

EXCHANGED = 0.5  # of the student's elements are the teacher's
GROUP = 4  # cells on a side that share a linear layer


def capd_loss(
    student: Tensor,
    teacher: Tensor,
    tokens_student: Tensor,
    tokens_teacher: Tensor,
    *,
    exchanged: Tensor,
    attention_weight: float = 1.0,
    tokens_weight: float = 1.0,
) -> Tensor:
    """Mean squared errors of the attention's output and of the values' products (PCA), and of the tokens (GL).

    Args:
        student: queries, keys and values [B, 3, h, N, d] made of the student's map.
        teacher: queries, keys and values [B, 3, h, N, d].
        tokens_student: the student's map turned into tokens, [B, D, H, W].
        tokens_teacher: [B, D, H, W].
        exchanged: [B, 3, h, N, d], true where the teacher's element takes the place of the student's.
    """
    query, key, value = torch.where(exchanged, teacher, student).unbind(1)
    attended = F.mse_loss(attend(query, key, value), attend(*teacher.unbind(1)))
    products = F.mse_loss(value_products(student[:, 2]), value_products(teacher[:, 2]))
    return attention_weight * (attended + products) + tokens_weight * F.mse_loss(tokens_student, tokens_teacher)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T / sqrt(d)) value, each [B, h, N, d]."""
    return (query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5).softmax(dim=-1) @ value


def value_products(value: Tensor) -> Tensor:
    """value value^T / sqrt(d): [B, h, N, d] -> [B, h, N, N]."""
    return value @ value.transpose(-2, -1) / value.shape[-1] ** 0.5


class GroupwiseLinear(nn.Module):
    """A linear layer [C] -> [D] for every 4 x 4 cells of a map [B, C, H, W] -> [B, D, H, W]."""

    def __init__(self, channels: int, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.rows, self.columns = (-(-side // GROUP) for side in grid)
        self.layers = nn.ModuleList(nn.Conv2d(channels, width, 1) for _ in range(self.rows * self.columns))

    def forward(self, features: Tensor) -> Tensor:
        rows = []
        for row, strip in enumerate(features.split(GROUP, dim=2)):
            layers = self.layers[row * self.columns : (row + 1) * self.columns]
            cells = zip(layers, strip.split(GROUP, dim=3), strict=True)
            rows.append(torch.cat([layer(cell) for layer, cell in cells], dim=3))
        return torch.cat(rows, dim=2)


class CAPD(Method):
    """Options:

    layer: index of the student's feature map, negative from the end. Best one with the grid of the teacher's tokens.
    attention_weight: weight of the part on the attention's output and the values' products.
    tokens_weight: weight of the part on the tokens.
    """

    card = Card(
        title="Cross-architecture projection",
        summary="Queries, keys and values projected from a CNN's feature map give the attention of a ViT's last block.",
        formula=r"\operatorname{mean}\left(A_T - A_{S \leftarrow T}\right)^2 + \operatorname{mean}\left("
        r"\frac{V_T V_T^\top}{\sqrt{d}} - \frac{V_S V_S^\top}{\sqrt{d}}\right)^2 + \operatorname{mean}\left(H_T - "
        r"\mathrm{GL}(F_S)\right)^2",
        symbols=r"$A = \operatorname{softmax}(QK^\top / \sqrt{d})\,V$ of the last block, $A_{S \leftarrow T}$ that of the student "
        r"with half its elements replaced by the teacher's, $H$ tokens, $F$ a feature map, GL a linear layer for every 4 x 4 "
        r"cells",
        paper="Liu et al., ACCV 2022",
        url="https://arxiv.org/abs/2207.05273",
        weight=1.0,
        source="The paper gives none; 1 is a starting point, as every square is a mean over all elements.",
        use="From ViT to CNN beside cross-entropy and kd, at a student map with the grid of the tokens.",
        avoid="On its own: it does not train the classifier, so without cross-entropy or kd the student stays at chance. The "
        "memory for its attention grows with the square of the number of grid cells, in training only.",
    )
    needs = frozenset({"features", "qkv"})

    def __init__(
        self,
        student: Shapes,
        teacher: Shapes | None,
        *,
        layer: int = -1,
        attention_weight: Factor = 1.0,
        tokens_weight: Factor = 1.0,
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if teacher.qkv is None:
            raise UserError(
                "the teacher has no queries, keys and values: a CNN has none, and they cannot be read from every ViT (from "
                "one with rotary embeddings, for example). Use a ViT or DeiT as the teacher, or the method fitnets or review_kd."
            )
        if student.tokens or not student.features:
            raise UserError(
                "the student has no CNN feature maps to project to tokens. Use a CNN as the student, or for a ViT the method "
                "attention, fitnets or locality_guidance."
            )
        if not -len(student.features) <= layer < len(student.features):
            count = len(student.features)
            raise UserError(
                f"the student has {count} feature maps, so there is no number {layer}: use 0 to {count - 1}."
            )
        self.layer = layer
        self.attention_weight, self.tokens_weight = attention_weight, tokens_weight
        heads, width, height, breadth = teacher.qkv
        channels, *own = student.features[layer]
        grid = min(own[0], height), min(own[1], breadth)
        self.to_qkv = nn.Conv2d(channels, 3 * heads * width, 3, padding=1)  # the paper's three convolutions in one
        self.to_tokens = GroupwiseLinear(channels, teacher.features[-1][0], grid)

    def used_outputs(self) -> frozenset[OutputPart]:
        return frozenset({OutputPart("features", -1), OutputPart("qkv")})

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        features, tokens, qkv = student.features[self.layer], teacher.features[-1], teacher.qkv
        assert qkv is not None, "checked in the constructor"
        grid = coarser_grid(features, tokens)
        features, tokens = F.adaptive_avg_pool2d(features, grid), F.adaptive_avg_pool2d(tokens, grid)
        teacher_qkv = F.adaptive_avg_pool2d(qkv.flatten(1, 3), grid).flatten(2)  # [B, 3 h d, N]
        student_qkv = self.to_qkv(features).flatten(2)
        by_head = (3, *qkv.shape[2:4])
        student_qkv, teacher_qkv = (
            each.unflatten(1, by_head).transpose(3, 4) for each in (student_qkv, teacher_qkv)
        )  # [B, 3, h, N, d]
        return capd_loss(
            student_qkv,
            teacher_qkv,
            self.to_tokens(features),
            tokens,
            exchanged=torch.rand_like(student_qkv) < EXCHANGED,
            attention_weight=self.attention_weight,
            tokens_weight=self.tokens_weight,
        )
